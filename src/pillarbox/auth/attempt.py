"""What authentication is asked, and what it answers. Plain data; the pipeline that decides is `pipeline`.

Rules: one `Attempt` for every way in (USER/PASS, AUTH, APOP, client certificates); one `Decision` for each. A refusal
tells the peer only its `Outcome`; the reason is for events. A refused attempt is answered by `Authenticator.decide`
itself at its quantised deadline, so that nobody downstream can leak timing (P42).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pillarbox.sasl.proofs import Certificate, Digest, DigestKind, Password, Proof, Scram, Token

__all__ = [
    "Accepted",
    "Account",
    "Attempt",
    "Authenticator",
    "Certificate",
    "Decision",
    "Digest",
    "DigestKind",
    "Origin",
    "Outcome",
    "Password",
    "Proof",
    "Refused",
    "Salt",
    "Scram",
    "Token",
]


class Origin(NamedTuple):
    """Where a connection comes from.

    Attributes:
        address: the client's address, canonical text; IPv4-mapped IPv6 is written as IPv4.
        port: the client's port.
        listener: the name of the listener it came through.
        tls: the TLS version ("TLSv1.3"), or "" on a cleartext connection.
        certificate: the client certificate in DER that TLS has verified against `tls.client_ca`, or b"". A resumed
            session still has it: its dates are for `auth` to look at.
    """

    address: str
    port: int
    listener: str
    tls: str = ""
    certificate: bytes = b""


class Attempt(NamedTuple):
    """One request to be let in.

    Attributes:
        login: the name as the client gave it, decoded as UTF-8; not normalised. "" where only the proof tells who
            it is: EXTERNAL always, OAUTHBEARER where the client named nobody.
        proof: what proves it.
        mechanism: "USER/PASS" or a SASL mechanism's name.
        session: the session's id, for events.
        authzid: the identity asked for (RFC 4422 §3.4.1), or "" for the same as `login`.
    """

    login: str
    proof: Proof
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
        credential: the id of what let it in, for events and revocation (`mfa.identify`).
        only_newer_than: only mail that came after this moment is shown, in seconds UTC; None for all of it.
    """

    name: str
    maildrop: str
    read_only: bool = False
    credential: str = ""
    only_newer_than: float | None = None


class Outcome(enum.Enum):
    """All that the peer may learn about a refusal."""

    CREDENTIALS = "AUTH"  # wrong, unknown, disabled, switched off: one text, one timing
    TEMPORARY = "SYS/TEMP"  # nobody could tell: try again later
    PERMANENT = "SYS/PERM"  # right credentials, but an administrator has to act
    LOGIN_DELAY = "LOGIN-DELAY"  # right credentials, too soon after the last login (RFC 2449 §6.5)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Let in.

    Attributes:
        final: the mechanism's last word to the client, sent as one more challenge before +OK (P46), or None. After it
            the client may still break off; nothing is opened before it agrees.
    """

    account: Account
    final: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """Not let in.

    Attributes:
        reason: a short phrase for events, such as "unknown user"; it is never sent to the peer.
        challenge: sent, and answered by the client, before the -ERR (P47): the error of OAuth's mechanisms, the same
            for every reason (`sasl.oauth.error`). None for all other mechanisms.
    """

    outcome: Outcome
    reason: str
    challenge: bytes | None = None


class Salt(NamedTuple):
    """What SCRAM tells a client about a name.

    Attributes:
        salt: octets; the same for all secrets of the account.
        iterations: of PBKDF2, the same for all names, so that it tells nothing.
    """

    salt: bytes
    iterations: int


Decision = Accepted | Refused


class Authenticator(Protocol):
    """Decides attempts."""

    async def salt(self, login: str) -> Salt | Refused:
        """The salt of a name as the client gave it, known or unknown, possible or not: one path, one cost (P42).

        An unknown name has a salt of its own that never changes (`InstallationKey.scram_salt`). Refused only where
        nobody can tell (`Outcome.TEMPORARY`). Never raises.
        """
        ...

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide one attempt. Returns at once on success, at the quantised deadline on refusal. Never raises."""
        ...
