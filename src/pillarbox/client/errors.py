"""What a client may have to tell its user: one small tree of exceptions, each saying what it means for the mail.

Rules: whatever a server sent is cleaned and cut before it stands in a text; no text holds a secret. After every error
but `Refused` and `UsageError` the connection is closed, without QUIT: nothing was deleted.
Serves RFC 2449 §8, RFC 3206 §4-5.
"""

from __future__ import annotations

from collections.abc import Mapping

from pillarbox.watch.clean import clean
from pillarbox.wire.replies import Status

SHOWN = 200
"""Characters of a server's text that are shown: a sentence and a URL fit."""


def shown(text: str) -> str:
    """A server's text, safe to print, cut to `SHOWN` characters."""
    text = clean(text[: SHOWN + 1])
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


class ClientError(Exception):
    """Base of all errors of the client."""


class UsageError(ClientError):
    """The caller asked for what cannot be: a number that is not listed, a line break in a name, a call out of turn."""


class ConnectError(ClientError):
    """No connection came about: the name is unknown, nobody listens, or it took too long."""


class TlsError(ClientError):
    """The connection is not as safe as it has to be: TLS is missing, or the server could not prove who it is."""


class ProtocolError(ClientError):
    """The server broke the protocol: nothing it says can be trusted any more. The text is fixed."""


class LimitExceeded(ClientError):
    """The server sent more than any honest one would."""


class DeadlineExceeded(ClientError):
    """The server took too long: for a reply, for an octet, or for all of the session."""


class ConnectionLost(ClientError):
    """The connection ended before everything was said."""


class Refused(ClientError):
    """The server answered -ERR.

    Attributes:
        status: its words: `text` is untrusted, `code` a response code in upper case, or "".
        command: what it refused, such as "RETR".
    """

    def __init__(self, status: Status, command: str) -> None:
        self.status = status
        self.command = command
        code = f"[{status.code}] " if status.code else ""
        super().__init__(f"{command} refused: {shown(code + status.text) or 'no reason given'}")

    @property
    def code(self) -> str:
        """The response code, or ""."""
        return self.status.code


class AuthenticationFailed(Refused):
    """The credentials are wrong. Where the server gives no codes, it may have had another reason."""


class InUse(Refused):
    """Another session holds the maildrop: try again later (RFC 2449 §8.1.2)."""


class LoginDelay(Refused):
    """The last login was too short a time ago (RFC 2449 §8.1.1)."""


class TemporaryError(Refused):
    """The server has a problem that is likely to go away by itself (RFC 3206 §4)."""


class PermanentError(Refused):
    """The server has a problem that a person has to solve (RFC 3206 §4)."""


_BY_CODE: Mapping[str, type[Refused]] = {
    "AUTH": AuthenticationFailed,
    "IN-USE": InUse,
    "LOGIN-DELAY": LoginDelay,
    "SYS/TEMP": TemporaryError,
    "SYS/PERM": PermanentError,
}


def refusal(status: Status, command: str, otherwise: type[Refused] = Refused) -> Refused:
    """The exception for an -ERR: by its response code, or `otherwise` where there is no code that we know."""
    # RFC 2449 §8: codes are hierarchical, "SYS/TEMP/DISK" is a kind of SYS/TEMP.
    parts = status.code.split("/")
    for length in range(len(parts), 0, -1):
        kind = _BY_CODE.get("/".join(parts[:length]))
        if kind is not None:
            return kind(status, command)
    return otherwise(status, command)
