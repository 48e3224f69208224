"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the client's side (RFC 5802, RFC 7677).

Rules: the server proves itself too: a success before its signature was checked is not to be trusted (`complete`); what
a server asks for is bounded, so that none can keep a client computing for hours.
"""

from __future__ import annotations

import hmac
import re
from typing import NamedTuple

from pillarbox.events.secret import Secret
from pillarbox.sasl import saslname, scram
from pillarbox.sasl.mechanism import EXCHANGE_LIMIT, ExchangeBroken
from pillarbox.sasl.saslprep import saslprep

MAXIMUM_ITERATIONS = 2_000_000
"""Of PBKDF2: about a second; several times what any server asks for today."""

_SERVER_FIRST = re.compile(r"r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+=*),i=([1-9][0-9]{0,9})(?:,[A-Za-z]=[^,]*)*\Z")


class Binding(NamedTuple):
    """A channel binding of the TLS connection: its registered name, and its octets."""

    kind: str
    data: bytes


class ScramClient:
    """The client's side of one exchange.

    Args:
        authcid: the user's name.
        password: UTF-8.
        nonce: printable ASCII without a comma, with 120 bits of randomness or more, used once.
        authzid: the identity asked for; "" for the same.
        binding: makes this SCRAM-SHA-256-PLUS.
        could_bind: without `binding`: the client would have bound, had the server offered it (RFC 5802 §6).

    Raises:
        ValueError: the name or the password is one that SASLprep prohibits.
    """

    initial = True

    def __init__(
        self,
        authcid: str,
        password: Secret,
        *,
        nonce: str,
        authzid: str = "",
        binding: Binding | None = None,
        could_bind: bool = False,
    ) -> None:
        self.name = scram.SHA_256 if binding is None else scram.SHA_256_PLUS
        self.complete = False
        flag = f"p={binding.kind}" if binding is not None else "y" if could_bind else "n"
        header = f"{flag},{f'a={saslname.encode(authzid)}' if authzid else ''},"
        self._header = header.encode("utf-8")
        self._binding = binding.data if binding is not None else b""
        self._nonce = nonce
        self._bare = f"n={saslname.encode(saslprep(authcid))},r={nonce}"
        saslprep(password.reveal().decode("utf-8"))
        self._password = password
        self._signature = b""
        self._said = False

    def step(self, challenge: bytes) -> bytes:
        """The first message, the final one, and the empty answer to the server's signature."""
        if len(challenge) > EXCHANGE_LIMIT:
            raise ExchangeBroken("SCRAM: the server's message is too long")
        if not self._said:
            self._said = True
            return self._header + self._bare.encode("utf-8")
        if self._signature:
            return self._verify(challenge)
        return self._answer(challenge)

    def _answer(self, challenge: bytes) -> bytes:
        found = _SERVER_FIRST.match(challenge.decode("utf-8", "replace"))
        if found is None:
            raise ExchangeBroken("SCRAM: not a server's first message")
        nonce, salt64, iterations_text = found.groups()
        salt, iterations = scram.decode64(salt64), int(iterations_text)
        if salt is None or not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise ExchangeBroken("SCRAM: the server did not go on from our nonce")
        if not scram.MINIMUM_ITERATIONS <= iterations <= MAXIMUM_ITERATIONS:
            raise ExchangeBroken("SCRAM: the server asks for too few iterations, or too many")
        repeated = scram.encode64(self._header + self._binding)
        unproved = f"c={repeated},r={nonce}"
        message = f"{self._bare},{found.group(0)},{unproved}".encode()
        salted = scram.salted(self._password, salt, iterations)
        self._signature = scram.signature(salted, message)
        return f"{unproved},p={scram.encode64(scram.client_proof(salted, message))}".encode("ascii")

    def _verify(self, challenge: bytes) -> bytes:
        if self.complete:
            raise ExchangeBroken("SCRAM: a challenge after the server's signature")
        mark, signature64 = challenge[:2], challenge[2:].decode("ascii", "replace")
        if mark == b"e=":
            raise ExchangeBroken("SCRAM: the server refuses")
        signature = scram.decode64(signature64) if mark == b"v=" else None
        if signature is None or not hmac.compare_digest(signature, self._signature):
            raise ExchangeBroken("SCRAM: the server does not know the password")
        self.complete = True
        return b""
