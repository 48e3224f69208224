"""`pillarbox test-server`: a POP3 server that behaves as it is told, to try a client against; until Ctrl-C.

Rules: it listens on loopback alone; all it holds is in memory and gone with it; the password it prints is worth
nothing anywhere else.
Elsewhere: the server (`pillarbox.testing.scripted`), the words of faults (`pillarbox.testing.faults`).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from pillarbox.testing.faults import Fault, FaultError
from pillarbox.testing.mails import MailError
from pillarbox.testing.oddities import LISTINGS, UNIQUE_IDS
from pillarbox.testing.presets import PRESETS

if TYPE_CHECKING:
    from pillarbox.testing.scripted import ScriptedServer

_SAMPLE = (
    b"From: Ada <ada@example.org>\r\nTo: you@example.org\r\nSubject: It works\r\n\r\nThis message came by POP3.\r\n"
    b".A line that begins with a dot.\r\n"
)
_LOOK = 0.2  # seconds between looks for sessions that are over


def _one_of(wanted: str, known: Collection[str], option: str) -> str:
    if wanted and wanted not in known:
        raise typer.BadParameter(f"there is no {wanted!r}; there are: {', '.join(known)}", param_hint=option)
    return wanted


def command(
    preset: Annotated[str, typer.Option(help="Behave like: " + ", ".join(PRESETS), metavar="NAME")] = "pillarbox",
    fault: Annotated[
        list[str] | None, typer.Option(help="What goes wrong: 'drop at command 5'; may be given again.")
    ] = None,
    mail: Annotated[
        list[Path] | None, typer.Option(help="An .eml file, an mbox or a Maildir; may be given again.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 for any free port.")] = 0,
    tls: Annotated[str, typer.Option(help="implicit, stls or none.")] = "implicit",
    certificate: Annotated[
        str, typer.Option(help="valid, expired, not yet valid, wrong host, self-signed or untrusted.")
    ] = "valid",
    user: Annotated[str, typer.Option(help="Who may log in.")] = "ada",
    password: Annotated[str, typer.Option(help="With which password.")] = "open-sesame",  # noqa: S107 - guards nothing
    token: Annotated[str, typer.Option(help="An OAuth access token that is accepted, too.")] = "",
    unique_ids: Annotated[str, typer.Option(help="Odd unique-ids: " + ", ".join(UNIQUE_IDS), metavar="NAME")] = "",
    listing: Annotated[str, typer.Option(help="An odd LIST and UIDL: " + ", ".join(LISTINGS), metavar="NAME")] = "",
) -> None:
    """Run a POP3 server with scripted faults, to try a client against."""
    # Only now: what makes certificates takes a moment to load, and --help must not wait for it.
    from dataclasses import replace

    from pillarbox.testing.certificates import Quality
    from pillarbox.testing.scripted import ScriptedServer, Tls

    behaviour = PRESETS[_one_of(preset, PRESETS, "--preset")]
    qualities = [quality.value for quality in Quality]
    ways = get_args(Tls)
    if name := _one_of(unique_ids, UNIQUE_IDS, "--unique-ids"):
        behaviour = replace(behaviour, unique_ids=UNIQUE_IDS[name])
    if name := _one_of(listing, LISTINGS, "--listing"):
        behaviour = replace(behaviour, listing=LISTINGS[name], naming=LISTINGS[name])
    try:
        faults = [Fault.parse(sentence) for sentence in fault or ()]
        server = ScriptedServer(
            list(mail) if mail else _SAMPLE,
            users={user: password},
            tokens={token: user} if token else {},
            behaviour=behaviour,
            faults=faults,
            tls=_one_of(tls, ways, "--tls"),  # type: ignore[arg-type]  # it is one of them
            certificate=_one_of(certificate, qualities, "--certificate"),
            port=port,
        )
    except (FaultError, MailError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: port {port}: {os.strerror(error.errno or 0)}")
    with server:
        typer.echo(_card(server.port, server.ca, tls, user, password, len(server.messages)))
        for each in server.faults():
            typer.echo(f"  fault      {each}")
        typer.echo("\nCtrl-C ends it. What is said appears here when a connection is over.")
        _watch(server)
    typer.echo(f"\nlogins: {len(server.logins)}, retrieved: {len(server.retrieved)}, deleted: {len(server.deleted)}")


def _card(port: int, ca: Path, tls: str, user: str, password: str, messages: int) -> str:
    """What to type to connect."""
    scheme = "pop3s" if tls == "implicit" else "pop3"
    ssl = "" if tls == "none" else f" --cacert {ca}" + (" --ssl-reqd" if tls == "stls" else "")
    by_hand = f"openssl s_client -quiet -connect localhost:{port} -CAfile {ca}"
    by_hand = {"implicit": by_hand, "stls": f"{by_hand} -starttls pop3", "none": f"nc localhost {port}"}[tls]
    return (
        f"A scripted POP3 server with {messages} message{'s' if messages != 1 else ''} listens.\n\n"
        f"  server     localhost, port {port}, TLS: {tls}\n"
        f"  login      {user}, password {password}\n"
        + (f"  trust      {ca}\n" if tls != "none" else "")
        + f"  try        curl{ssl} -u {user}:{password} {scheme}://localhost:{port}/1\n"
        f"  by hand    {by_hand}"
    )


def _watch(server: ScriptedServer) -> None:
    """Print every connection when it is over, until Ctrl-C or SIGTERM."""
    ended = threading.Event()
    before = {
        number: signal.signal(number, lambda signum, frame: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    shown: set[int] = set()
    try:
        while not ended.wait(_LOOK):
            for session in server.sessions:
                if session.how and session.number not in shown:
                    shown.add(session.number)
                    typer.echo(f"\nconnection {session.number}\n{session.transcript}", nl=False)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
