"""One SASL exchange inside AUTH, from the protocol's lines to a claim: base64, `=`, `*`, the first challenge.

Rules: bad base64 ends the exchange and nothing else (P45); `=` as the initial response is the empty one. Cancelling
with `*` is between the client and the session, and never comes here.
Serves RFC 5034 §4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pillarbox.sasl.digests import CramMd5Server
from pillarbox.sasl.external import ExternalServer
from pillarbox.sasl.login import LoginServer
from pillarbox.sasl.mechanism import Challenged, Failed, ServerMechanism, Step, Surroundings
from pillarbox.sasl.oauth import OAuthBearerServer, XOAuth2Server
from pillarbox.sasl.plain import PlainServer
from pillarbox.sasl.scram import SHA_256, SHA_256_PLUS, ScramServer, decode64

Factory = Callable[[Surroundings], ServerMechanism]

SERVER_MECHANISMS: Mapping[str, Factory] = {
    "PLAIN": lambda _: PlainServer(),
    "LOGIN": lambda _: LoginServer(),
    SHA_256: lambda surroundings: ScramServer(SHA_256, surroundings),
    SHA_256_PLUS: lambda surroundings: ScramServer(SHA_256_PLUS, surroundings),
    "EXTERNAL": lambda _: ExternalServer(),
    "OAUTHBEARER": lambda _: OAuthBearerServer(),
    "XOAUTH2": lambda _: XOAuth2Server(),
    "CRAM-MD5": lambda surroundings: CramMd5Server(surroundings.stamp()),
}


class ServerExchange:
    """Drives one mechanism with what the client sends."""

    def __init__(self, mechanism: ServerMechanism) -> None:
        self._mechanism = mechanism

    @property
    def mechanism(self) -> str:
        """The mechanism's name."""
        return self._mechanism.name

    def begin(self, initial: bytes) -> Step:
        """Start with AUTH's second argument, as sent; b"" when there was none."""
        if not initial:
            # RFC 5034 §4: a server with nothing to say sends the empty challenge.
            return Challenged(self._mechanism.opening())
        return self._step(b"" if initial == b"=" else decode64(initial))

    def respond(self, line: bytes) -> Step:
        """Go on with a line of the exchange, as sent; not with a cancelling `*`."""
        return self._step(decode64(line))

    def _step(self, data: bytes | None) -> Step:
        if data is None:
            return Failed("not base64")
        return self._mechanism.step(data)
