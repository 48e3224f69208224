"""What a SASL mechanism is: a small machine fed with decoded responses (server) or challenges (client).

Rules: `step` is called with octets after base64 decoding; after anything but `Challenged` it is not called again. A
mechanism that has something left to say after success (SCRAM's server signature) says it in `Claimed.final`, which is
sent as one more challenge once the claim was accepted (P46).
Serves RFC 4422 §3 and §5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from pillarbox.events.secret import Secret


@dataclass(frozen=True, slots=True)
class Claim:
    """Who the client says it is, and what is to prove it.

    Attributes:
        authcid: the identity whose secret this is.
        authzid: the identity asked for; "" means the same.
        password: the secret.
    """

    authcid: str
    authzid: str
    password: Secret


@dataclass(frozen=True, slots=True)
class Challenged:
    """Send this to the other side and go on."""

    data: bytes

    def __repr__(self) -> str:
        return "<Challenged>"


@dataclass(frozen=True, slots=True)
class Claimed:
    """The exchange is complete; the claim is to be decided. `final` is None or octets to send after acceptance."""

    claim: Claim
    final: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The exchange broke. `reason` is a fixed phrase for events; it never holds what the peer sent."""

    reason: str


Step = Challenged | Claimed | Failed


class ServerMechanism(Protocol):
    """The server's side of one exchange."""

    name: str

    def step(self, response: bytes) -> Step:
        """Take the client's next response. The initial response, where there is one, comes first."""
        ...


class ClientMechanism(Protocol):
    """The client's side of one exchange."""

    name: str

    def step(self, challenge: bytes) -> bytes:
        """The response to a challenge; the first call, with b"", gives the initial response."""
        ...
