"""PLAIN, both sides (RFC 4616): authzid NUL authcid NUL password in one response."""

from __future__ import annotations

from pillarbox.events.secret import Secret
from pillarbox.sasl.mechanism import Claim, Claimed, Failed, Step
from pillarbox.sasl.proofs import Password


class PlainServer:
    """The server's side: one response, no challenge of its own."""

    name = "PLAIN"

    def opening(self) -> bytes:
        """Nothing: the client speaks first."""
        return b""

    def step(self, response: bytes) -> Step:
        """Take the message. Exactly two NULs; authcid must not be empty (RFC 4616 §2)."""
        parts = response.split(b"\0")
        if len(parts) != 3:
            return Failed("PLAIN: not three fields")
        authzid, authcid, password = parts
        if not authcid:
            return Failed("PLAIN: no user name")
        try:
            return Claimed(Claim(authcid.decode("utf-8"), authzid.decode("utf-8"), Password(Secret(password))))
        except UnicodeDecodeError:
            return Failed("PLAIN: a name is not UTF-8")


class PlainClient:
    """The client's side.

    Raises:
        ValueError: when a name or the password holds NUL.
    """

    name = "PLAIN"
    initial = True
    complete = True

    def __init__(self, authcid: str, password: Secret, authzid: str = "") -> None:
        if "\0" in authcid or "\0" in authzid or b"\0" in password.reveal():
            raise ValueError("PLAIN cannot carry NUL in a name or password")
        self._message = authzid.encode(), authcid.encode(), password

    def step(self, challenge: bytes) -> bytes:
        """The message; whatever the challenge, which is empty in this mechanism."""
        authzid, authcid, password = self._message
        return b"\0".join((authzid, authcid, password.reveal()))
