"""Checks that need more than one table, or more than the text: across sections, against the disk, against today.

Rules: each check is a small function that yields problems and knows nothing of the others; a section that is itself
wrong is None here and is not judged again. `across` stops a configuration from loading; `check_files` is asked before
a server starts and by `config check`, so that loading stays pure; `warnings` stops nothing.
"""

from __future__ import annotations

import datetime
import os
import ssl
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from pillarbox.config.fields import ANY_ADDRESS
from pillarbox.config.problem import Problem
from pillarbox.config.schema import Settings
from pillarbox.config.schema_listener import Listener, Tls
from pillarbox.config.schema_mail import Auth

MAX_PEM = 64 * 1024
"""Octets in which the marks of a PEM file are looked for."""

CERTIFICATE_ADVICE = 'write certificate = "/…/fullchain.pem" and key = "/…/privkey.pem" under [tls]'


def across(listeners: Sequence[Listener | None], tls: Tls | None, auth: Auth | None) -> Iterator[Problem]:
    """What is wrong between sections. None stands for what already failed its own checks."""
    yield from _names(listeners)
    yield from _ports(listeners)
    if tls:
        yield from _certificate(listeners, tls)
        yield from _sni_names(tls)
    if auth and "passwd-file" in auth.sources and auth.passwd_file.path is None:
        yield Problem(
            "auth.passwd_file.path",
            'is missing, but `auth.sources` names "passwd-file"',
            'write path = "/etc/dovecot/users" under [auth.passwd_file]',
        )


def _names(listeners: Sequence[Listener | None]) -> Iterator[Problem]:
    names: dict[str, int] = {}
    sockets: dict[str, int] = {}
    for number, listener in enumerate(listeners, 1):
        if listener is None:
            continue
        first = names.setdefault(listener.name, number)
        if first != number:
            yield Problem(
                f"listener[{number}].name",
                f'"{listener.name}" is also the name of listener[{first}]',
                f'give it a name of its own: name = "{listener.name}-{number}"',
            )
        first = sockets.setdefault(listener.systemd, number) if listener.systemd else number
        if first != number:
            yield Problem(
                f"listener[{number}].systemd",
                f'the socket "{listener.systemd}" already belongs to listener[{first}]',
                "give each listener a socket unit of its own",
            )


def _ports(listeners: Sequence[Listener | None]) -> Iterator[Problem]:
    taken: dict[tuple[str, int], int] = {}
    for number, listener in enumerate(listeners, 1):
        if listener is None or listener.systemd:
            continue
        for address in listener.address:
            rivals = [
                owner
                for (other, port), owner in taken.items()
                if port == listener.port and (other == address or ANY_ADDRESS in {other, address})
            ]
            if rivals:
                owner = f"listener[{rivals[0]}]" if rivals[0] != number else "the same listener"
                yield Problem(
                    f"listener[{number}].port",
                    f"port {listener.port} of {address} is already taken by {owner}",
                    "choose another port or another address",
                )
            taken.setdefault((address, listener.port), number)


def _certificate(listeners: Sequence[Listener | None], tls: Tls) -> Iterator[Problem]:
    if tls.certificate and not tls.key:
        yield Problem(
            "tls.key",
            "is missing beside `tls.certificate`",
            "write its path; it may be the same file as the certificate",
        )
    if tls.key and not tls.certificate:
        yield Problem("tls.certificate", "is missing beside `tls.key`", CERTIFICATE_ADVICE)
    if tls.certificate or tls.key:
        return
    needy = [listener for listener in listeners if listener and not listener.cleartext_login]
    if needy:
        ports = ", ".join(f"{listener.name} (port {listener.port})" for listener in needy)
        yield Problem(
            "tls.certificate", f"is missing: without it nobody can log in through {ports}", CERTIFICATE_ADVICE
        )


def _sni_names(tls: Tls) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, entry in enumerate(tls.sni, 1):
        for name in entry.names:
            first = seen.setdefault(name, number)
            if first != number:
                yield Problem(
                    f"tls.sni[{number}].names",
                    f'"{name}" already has the certificate of tls.sni[{first}]',
                    "name each host once",
                )


# ---- against the disk -----------------------------------------------------------------------------------------


