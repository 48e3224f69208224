r"""From stored octets to what POP3 sends: CRLF line endings, then dot-stuffing. Pure: octets in, octets out.

Rules: a message is normalised first and stuffed afterwards, so that no stored line can end a reply (P7); every way
through this file gives the same octets, whole or in slices cut anywhere (P5). CRLF stays; a bare LF, a bare CR and a
missing last line ending each become CRLF; an empty message stays empty. NUL and 8-bit octets are not touched (P10).
The final ".\r\n" line of a reply is not made here: the writer of the reply adds it, in the same write (P11).

Serves RFC 1939 §3 (multi-line responses) and §11 (message sizes); the surrogate's header is made by `surrogate`.
"""

from __future__ import annotations

from collections.abc import Iterable

from pillarbox.maildrop.maildrop import Facts, Shape
from pillarbox.maildrop.surrogate import surrogate_header

HEADER_LIMIT = 1 << 20
"""Octets of a header that are looked at for UTF-8. A longer one is no header of real mail; it is sent as it is."""

# Plain ints: `&` on an IntFlag is a Python-level call, and these run for every RETR.
_KNOWN = int(Shape.KNOWN)
_BARE_LF = int(Shape.BARE_LF)
_CRLF = int(Shape.CRLF)
_DOTTED = int(Shape.DOTTED)
_UNTERMINATED = int(Shape.UNTERMINATED)

SHAPES = tuple(Shape(bits) for bits in range(64))
"""Every shape by its number, so that none has to be made from a number while a message is sent."""


