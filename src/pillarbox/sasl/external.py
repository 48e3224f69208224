"""EXTERNAL, both sides (RFC 4422 appendix A): TLS has proved who the client is; it only says whom it wants to be.

Rules: the server offers it where a client certificate was verified, and nowhere else; whose certificate it is, is for
`auth` to say. An empty response asks for that very account.
"""

from __future__ import annotations

from pillarbox.sasl.mechanism import Claim, Claimed, ExchangeBroken, Failed, Step
from pillarbox.sasl.proofs import Certificate


class ExternalServer:
    """The server's side: one response, which may be empty."""

    name = "EXTERNAL"

    def opening(self) -> bytes:
        """Nothing: the client speaks first."""
        return b""

    def step(self, response: bytes) -> Step:
        """Take the identity asked for."""
        if b"\0" in response:
            return Failed("EXTERNAL: NUL in the name")
        try:
            return Claimed(Claim("", response.decode("utf-8"), Certificate()))
        except UnicodeDecodeError:
            return Failed("EXTERNAL: the name is not UTF-8")


class ExternalClient:
    """The client's side."""

    name = "EXTERNAL"
    initial = True
    complete = True

    def __init__(self, authzid: str = "") -> None:
        self._authzid: str | None = authzid

    def step(self, challenge: bytes) -> bytes:
        """The identity asked for, once."""
        authzid, self._authzid = self._authzid, None
        if authzid is None:
            raise ExchangeBroken("EXTERNAL: a second challenge")
        return authzid.encode("utf-8")