def check_files(settings: Settings) -> list[Problem]:
    """Look at the files the settings name: are they there, readable, and do key and certificate belong together?

    Reads small files; blocks shortly. Run it as the user that starts the server.
    """
    tls = settings.tls
    problems: list[Problem] = []
    if tls.certificate and tls.key:
        problems += _pair("tls", tls.certificate, tls.key)
    for number, entry in enumerate(tls.sni, 1):
        problems += _pair(f"tls.sni[{number}]", entry.certificate, entry.key)
    passwd_file = settings.auth.passwd_file.path
    if "passwd-file" in settings.auth.sources and passwd_file:
        problems += _readable("auth.passwd_file.path", passwd_file)
    state = settings.server.state_directory
    if state.exists() and not state.is_dir():
        problems.append(Problem("server.state_directory", f"{state} is not a directory", "name a directory"))
    return problems


def _readable(key: str, path: Path) -> list[Problem]:
    # os.stat first: opening a named pipe would wait for ever.
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return [Problem(key, f"{path} is not a file", "name a regular file")]
        with path.open("rb"):
            return []
    except FileNotFoundError:
        return [Problem(key, f"there is no file {path}", "check the path, or create the file")]
    except OSError as error:
        advice = "run this as the user that starts the server, or mend the permissions"
        return [Problem(key, f"{path} cannot be read: {os.strerror(error.errno or 0)}", advice)]


def _pair(section: str, certificate: Path, key: Path) -> list[Problem]:
    problems = _readable(f"{section}.certificate", certificate) + _readable(f"{section}.key", key)
    if problems:
        return problems
    try:
        # Any text for the passphrase keeps OpenSSL from asking for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="-")  # noqa: S106
    except ssl.SSLError as error:
        return [_pair_problem(section, certificate, key, error)]
    return []


def _pair_problem(section: str, certificate: Path, key: Path, error: ssl.SSLError) -> Problem:
    text = str(error).upper()
    if "KEY_VALUES_MISMATCH" in text or "KEY_TYPE_MISMATCH" in text:
        return Problem(f"{section}.key", f"{key} is not the key of {certificate}", "name the key of this certificate")
    if "EE_KEY_TOO_SMALL" in text or "CA_MD_TOO_WEAK" in text:
        return Problem(f"{section}.certificate", f"{certificate} is too weak", "use RSA of 2048 bits or more, or ECDSA")
    # OpenSSL does not say which of the two files it could not read, or why: look at the key's own marks.
    with key.open("rb") as stream:
        start = stream.read(MAX_PEM)
    if b"ENCRYPTED" in start:
        advice = f"store it without one: openssl pkey -in {key} -out new.key"
        return Problem(f"{section}.key", f"{key} is protected by a passphrase", advice)
    marked = b"PRIVATE KEY-----" in start
    bad, what = (certificate, "certificate") if marked else (key, "key")
    noun = "certificate" if marked else "private key"
    return Problem(f"{section}.{what}", f"{bad} holds no usable {noun} in PEM form", f"name a file with a {noun}")


# ---- against today, and what is worth a second look -----------------------------------------------------------


def warnings(settings: Settings, today: datetime.date) -> list[Problem]:
    """What an administrator should know about the settings, though the server runs with them. `today` is UTC's."""
    return [*_expired(settings, today), *_shared_maildirs(settings), *_open_keys(settings)]


def _expired(settings: Settings, today: datetime.date) -> Iterator[Problem]:
    for number, listener in enumerate(settings.listener, 1):
        for place, exception in enumerate(listener.cleartext_login, 1):
            if exception.until < today:
                yield Problem(
                    f"listener[{number}].cleartext_login[{place}].until",
                    f"this exception ended on {exception.until}: its clients are refused",
                    "remove the table, or set a new date",
                )


def _shared_maildirs(settings: Settings) -> Iterator[Problem]:
    template = settings.maildir.path
    if "{domain}" not in template and "{account}" not in template:
        yield Problem(
            "maildir.path",
            "accounts with the same name in two domains would share one Maildir",
            'put {domain} into the path; or, with one domain, set it under [domains."example.org"]',
        )


def _open_keys(settings: Settings) -> Iterator[Problem]:
    keys = {"tls.key": settings.tls.key}
    keys |= {f"tls.sni[{number}].key": entry.key for number, entry in enumerate(settings.tls.sni, 1)}
    for name, path in keys.items():
        try:
            exposed = path is not None and path.stat().st_mode & stat.S_IROTH
        except OSError:
            continue  # `check_files` reports it
        if exposed:
            yield Problem(name, f"every user of this machine can read {path}", f"chmod o-r {path}")
