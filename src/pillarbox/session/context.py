"""What every session of a server shares: its collaborators and its policy. Built once, in `wiring`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pillarbox.auth.attempt import Authenticator
from pillarbox.events import Sink
from pillarbox.maildrop.maildrop import Store


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings a session obeys.

    Attributes:
        implementation: the argument of IMPLEMENTATION after login (RFC 2449 §6.9); "" leaves it out.
        login_delay: seconds between logins that the authenticator enforces; 0 for none (RFC 2449 §6.5).
        login_failures: refused logins until the connection is closed.
        bad_commands_before_login, bad_commands: bad lines in a row until the connection is closed (P33).
    """

    implementation: str = ""
    login_delay: int = 0
    login_failures: int = 3
    bad_commands_before_login: int = 4
    bad_commands: int = 20


def _no_limit(name: str) -> str | None:
    return None


def _nothing(name: str) -> None:
    return None


def _nonce() -> str:
    return secrets.token_urlsafe(18)


@dataclass(frozen=True, slots=True)
class Context:
    """The collaborators of a session.

    Attributes:
        now: monotonic seconds.
        admit_account: asks for a place for one more session of an account; returns the key of the limit that
            refuses it, or None.
        leave_account: gives that place back.
        mechanisms: the names of the SASL mechanisms that may be offered, in that order; "APOP" among them is APOP.
        hostname: the name of this server in challenges of APOP and CRAM-MD5.
        nonce: makes printable ASCII without a comma, with 120 bits of randomness or more.
    """

    authenticator: Authenticator
    store: Store
    sink: Sink
    now: Callable[[], float]
    policy: Policy = Policy()
    admit_account: Callable[[str], str | None] = _no_limit
    leave_account: Callable[[str], None] = _nothing
    mechanisms: Sequence[str] = ("PLAIN", "LOGIN")
    hostname: str = "localhost"
    nonce: Callable[[], str] = _nonce

    def stamp(self) -> str:
        """A fresh timestamp for APOP and CRAM-MD5, in the form of a Message-ID (RFC 1939 §7, RFC 2195 §2)."""
        return f"<{self.nonce()}@{self.hostname}>"


class Door(NamedTuple):
    """What the listener a session came through allows.

    Attributes:
        stls: STLS is offered on this connection while it is in clear.
        cleartext_until: an ISO date while a dated exception lets this address log in without TLS, or "".
    """

    stls: bool = False
    cleartext_until: str = ""
