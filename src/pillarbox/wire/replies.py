"""Replies as values, and their status lines as octets, both ways.

Rules: only a response code begins a text with "[" (P41); a status line fits its limit and holds no control character,
whoever writes the text; a body is given in wire form (CRLF, dot-stuffed) without the final "." line, which goes out in
the same write as the body's last octets (P11).
Serves RFC 1939 §3, RFC 2449 §8, RFC 3206, RFC 5034 §4, RFC 6856 §5.
"""

from __future__ import annotations

import base64
import enum
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import NamedTuple

from pillarbox.wire import limits
from pillarbox.wire.errors import ProtocolError

CRLF = b"\r\n"
END = b".\r\n"
"""Ends a multi-line response (RFC 1939 §3)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # C0, C1 (a terminal obeys them too), line separators


class ResponseCode(enum.Enum):
    """The registered response codes that Pillarbox sends and understands."""

    AUTH = "AUTH"  # RFC 3206 §5: refused credentials, and nothing else
    SYS_TEMP = "SYS/TEMP"  # RFC 3206 §4
    SYS_PERM = "SYS/PERM"  # RFC 3206 §4
    IN_USE = "IN-USE"  # RFC 2449 §8.1.2
    LOGIN_DELAY = "LOGIN-DELAY"  # RFC 2449 §8.1.1
    UTF8 = "UTF8"  # RFC 6856 §5


Body = bytes | bytearray | AsyncGenerator[bytes | bytearray, None]
"""A multi-line body in wire form: at once, or in slices where it is large."""


class Reply(NamedTuple):
    """One reply to one command.

    Attributes:
        ok: +OK or -ERR.
        text: for people; what machines read stands in `code`.
        code: the response code, if any.
        body: of a multi-line response; None for a single line.
        close: the connection ends after this reply, whatever the command was.
    """

    ok: bool
    text: str = ""
    code: ResponseCode | None = None
    body: Body | None = None
    close: bool = False


@dataclass(frozen=True, slots=True)
class Challenge:
    """A continuation of a SASL exchange: "+ " and base64 (RFC 5034 §4). May hold secrets of the exchange."""

    data: bytes

    def __repr__(self) -> str:
        return "<Challenge>"


def status_line(reply: Reply) -> bytes:
    """The first line of a reply, CRLF included. Over-long texts are cut, control characters become spaces."""
    text = reply.text
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    if reply.code is not None:
        text = f"[{reply.code.value}] {text}"
    elif text.startswith("["):
        text = f" {text}"
    line = ("+OK " if reply.ok else "-ERR ") + text
    data = line.encode("utf-8", "replace")
    if len(data) > limits.REPLY_LINE - 2:
        data = data[: limits.REPLY_LINE - 2].decode("utf-8", "ignore").encode("utf-8")
    return data.rstrip(b" ") + CRLF


def challenge_line(challenge: Challenge) -> bytes:
    """A continuation line; the empty challenge keeps its space (P45)."""
    return b"+ " + base64.b64encode(challenge.data) + CRLF


class Status(NamedTuple):
    """A status line as read from a server.

    Attributes:
        ok: True for +OK, False for -ERR, None for a "+ " continuation.
        text: what follows, decoded as UTF-8 with replacement; untrusted.
        code: the text of a response code, upper case, or "".
    """

    ok: bool | None
    text: str
    code: str = ""


_CODE = re.compile(rb"\[([^\]\[\x00-\x20\x7f]{1,64})\] ?")


def parse_status(line: bytes) -> Status:
    """Read a status line, without its line ending.

    Raises:
        ProtocolError: when it is none (RFC 1939 §3: "+OK" and "-ERR" are upper case).
    """
    keyword, space, rest = line.partition(b" ")
    if keyword == b"+":
        return Status(None, rest.decode("ascii", "replace"))
    if keyword not in (b"+OK", b"-ERR"):
        raise ProtocolError("a status line begins with +OK or -ERR")
    code = ""
    found = _CODE.match(rest) if space else None
    if found is not None:
        code = found.group(1).decode("ascii", "replace").upper()
        rest = rest[found.end() :]
    return Status(keyword == b"+OK", rest.decode("utf-8", "replace"), code)
