"""What a SASL mechanism is: a small machine fed with decoded responses (server) or challenges (client).

Rules: `step` is called with octets after base64 decoding; a server's mechanism is not called again after `Claimed` or
`Failed`. What a mechanism has left to say after success (SCRAM's server signature) or after refusal (OAuth's error) is
known only to who decides the claim: it comes with the decision, and is sent as one more challenge (P46, P47).
Serves RFC 4422 §3 and §5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pillarbox.sasl.proofs import Proof

EXCHANGE_LIMIT = 8_192
"""Octets of one decoded challenge that a client's mechanism takes: tokens and chains of errors fit many times over."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who the client says it is, and what is to prove it.

    Attributes:
        authcid: the identity whose proof this is; "" where the proof itself tells (a certificate, a token).
        authzid: the identity asked for; "" means the same.
        proof: never prints itself.
    """

    authcid: str
    authzid: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class Challenged:
    """Send this to the other side and go on."""

    data: bytes

    def __repr__(self) -> str:
        return "<Challenged>"


@dataclass(frozen=True, slots=True)
class Asks:
    """SCRAM needs an account's salt and iterations, to be passed to `then`; they exist for every name, known or not."""

    name: str
    then: Callable[[bytes, int], Step] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The exchange is complete; the claim is to be decided."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Failed:
    """The exchange broke. `reason` is a fixed phrase for events; it never holds what the peer sent."""

    reason: str


Step = Challenged | Asks | Claimed | Failed


class Surroundings(NamedTuple):
    """What a server's mechanism may know of the connection.

    Attributes:
        bindings: channel bindings by their registered name, such as "tls-server-end-point"; empty without TLS.
        plus: a mechanism with channel binding is offered on this connection.
        nonce: makes printable ASCII without a comma, unlike any before, with 120 bits of randomness or more.
        stamp: makes a fresh timestamp in the form of a Message-ID, "<…@…>" (RFC 1939 §7).
    """

    bindings: Mapping[str, bytes]
    plus: bool
    nonce: Callable[[], str]
    stamp: Callable[[], str]


class ServerMechanism(Protocol):
    """The server's side of one exchange."""

    @property
    def name(self) -> str:
        """The registered name."""
        ...

    def opening(self) -> bytes:
        """The first challenge, for a client that sent no initial response; empty where the client speaks first."""
        ...

    def step(self, response: bytes) -> Step:
        """Take the client's next response. The initial response, where there is one, comes first."""
        ...


class ClientMechanism(Protocol):
    """The client's side of one exchange.

    Attributes:
        initial: the mechanism may send an initial response.
        complete: the server has proved all that it has to; a success before that is not to be trusted.
    """

    initial: bool
    complete: bool

    @property
    def name(self) -> str:
        """The registered name."""
        ...

    def step(self, challenge: bytes) -> bytes:
        """The response to a challenge; where there is an initial response, the first call, with b"", gives it.

        Raises:
            ExchangeBroken: the server broke the rules, or did not prove that it knows the secret.
        """
        ...


class ExchangeBroken(Exception):
    """The server's challenge cannot be answered: cancel with "*". The text holds nothing the server sent."""
