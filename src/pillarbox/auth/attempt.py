"""What authentication is asked, and what it answers. Plain data; the pipeline that decides is `pipeline`.

Rules: one `Attempt` for every way in (USER/PASS, AUTH, later APOP and certificates); one `Decision` for each. A refusal
tells the peer only its `Outcome`; the reason is for events. A refused attempt is answered by `Authenticator.decide`
itself at its quantised deadline, so that nobody downstream can leak timing (P42).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pillarbox.events import Secret


class Origin(NamedTuple):
    """Where a connection comes from.

    Attributes:
        address: the client's address, canonical text; IPv4-mapped IPv6 is written as IPv4.
        port: the client's port.
        listener: the name of the listener it came through.
        tls: the TLS version ("TLSv1.3"), or "" on a cleartext connection.
        server_name: the name the client asked for in SNI, or "".
    """

    address: str
    port: int
    listener: str
    tls: str = ""
    server_name: str = ""


class Attempt(NamedTuple):
    """One request to be let in.

    Attributes:
        login: the name as the client gave it, decoded as UTF-8; not normalised.
        password: what proves it.
        mechanism: "USER/PASS" or a SASL mechanism's name.
        session: the session's id, for events.
        authzid: the identity asked for (RFC 4616), or "" for the same as `login`.
    """

    login: str
    password: Secret
    mechanism: str
    session: str
    origin: Origin
    authzid: str = ""


class Account(NamedTuple):
    """Who was let in, and where their mail is.

    Attributes:
        name: the canonical account name, "user@domain" or "user".
        maildrop: its name in the store: for a Maildir its absolute path.
        read_only: nothing may be deleted in this session (DELE answers [SYS/PERM]).
    """

    name: str
    maildrop: str
    read_only: bool = False


class Outcome(enum.Enum):
    """All that the peer may learn about a refusal."""

    CREDENTIALS = "AUTH"  # wrong, unknown, disabled, switched off: one text, one timing
    TEMPORARY = "SYS/TEMP"  # nobody could tell: try again later
    PERMANENT = "SYS/PERM"  # right credentials, but an administrator has to act
    LOGIN_DELAY = "LOGIN-DELAY"  # right credentials, too soon after the last login (RFC 2449 §6.5)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Let in."""

    account: Account


@dataclass(frozen=True, slots=True)
class Refused:
    """Not let in. `reason` is a short phrase for events, such as "unknown user"; it is never sent to the peer."""

    outcome: Outcome
    reason: str


Decision = Accepted | Refused


class Authenticator(Protocol):
    """Decides attempts."""

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide one attempt. Returns at once on success, at the quantised deadline on refusal. Never raises."""
        ...
