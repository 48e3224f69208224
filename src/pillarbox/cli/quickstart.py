"""`pillarbox quickstart`: a server that works at once, with TLS, an account and mail in it, from an empty directory.

Rules: nothing outside the directory is touched; what is there already is kept, so that a second start finds the same
account, certificate and mail; the configuration is written last, so that a first start which was cut short is done
over; one server at a time uses a directory; ports are unprivileged and listen on this machine only. The certificate
lasts 825 days; a start in its last two weeks, or later, replaces it.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import secrets
import shlex
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from pillarbox.auth.accounts import AccountsUnavailable
from pillarbox.cli import samples, serve
from pillarbox.cli.config import load_or_exit
from pillarbox.cli.telling import fail_with
from pillarbox.config import Problem
from pillarbox.config.schema import Settings
from pillarbox.config.toml import quoted
from pillarbox.files import write_whole
from pillarbox.server.certificates import EXPIRY_NOTICE, make_self_signed
from pillarbox.wiring import credentials

ACCOUNT = "ada@localhost"
TLS_PORTS = range(1995, 2095)
STLS_PORTS = range(1110, 1210)
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without what is easily mistaken

_MARK = "# Made by `pillarbox quickstart`."
"""How a configuration of ours begins: a server that somebody else has set up is not started from here."""

_CONFIG = """\
{mark} `pillarbox config explain KEY` says what a setting does.

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

[timeouts]
# Ctrl-C ends it at once, also while a mail client is connected.
shutdown = 0.5

[maildir]
path = {maildir}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one quickstart directory, which is an absolute path."""

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
    def certificate(self) -> Path:
        """The self-signed certificate."""
        return self.directory / "tls" / "self-signed.pem"

    @property
    def key(self) -> Path:
        """The certificate's key."""
        return self.certificate.with_suffix(".key")

    @property
    def maildir(self) -> Path:
        """The first account's mail."""
        return self.directory / "mail" / ACCOUNT / "Maildir"

    @property
    def template(self) -> str:
        """Where every account's mail is."""
        return f"{self.directory}/mail/{{account}}/Maildir"


# ---- making -------------------------------------------------------------------------------------------------------


def prepare(place: Place, now: datetime.datetime) -> None:
    """Make what is missing. Safe to repeat, and to interrupt at any moment. `now` is aware.

    Raises:
        OSError: the directory cannot be written to, or no port is free.
        AccountsUnavailable: the accounts database cannot be used.
    """
    if not _certificate_lasts(place, now):
        make_self_signed(place.certificate.parent, ["localhost"], now)
    if place.config.exists():
        return
    text = _CONFIG.format(
        mark=_MARK,
        state=quoted(str(place.directory)),
        # Started as root the server wants to be told whom to become; here it stays what it is.
        user='user = "root"\n' if os.geteuid() == 0 else "",
        tls_port=_free_port(TLS_PORTS),
        stls_port=_free_port(STLS_PORTS),
        certificate=quoted(str(place.certificate)),
        key=quoted(str(place.key)),
        maildir=quoted(place.template),
    )
    draft = place.config.with_suffix(".draft")
    write_whole(draft, text.encode())
    _add_account(place, load_or_exit(draft))
    _deliver_samples(place, now)
    draft.rename(place.config)


