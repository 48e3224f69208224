"""Lines out of a byte stream, in bounded memory.

Rules: LF ends a line, a CR before it belongs to the ending, a CR alone ends nothing (P31); a line over its limit is
drained as it comes and reported once, cut short (P32). Feeding whole or octet by octet gives the same lines.
"""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One line without its ending.

    Attributes:
        data: the line; of an overlong one only the beginning, up to its limit.
        overlong: the line was longer than the limit.
        bare: it ended in a bare LF.
    """

    data: bytes
    overlong: bool = False
    bare: bool = False


class LineBuffer:
    """Collects octets and gives out lines. Holds at most one incomplete line, and what was fed since the last call."""

    __slots__ = ("_buffer", "_drained", "_scanned", "_start")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = 0  # where the next line begins
        self._scanned = 0  # up to where no LF was found
        self._drained: bytes | None = None  # the beginning of an overlong line whose end has not come yet

    def __len__(self) -> int:
        """Octets held and not yet given out."""
        return len(self._buffer) - self._start

    @property
    def overlong(self) -> bool:
        """Whether the line whose end has not come yet is over its limit already."""
        return self._drained is not None

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take more octets."""
        self._buffer += data

    def begins_with(self, octets: bytes) -> bool:
        """Whether what is held begins so."""
        return self._buffer.startswith(octets, self._start)

    def clear(self) -> int:
        """Forget everything; returns how many octets that were."""
        forgotten = len(self)
        self._buffer.clear()
        self._start = self._scanned = 0
        self._drained = None
        return forgotten

    def peek(self, octets: int) -> bytes:
        """A copy of at most so many of the octets held, which stay held."""
        return bytes(self._buffer[self._start : self._start + octets])

    def skip(self, octets: int) -> None:
        """Forget so many octets that are not part of a line. They must be held."""
        self._start += octets
        self._scanned = self._start
        if self._start >= len(self._buffer):
            self.clear()

    def next(self, limit: int) -> Line | None:
        """The next line, or None when its end has not come yet. `limit` is in octets, the line ending included."""
        buffer = self._buffer
        if not buffer:
            return None
        end = buffer.find(b"\n", self._scanned)
        if end < 0:
            self._compact(limit)
            return None
        start = self._start
        self._start = self._scanned = end + 1
        if self._drained is not None:
            line = Line(self._drained, overlong=True)
            self._drained = None
        elif end + 1 - start > limit:
            line = Line(bytes(buffer[start : start + limit]), overlong=True)
        else:
            if end > start and buffer[end - 1] == 0x0D:
                line = Line(bytes(buffer[start : end - 1]))
            else:
                line = Line(bytes(buffer[start:end]), bare=True)
        if self._start == len(buffer):
            buffer.clear()
            self._start = self._scanned = 0
        return line

    def _compact(self, limit: int) -> None:
        """No line is complete: keep what is needed of it, and no more."""
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        if self._drained is not None:
            self._buffer.clear()
        elif len(self._buffer) > limit:
            self._drained = bytes(self._buffer[:limit])
            self._buffer.clear()
        self._scanned = len(self._buffer)
