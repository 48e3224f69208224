r"""The reading side of multi-line bodies: finds the end and takes the stuffed dots away, in constant memory.

Rules: only CRLF "." CRLF ends a body, a bare LF or a bare CR never does, so that no stored line can forge a reply (P7);
the start of the body is the start of a line; long lines are handed on in pieces, never refused; feeding whole or octet
by octet gives the same octets. Writing bodies is in `pillarbox.maildrop.wire_form`.
Serves RFC 1939 §3 (multi-line responses).
"""

from __future__ import annotations

import enum

from pillarbox.wire.errors import LocalError


class _At(enum.Enum):
    """Where in a line the next octet stands. `DOT` and `DOT_CR` hold back what may be the end."""

    LINE_START = 0
    DOT = 1  # "." at the start of a line
    DOT_CR = 2  # ".\r" at the start of a line
    MIDDLE = 3
    CR = 4  # the last octet handed on was a CR within a line


class BodyReader:
    """Reads one body.

    Args:
        lenient_lf: a bare LF ends a line too. Only for servers that are known to send nothing else: any sender of
            mail can end a body early through it.
    """

    __slots__ = ("_at", "_lenient", "_lf", "leftover", "octets")

    def __init__(self, *, lenient_lf: bool = False) -> None:
        self._lenient = lenient_lf
        self._lf = b"\n" if lenient_lf else b"\r\n"
        self._at: _At | None = _At.LINE_START  # None: the body has ended
        self.leftover = b""
        """What was fed behind the body's end: the beginning of the next reply."""
        self.octets = 0
        """Octets of the body handed out so far, dots unstuffed, the final "." line not counted."""

    @property
    def done(self) -> bool:
        """Whether the final "." line has come."""
        return self._at is None

    def feed(self, data: bytes | bytearray) -> bytes:
        """Take octets from the server; return the octets of the body they complete, which may be none.

        Raises:
            LocalError: when the body has ended already.
        """
        if self._at is None:
            raise LocalError("the body has ended")
        body, start = self._begin(data)
        if self.done:
            self.leftover = bytes(data[start:])
        else:
            body += self._rest(data, start)
        self.octets += len(body)
        return body

    def _begin(self, data: bytes | bytearray) -> tuple[bytes, int]:
        """Leave the states between lines; returns octets that belong to the body, and where the rest begins."""
        body = b""
        start = 0
        if self._at is _At.CR and data:
            self._at = _At.MIDDLE
            if data[0] == 0x0A:
                self._at = _At.LINE_START
                body, start = b"\n", 1
        if self._at is _At.LINE_START and start < len(data):
            self._at = _At.MIDDLE
            if data[start] == 0x2E:
                self._at = _At.DOT
                start += 1
        if self._at is _At.DOT and start < len(data):
            self._at = _At.MIDDLE  # the dot was stuffed, unless
            if data[start] == 0x0D:
                self._at = _At.DOT_CR
                start += 1
            elif data[start] == 0x0A and self._lenient:
                self._at = None
                start += 1
        if self._at is _At.DOT_CR and start < len(data):
            self._at = _At.MIDDLE  # the dot was stuffed, the CR is a bare one, unless
            if data[start] == 0x0A:
                self._at = None
                start += 1
            else:
                body += b"\r"
        return body, start

    def _rest(self, data: bytes | bytearray, start: int) -> bytes:
        """The octets from `start` on, unstuffed. Unless something is held back, `start` is not at a line's start."""
        if start >= len(data) or self._at is not _At.MIDDLE:
            return b""
        lf = self._lf
        stop, after = self._end(data, start)
        if stop >= 0:
            self._at = None
            self.leftover = bytes(data[after:])
        else:
            stop = self._hold(data, start)
        return bytes(data[start:stop]).replace(lf + b".", lf)

    def _end(self, data: bytes | bytearray, start: int) -> tuple[int, int]:
        """Where the body stops and where what follows it begins; (-1, -1) when the end is not there."""
        found = data.find(self._lf + b".\r\n", start)
        best = (found + len(self._lf), found + len(self._lf) + 3) if found >= 0 else (-1, -1)
        if self._lenient:
            found = data.find(b"\n.\n", start, best[1] if found >= 0 else len(data))
            if found >= 0:
                best = (found + 1, found + 3)
        return best

    def _hold(self, data: bytes | bytearray, start: int) -> int:
        """Set the state at the end of the data; returns where to stop, before what may be the final line."""
        lf = self._lf
        stop = len(data)
        if data.endswith(lf + b".\r", start):
            self._at = _At.DOT_CR
            return stop - 2
        if data.endswith(lf + b".", start):
            self._at = _At.DOT
            return stop - 1
        if data.endswith(lf, start):
            self._at = _At.LINE_START
        elif data.endswith(b"\r", start) and not self._lenient:  # a lenient reader only looks at the LF
            self._at = _At.CR
        return stop