def _certificate_lasts(place: Place, now: datetime.datetime) -> bool:
    """Whether there is a certificate that needs no renewal, or one that is not ours to renew."""
    if not place.key.exists():
        return False
    try:
        certificate = x509.load_pem_x509_certificate(place.certificate.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        return True  # not what we wrote: the server says what is wrong with it
    return certificate.issuer != certificate.subject or certificate.not_valid_after_utc > now + EXPIRY_NOTICE


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


def _add_account(place: Place, settings: Settings) -> None:
    password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
    stored = credentials.hasher(settings).hash(password.encode())
    with contextlib.closing(credentials.account_store(settings)) as store:
        store.create()
        if store.lookup(ACCOUNT):
            store.set_password(ACCOUNT, stored)
        else:
            store.add(ACCOUNT, stored)
    write_whole(place.password, f"{password}\n".encode())


def _deliver_samples(place: Place, now: datetime.datetime) -> None:
    """Give the account its first mail: all of it or, when this is cut short, nothing."""
    if place.maildir.exists():
        return
    draft = place.maildir.with_name("Maildir.draft")
    if draft.exists():
        shutil.rmtree(draft)
    for number, message in enumerate(samples.messages(ACCOUNT, now), start=1):
        samples.deliver(draft, message, now, number)
    draft.rename(place.maildir)


# ---- telling ------------------------------------------------------------------------------------------------------


def first_password(place: Place, settings: Settings) -> str | None:
    """The password made for the first account, or None when it is no longer the account's.

    Raises:
        AccountsUnavailable: the accounts database cannot be used.
    """
    try:
        password = place.password.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    with contextlib.closing(credentials.account_store(settings)) as store:
        account = store.lookup(ACCOUNT)
    if account is None or not credentials.hasher(settings).verify(account.password_hash, password.encode()):
        return None
    return password


def card(place: Place, settings: Settings, password: str | None) -> str:
    """What to type to read the mail; without a `password`, curl asks for it."""
    ports = {listener.tls: listener.port for listener in settings.listener}
    authority = shlex.quote(str(place.certificate))
    login = shlex.quote(ACCOUNT if password is None else f"{ACCOUNT}:{password}")
    typed = "PASSWORD" if password is None else password
    curl = f"curl --cacert {authority} --user {login}"
    lines = [
        "",
        f"Pillarbox is ready. Press Ctrl-C to stop it; mail and account stay in {place.directory}.",
        "",
        f"  Account   {ACCOUNT}",
        f"  Password  {password or 'the one you have given it'}",
        "",
        "Type in another terminal:",
        "",
    ]
    if port := ports.get("implicit"):
        lines += [
            f"  List the mail        {curl} pop3s://localhost:{port}/",
            f"  Read message 1       {curl} pop3s://localhost:{port}/1",
        ]
    if stls_port := ports.get("starttls"):
        lines.append(f"  The same with STLS   {curl} --ssl-reqd pop3://localhost:{stls_port}/1")
    if port:
        lines += [
            f"  Speak POP3 yourself  openssl s_client -quiet -crlf -CAfile {authority} -connect localhost:{port}",
            f"                       then: USER {ACCOUNT} / PASS {typed} / STAT / LIST / TOP 1 0 / QUIT",
            "",
            'In Thunderbird, add an account by hand ("Configure manually"):',
            "",
            f"  Incoming: POP3, localhost, port {port}, SSL/TLS, Normal password, user name {ACCOUNT}",
            "  It asks once whether to trust the self-signed certificate.",
        ]
    deliver = f"put a file into {place.maildir / 'tmp'}, then move it to {place.maildir / 'new'}."
    return "\n".join([*lines, "", f"Deliver a message of your own: {deliver}", ""])


# ---- the command --------------------------------------------------------------------------------------------------


def command(
    directory: Annotated[Path, typer.Argument(help="Where everything is kept.", file_okay=False)] = Path(".pillarbox"),
) -> None:
    """Start a server to try out: makes a certificate, an account and some mail, and says how to read it."""
    place = Place(directory.resolve())
    _refuse_unsuitable(place)
    place.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(place):
        try:
            prepare(place, datetime.datetime.now(datetime.UTC))
            settings = load_or_exit(place.config)
            _refuse_moved(place, settings)
            text = card(place, settings, first_password(place, settings))
        except AccountsUnavailable as error:
            fail_with([Problem("", error.reason, _OTHERWISE)])
        raise typer.Exit(serve.run(place.config, lambda: typer.echo(text)))


_OTHERWISE = "name another directory: pillarbox quickstart DIRECTORY"


def _refuse_unsuitable(place: Place) -> None:
    """End the command when the directory cannot be used, before anything is made in it."""
    name = str(place.directory)
    if not name.isprintable() or set(name) & set("{}"):
        what = "its name holds a control character or a brace, which a configuration cannot name"
        fail_with([Problem("", what, _OTHERWISE, name)])
    try:
        with place.config.open(encoding="utf-8", errors="replace") as file:
            ours = file.readline().startswith(_MARK)
    except FileNotFoundError:
        return
    if not ours:
        what = "this configuration was not made by quickstart"
        fail_with([Problem("", what, f"start it with: pillarbox serve --config {place.config}", name)])


def _refuse_moved(place: Place, settings: Settings) -> None:
    """End the command when the configuration speaks of another directory: it was copied, or moved here."""
    if settings.server.state_directory != place.directory:
        what = f"it was made in {settings.server.state_directory}, and still names that place"
        instead = "correct the paths in it; or remove it, and a start makes it anew, with a new password"
        fail_with([Problem("server.state_directory", what, instead, str(place.config))])


@contextlib.contextmanager
def _alone(place: Place) -> Iterator[None]:
    """Keep others from starting in the same directory; end the command when another one has.

    The kernel releases the lock with the last process that holds it: the workers share it.
    """
    with open(place.directory / "lock", "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = "a server is running from this directory already"
            fail_with([Problem("", what, f"stop it first, or {_OTHERWISE}", str(place.directory))])
        yield
