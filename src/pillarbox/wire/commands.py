"""The commands of POP3 as values.

Rules: a `Command` is syntactically right, or it does not exist; message numbers are 1-based and never 0; an argument
that may be a secret never shows in `repr`.
Serves RFC 1939 §3, RFC 2449 §5, RFC 2595 §4, RFC 5034 §4, RFC 6856.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple


class Verb(enum.IntEnum):
    """What a command asks for. An integer, so that table look-ups hash quickly."""

    USER = 1
    PASS = 2
    APOP = 3
    AUTH = 4
    STLS = 5
    CAPA = 6
    UTF8 = 7
    LANG = 8
    STAT = 9
    LIST = 10
    RETR = 11
    DELE = 12
    NOOP = 13
    RSET = 14
    TOP = 15
    UIDL = 16
    QUIT = 17


_SECRETIVE = frozenset({Verb.PASS, Verb.APOP, Verb.AUTH})
_MECHANISM = re.compile(rb"[A-Za-z0-9_-]{1,20}\Z")  # RFC 4422 §3.1


class Command(NamedTuple):
    """One parsed command line.

    Attributes:
        verb: what it asks for.
        number: the message number, 1 or more; 0 means that none was given, so the value itself is never a number 0.
        lines: TOP's count of body lines; -1 for other commands.
        argument: the rest of the line as sent (USER, PASS, AUTH, LANG), else empty. May be a secret.
    """

    verb: Verb
    number: int = 0
    lines: int = -1
    argument: bytes = b""

    @property
    def has_argument(self) -> bool:
        """Whether anything followed the keyword."""
        return self.number > 0 or len(self.argument) > 0

    def redacted(self) -> Command:
        """The same command without what may be a secret: "*" stands for it. Names stay, so do SASL mechanisms."""
        if not self.argument or self.verb not in _SECRETIVE:
            return self
        if self.verb is not Verb.AUTH:
            return self._replace(argument=b"*")
        mechanism, space, _ = self.argument.partition(b" ")
        # A client's mistake may put a secret where the mechanism belongs.
        shown = mechanism if _MECHANISM.match(mechanism) is not None else b"*"
        return self._replace(argument=shown + b" *" if space else shown)

    def __repr__(self) -> str:
        shown = f" {self.number}" if self.number else ""
        return f"<Command {self.verb.name}{shown}>"


class SaslResponse(NamedTuple):
    """One line that a client sent inside a SASL exchange (RFC 5034 §4). May be a secret.

    Attributes:
        data: the line as sent: base64, or `*` to cancel.
    """

    data: bytes

    def __repr__(self) -> str:
        return "<SaslResponse>"


class Malformed(NamedTuple):
    """A line that is no command. The session answers -ERR with `text` and goes on.

    Attributes:
        text: what is wrong, fixed wording.
        verb: the command it was meant to be, if that much could be read.
        overlong: the line was longer than its limit; the rest of it was dropped.
    """

    text: str
    verb: Verb | None = None
    overlong: bool = False


Received = Command | SaslResponse | Malformed
