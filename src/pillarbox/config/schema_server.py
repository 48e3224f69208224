"""The sections about the process: server, limits, timeouts and log.

Rules: each setting has a default, a check, and a sentence of doc with its unit; a bound names its source. The sections
about connections are in `schema_listener`, those about accounts and mail in `schema_mail`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from pillarbox.config.fields import Greeting, HostNameOrEmpty, NeededPath, Section, ShortNameOrEmpty, setting
from pillarbox.config.problem import Wrong

MIN_IDLE = 600
"""Seconds: RFC 1939 §3 gives an autologout timer at least ten minutes."""


class Server(Section):
    """The server as a whole."""

    hostname: HostNameOrEmpty = setting(
        "",
        'The name the server gives itself in greetings and logs. "" means the machine\'s own full name.',
        kind="a host name in quotes",
        example="mail.example.org",
    )
    workers: int = setting(
        0, "How many worker processes serve connections; 0 means one for each processor core.", ge=0, le=256
    )
    user: ShortNameOrEmpty = setting(
        "",
        "The system user the server becomes once its ports are bound and its keys are read. "
        '"" keeps the user it was started as.',
        kind="the name of a system user in quotes",
        example="vmail",
    )
    group: ShortNameOrEmpty = setting(
        "",
        'The system group the server changes to together with `server.user`. "" means that user\'s own group.',
        kind="the name of a system group in quotes",
        example="vmail",
    )
    greeting: Greeting = setting(
        "Pillarbox ready",
        'The text after "+OK" that every connection is greeted with, in printable ASCII; at most 400 characters.',
        kind="text in quotes",
    )
    announce_implementation: bool = setting(
        True, "Whether CAPA names the program and its version (IMPLEMENTATION, RFC 2449 §6.9); only after login."
    )
    state_directory: NeededPath = setting(
        Path("/var/lib/pillarbox"),
        "The directory for what the server keeps: accounts, indexes and locks. It must be on a local disk.",
        kind="the path of a directory in quotes",
    )


class Limits(Section):
    """How much of everything at once. A connection over a limit is told so and closed."""

    connections: int = setting(4096, "Open connections of the whole server.", ge=1, le=1_000_000)
    connections_per_address: int = setting(
        64,
        "Open connections of one client address; for IPv6 of one /64 network. Offices behind one address need room.",
        ge=1,
        le=1_000_000,
    )
    connections_per_account: int = setting(
        8, "Sessions and log-in attempts of one account at the same time.", ge=1, le=10_000
    )
    strangers_per_second: int = setting(
        500,
        "New connections a second, for each worker, from networks where nobody was let in lately; more of them are "
        "told to come later, so that a flood does not delay those who are at home. Mail programs that poll every five "
        "minutes come to this with 150,000 accounts, on the very first day.",
        ge=1,
        le=1_000_000,
    )
    handshakes: int = setting(256, "TLS handshakes at the same time, for each worker.", ge=1, le=100_000)
    bad_commands_before_login: int = setting(
        4,
        "Unknown or malformed commands after which a connection without a login is closed.",
        ge=1,
        le=1000,
    )
    bad_commands: int = setting(
        20, "Unknown or malformed commands in a row after which a session is closed.", ge=1, le=10_000
    )
    login_failures: int = setting(3, "Refused logins after which a connection is closed.", ge=1, le=100)


class Timeouts(Section):
    """How long the server waits, in seconds; fractions are allowed."""

    proxy_header: float = setting(5.0, "Seconds for a load balancer's PROXY header to arrive.", ge=0.1, le=600)
    handshake: float = setting(20.0, "Seconds for a TLS handshake.", ge=0.1, le=600)
    login: float = setting(60.0, "Seconds from the greeting to a successful login.", ge=0.1, le=3600)
    idle: float = setting(
        600.0,
        "Seconds a session may be silent before it is closed without deleting anything. "
        "Clients may rely on 600 (RFC 1939 §3), so less is refused.",
        ge=MIN_IDLE,
        le=86_400,
    )
    stall: float = setting(
        60.0, "Seconds a client may take no data while a reply is being sent to it.", ge=0.1, le=3600
    )
    shutdown: float = setting(20.0, "Seconds running sessions get to finish when the server stops.", ge=0, le=3600)


def _target(text: str) -> str:
    if text != "stderr" and not text.startswith("/"):
        raise Wrong(f'"{text}" is not a place to log to', 'write "stderr", or the full path of a file')
    if "\0" in text:
        raise Wrong("a path cannot hold a NUL character")
    return text


class Log(Section):
    """What the server tells about itself."""

    format: Literal["auto", "human", "json"] = setting(
        "auto",
        '"human" writes lines to read, "json" one JSON object a line; '
        '"auto" chooses "human" on a terminal and "json" elsewhere.',
    )
    target: Annotated[str, AfterValidator(_target)] = setting(
        "stderr",
        'Where events are written: "stderr", or the full path of a file that is appended to and reopened on SIGHUP.',
        kind='"stderr" or the full path of a file in quotes',
    )
    level: Literal["debug", "info", "warning", "error"] = setting("info", "The least severe events that are written.")
