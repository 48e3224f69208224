"""OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's and Microsoft's older form), both sides: a bearer token in one response.

Rules: whether a token is good, and what the error says when it is not, is for `auth` to decide; the error is sent as a
challenge, which the client answers with one octet or none before it gets its -ERR (P47). The identity in the message
is only what the client wants; the token tells who it is.
"""

from __future__ import annotations

import json
import re

from pillarbox.events.secret import Secret
from pillarbox.sasl import saslname
from pillarbox.sasl.mechanism import EXCHANGE_LIMIT, Claim, Claimed, ExchangeBroken, Failed, Step
from pillarbox.sasl.proofs import Token

_SEPARATOR = b"\x01"
_KEY = re.compile(rb"[A-Za-z]+\Z")  # RFC 7628 §3.1
_VALUE = re.compile(rb"[\x20-\x7e\t\r\n]*\Z")
_BEARER = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/-]+=*) *\Z")  # RFC 6750 §2.1


def error(status: str = "invalid_token", *, scope: str = "", configuration: str = "") -> bytes:
    """The challenge that tells a client why its token was refused (RFC 7628 §3.2.2).

    Args:
        status: an error code of RFC 6750 §3.1. The same one for every refusal, so that it tells nothing.
        scope: what a token would need.
        configuration: the URL of the OpenID configuration, where a client may learn how to get a token.
    """
    told = {"status": status}
    if scope:
        told["scope"] = scope
    if configuration:
        told["openid-configuration"] = configuration
    return json.dumps(told, separators=(",", ":")).encode()


class OAuthBearerServer:
    """The server's side of OAUTHBEARER: one response."""

    name = "OAUTHBEARER"

    def opening(self) -> bytes:
        """Nothing: the client speaks first."""
        return b""

    def step(self, response: bytes) -> Step:
        """Take "gs2-header ^A key=value ^A … ^A ^A", or ^A alone from a client that only asks (RFC 7628 §3.1)."""
        header, separator, rest = response.partition(_SEPARATOR)
        if not separator:
            return Failed("OAUTHBEARER: no separator")
        if not header and not rest:
            return Claimed(Claim("", "", Token(Secret(b""))))
        user = _gs2_user(header)
        pairs = _pairs(rest)
        if user is None or pairs is None:
            return Failed("OAUTHBEARER: not a message of this mechanism")
        token = _token(pairs.get("auth", b""))
        return Failed("OAUTHBEARER: no bearer token") if token is None else Claimed(Claim(user, "", token))


class XOAuth2Server:
    """The server's side of XOAUTH2: one response."""

    name = "XOAUTH2"

    def opening(self) -> bytes:
        """Nothing: the client speaks first."""
        return b""

    def step(self, response: bytes) -> Step:
        """Take "user=NAME ^A auth=Bearer TOKEN ^A ^A"."""
        first, _, rest = response.partition(_SEPARATOR)
        key, equals, name = first.partition(b"=")
        pairs = _pairs(rest)
        if key != b"user" or not equals or not name or pairs is None:
            return Failed("XOAUTH2: not a message of this mechanism")
        token = _token(pairs.get("auth", b""))
        if token is None:
            return Failed("XOAUTH2: no bearer token")
        try:
            return Claimed(Claim(name.decode("utf-8"), "", token))
        except UnicodeDecodeError:
            return Failed("XOAUTH2: the name is not UTF-8")


def _gs2_user(header: bytes) -> str | None:
    """The name in "n,a=NAME,"; "" where there is none. Channel binding ("p=") does not exist here (RFC 7628 §3.1)."""
    try:
        fields = header.decode("utf-8").split(",")
    except UnicodeDecodeError:
        return None
    if len(fields) != 3 or fields[0] not in ("n", "y") or fields[2]:
        return None
    return saslname.authzid(fields[1])


def _pairs(text: bytes) -> dict[str, bytes] | None:
    """The pairs of "key=value ^A … ^A"; None for anything else, also for a key that comes twice."""
    if text[-1:] != _SEPARATOR:
        return None
    lines = text[:-1].split(_SEPARATOR)
    if lines.pop() != b"":
        return None
    pairs: dict[str, bytes] = {}
    for line in lines:
        key, equals, value = line.partition(b"=")
        if not equals or _KEY.match(key) is None or _VALUE.match(value) is None:
            return None
        if pairs.setdefault(key.decode("ascii").lower(), value) is not value:
            return None
    return pairs


def _token(value: bytes) -> Token | None:
    if not value:
        return Token(Secret(b""))  # RFC 7628 §4.3: a client without a token asks what it would need
    found = _BEARER.match(value)
    return Token(Secret(found.group(1))) if found is not None else None


class _Client:
    """What the two clients share: one message, and one empty-handed answer to an error.

    Attributes:
        error: what the server said about a refused token, as it came; b"" for nothing. Untrusted.
    """

    initial = True
    complete = True

    def __init__(self, message: Secret, answer: bytes) -> None:
        self._message: Secret | None = message
        self._answer = answer
        self._refused = False
        self.error = b""

    def step(self, challenge: bytes) -> bytes:
        """The message; then, to an error, what lets the server end the exchange."""
        if self._message is not None:
            message, self._message = self._message, None
            return message.reveal()
        if self._refused or len(challenge) > EXCHANGE_LIMIT:
            raise ExchangeBroken("a challenge after the error, or an endless one")
        self._refused = True
        self.error = challenge
        return self._answer


def _message(head: str, token: Secret) -> Secret:
    if _BEARER.match(b"Bearer " + token.reveal()) is None:
        raise ValueError("not a bearer token")
    return Secret(f"{head}\x01auth=Bearer ".encode() + token.reveal() + _SEPARATOR * 2)


class OAuthBearerClient(_Client):
    """The client's side of OAUTHBEARER.

    Args:
        authzid: the account asked for; "" for the token's own.
        token: without "Bearer".
        host, port: of the server, "" and 0 to leave them out (RFC 7628 §3.1).

    Raises:
        ValueError: the name or the token holds what it may not.
    """

    name = "OAUTHBEARER"

    def __init__(self, authzid: str, token: Secret, *, host: str = "", port: int = 0) -> None:
        if "\x01" in authzid or "\0" in authzid:
            raise ValueError("OAUTHBEARER cannot carry its separator or NUL in a name")
        parts = [f"n,a={saslname.encode(authzid)}," if authzid else "n,,"]
        if host:
            parts.append(f"host={host}")
        if port:
            parts.append(f"port={port}")
        super().__init__(_message("\x01".join(parts), token), _SEPARATOR)


class XOAuth2Client(_Client):
    """The client's side of XOAUTH2.

    Raises:
        ValueError: the name or the token holds what it may not.
    """

    name = "XOAUTH2"

    def __init__(self, user: str, token: Secret) -> None:
        if not user or "\x01" in user:
            raise ValueError("XOAUTH2 needs a name, and none with its separator in it")
        super().__init__(_message(f"user={user}", token), b"")