class Examiner:
    """Computes the `Facts` of one message from its stored octets, which may come in pieces cut anywhere."""

    __slots__ = ("_dotted", "_head", "_header", "_held", "_lf", "_line_start", "_pairs", "_returns", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._lf = self._returns = self._pairs = 0  # LF, CR, and CR LF together
        self._dotted = False
        self._line_start = True
        self._held = b""  # a CR at the end of a piece waits here: the next octet tells what it is
        self._header = -1  # where the header ends, -1 while that is not known
        self._head: bytearray | None = bytearray()  # the header so far; None once it is past HEADER_LIMIT

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next stored octets."""
        piece = self._held + data if self._held or isinstance(data, memoryview) else data
        if piece.endswith(b"\r"):
            self._held = b"\r"
            piece = piece[:-1]
        else:
            self._held = b""
        if piece:
            self._take(piece)

    def finish(self) -> Facts:
        """The facts, once everything was fed."""
        if self._held:
            self._take(self._held)
        unterminated = self._size > 0 and not self._line_start
        octets = self._size + (self._lf - self._pairs) + (self._returns - self._pairs) + (2 if unterminated else 0)
        shape = _KNOWN
        if not self._returns:
            shape |= _BARE_LF
        elif self._returns == self._lf == self._pairs:
            shape |= _CRLF
        shape |= _DOTTED if self._dotted else 0
        shape |= _UNTERMINATED if unterminated else 0
        header = self._size if self._header < 0 else self._header
        surrogate = octets
        if self._head is not None and is_utf8(self._head):
            shape |= Shape.UTF8_HEADER
            missing = 2 if unterminated and header == self._size else 0
            surrogate += len(surrogate_header(bytes(self._head))) - len(normalise(self._head)) - missing
        return Facts(self._size, octets, header, surrogate, SHAPES[shape])

    def _take(self, piece: bytes | bytearray) -> None:
        """Count one piece that does not end within a CRLF."""
        returns = piece.count(b"\r")
        self._lf += piece.count(b"\n")
        if returns:
            self._returns += returns
            self._pairs += piece.count(b"\r\n")
        if not self._dotted:
            self._dotted = (
                (self._line_start and piece[0] == 0x2E) or b"\n." in piece or (returns > 0 and b"\r." in piece)
            )
        if self._header < 0:
            self._look_for_header_end(piece, with_returns=returns > 0)
        self._size += len(piece)
        self._line_start = piece[-1] in b"\r\n"

    def _look_for_header_end(self, piece: bytes | bytearray, *, with_returns: bool) -> None:
        end = 0 if self._line_start and piece[0] in b"\r\n" else -1  # where the empty line starts
        if end < 0 and (end := piece.find(b"\n\n")) >= 0:
            end += 1
        if with_returns and end:
            # In CRLF text LF CR is the earliest pair of octets that shows an empty line; CR CR is two bare ones.
            for pair in (b"\n\r", b"\r\r"):
                found = piece.find(pair, 0, end if end > 0 else len(piece))
                end = found + 1 if found >= 0 else end
        if end >= 0:
            end += 2 if piece[end : end + 2] == b"\r\n" else 1
            self._header = self._size + end
        if self._head is not None:
            self._head += piece if end < 0 else piece[:end]
            if len(self._head) > HEADER_LIMIT:
                self._head = None


def examine(chunks: Iterable[bytes | bytearray | memoryview]) -> Facts:
    """The facts of a message, in one pass over its stored octets."""
    examiner = Examiner()
    for chunk in chunks:
        examiner.feed(chunk)
    return examiner.finish()


def is_utf8(header: bytes | bytearray) -> bool:
    """Whether a header needs RFC 6856's UTF8. Octets that are no UTF-8 are old 8-bit mail, which is sent raw."""
    if header.isascii():
        return False
    try:
        header.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def normalise(data: bytes | bytearray) -> bytes | bytearray:
    """All line endings as CRLF; the last line is left as it is. CR CR LF is a bare CR and a CRLF."""
    if b"\r" not in data:
        return data.replace(b"\n", b"\r\n")
    # Once the pairs are gone every CR that is left is a bare one.
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def encode(data: bytes | bytearray, facts: Facts) -> bytes | bytearray:
    """A whole message in wire form: dot-stuffed lines that end in CRLF, without the final "." line."""
    shape = int(facts.shape)
    if shape & _BARE_LF:
        data = data.replace(b"\n", b"\r\n")
    elif not shape & _CRLF:
        data = normalise(data)
    if (shape & _UNTERMINATED or not shape & _KNOWN) and data and not data.endswith(b"\n"):
        data = data + b"\r\n"  # not in place: the octets are the caller's
    if shape & _DOTTED or not shape & _KNOWN:
        data = stuff(data, line_start=True)
    return data


def stuff(data: bytes | bytearray, *, line_start: bool) -> bytes | bytearray:
    """Double the dot at the start of every line (RFC 1939 §3) of octets in CRLF form."""
    data = data.replace(b"\r\n.", b"\r\n..")
    # P6: the very first octet is at the start of a line too.
    return b"." + data if line_start and data.startswith(b".") else data


class Encoder:
    """`encode` for a message that comes in slices cut anywhere; the joined results are the same octets."""

    __slots__ = ("_dotted", "_held", "_line_start", "_raw")

    def __init__(self, facts: Facts, *, line_start: bool = True) -> None:
        shape = int(facts.shape)
        self._dotted = bool(shape & _DOTTED or not shape & _KNOWN)
        self._raw = bool(shape & _CRLF) and not self._dotted
        self._held = b""
        self._line_start = line_start

    def feed(self, data: bytes | bytearray) -> bytes | bytearray:
        """Take the next stored octets; return the next octets to send, which may be none."""
        if self._held:
            data = self._held + data
            self._held = b""
        if not data:
            return data
        if self._raw:
            self._line_start = data[-1] == 0x0A
            return data
        if data[-1] == 0x0D:  # P5: only the next octet tells whether this CR is bare
            self._held = b"\r"
            data = data[:-1]
            if not data:
                return data
        data = normalise(data)
        if self._dotted:
            data = stuff(data, line_start=self._line_start)
        self._line_start = data[-1] == 0x0A
        return data

    def finish(self) -> bytes:
        """The octets that were held back, and the line ending that was missing."""
        ending = b"" if self._line_start and not self._held else b"\r\n"
        self._held = b""
        self._line_start = True
        return ending


class LineLimit:
    """Lets a number of CRLF lines pass (RFC 1939 §7, TOP). `done` says that no more octets can pass."""

    __slots__ = ("_left",)

    def __init__(self, lines: int) -> None:
        self._left = lines

    @property
    def done(self) -> bool:
        """Whether every line has passed."""
        return self._left <= 0

    def cut(self, data: bytes | bytearray) -> bytes | bytearray:
        """The part of the next octets (in wire form) that lies within the limit."""
        if self._left <= 0:
            return b""
        lines = data.count(b"\n")
        if lines < self._left:
            self._left -= lines
            return data
        rest = data.split(b"\n", self._left)[-1]
        self._left = 0
        return data[: len(data) - len(rest)]
