"""`pillarbox quickstart`: a server that works at once, with TLS, an account and mail in it, from an empty directory.

Rules: nothing outside the directory is touched; what is there already is kept, so that a second start finds the same
account, certificate and mail; ports are unprivileged and listen on this machine only.
"""

from __future__ import annotations

import datetime
import os
import pwd
import secrets
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pillarbox import wiring
from pillarbox.cli import samples, serve
from pillarbox.config import Settings, load
from pillarbox.config.toml import quoted
from pillarbox.server.certificates import make_self_signed

ACCOUNT = "ada@localhost"
TLS_PORTS = range(1995, 2095)
STLS_PORTS = range(1110, 1210)
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without what is easily mistaken

_CONFIG = """\
# Made by `pillarbox quickstart`. `pillarbox config explain KEY` says what a setting does.

[server]
hostname = "localhost"
workers = 1
state_directory = {state}
{user}
[[listener]]
tls = "implicit"
address = ["127.0.0.1"]
port = {tls_port}

[[listener]]
tls = "starttls"
address = ["127.0.0.1"]
port = {stls_port}

[tls]
certificate = {certificate}
key = {key}

[maildir]
path = {maildir}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one quickstart directory."""

    directory: Path

    @property
    def config(self) -> Path:
        """The configuration; written last, so that it stands for a complete set-up."""
        return self.directory / "pillarbox.toml"

    @property
    def password(self) -> Path:
        """The first account's password, readable by its owner only."""
        return self.directory / "first-password"

    @property
    def maildir(self) -> Path:
        """The first account's mail."""
        return self.directory / "mail" / ACCOUNT / "Maildir"


def _free_port(candidates: range) -> int:
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no port from {candidates.start} to {candidates.stop - 1} is free on 127.0.0.1")


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def prepare(place: Place, now: datetime.datetime) -> None:
    """Make what is missing. Safe to repeat, and to interrupt at any moment."""
    if place.config.exists():
        return
    place.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = make_self_signed(place.directory / "tls", ["localhost"], now)
    user = pwd.getpwuid(os.getuid()).pw_name
    text = _CONFIG.format(
        state=quoted(str(place.directory)),
        # Started as root the server wants to be told whom to become; here it stays what it is.
        user=f"user = {quoted(user)}\n" if os.getuid() == 0 else "",
        tls_port=_free_port(TLS_PORTS),
        stls_port=_free_port(STLS_PORTS),
        certificate=quoted(str(certificate)),
        key=quoted(str(key)),
        maildir=quoted(f"{place.directory}/mail/{{account}}/Maildir"),
    )
    draft = place.config.with_suffix(".draft")
    _write_private(draft, text)
    _add_account(place, load(draft))
    if not any((place.maildir / "new").glob("*")):
        for number, message in enumerate(samples.messages(ACCOUNT, now), start=1):
            samples.deliver(place.maildir, message, now, number)
    draft.rename(place.config)


def _add_account(place: Place, settings: Settings) -> None:
    password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
    stored = wiring.hasher(settings).hash(password.encode())
    store = wiring.account_store(settings)
    store.create()
    if any(account.name == ACCOUNT for account in store.list()):
        store.set_password(ACCOUNT, stored)
    else:
        store.add(ACCOUNT, stored)
    _write_private(place.password, password + "\n")


def card(place: Place, settings: Settings) -> str:
    """What to type to read the mail."""
    ports = {listener.tls: listener.port for listener in settings.listener}
    password = place.password.read_text().strip()
    authority = shlex.quote(str(settings.tls.certificate))
    login = shlex.quote(f"{ACCOUNT}:{password}")
    curl = f"curl --cacert {authority} --user {login}"
    return f"""
Pillarbox is ready. Press Ctrl-C to stop it; mail and account stay in {place.directory}.

  Account   {ACCOUNT}
  Password  {password}

Type in another terminal:

  List the mail        {curl} pop3s://localhost:{ports["implicit"]}/
  Read message 1       {curl} pop3s://localhost:{ports["implicit"]}/1
  The same with STLS   {curl} --ssl-reqd pop3://localhost:{ports["starttls"]}/1
  Speak POP3 yourself  openssl s_client -quiet -crlf -CAfile {authority} -connect localhost:{ports["implicit"]}
                       then: USER {ACCOUNT} / PASS {password} / STAT / LIST / TOP 1 0 / QUIT

In Thunderbird, add an account by hand ("Configure manually"):

  Incoming: POP3, localhost, port {ports["implicit"]}, SSL/TLS, Normal password, user name {ACCOUNT}
  It asks once whether to trust the self-signed certificate.

Deliver a message of your own: put a file into {place.maildir / "tmp"}, then move it to {place.maildir / "new"}.
"""


def command(
    directory: Annotated[Path, typer.Argument(help="Where everything is kept.")] = Path(".pillarbox"),
) -> None:
    """Start a server to try out: makes a certificate, an account and some mail, and says how to read it."""
    place = Place(directory.absolute())
    prepare(place, datetime.datetime.now(datetime.UTC))
    settings = load(place.config)
    raise typer.Exit(serve.run(place.config, lambda: typer.echo(card(place, settings))))
