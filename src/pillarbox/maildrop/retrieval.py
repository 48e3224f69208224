"""RETR and TOP: reads a message from any store and makes it ready to send.

Rules: a message that fits one slice is one read and one `bytes`; a larger one is an iterator of slices, so that memory
stays constant and the transport's back-pressure is felt by the disk. TOP stops reading as soon as its lines are there.
A session without UTF8 gets the surrogate of a message that needs it (P13). The final "." line is the caller's.

Serves RFC 1939 §5 (RETR) and §7 (TOP); the octets themselves are made by `wire_form` and `surrogate`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pillarbox.maildrop.maildrop import Facts, Form, Maildrop, Piece, Shape
from pillarbox.maildrop.surrogate import surrogate_header
from pillarbox.maildrop.wire_form import SHAPES, Encoder, LineLimit, encode, stuff

SLICE = 256 * 1024
"""Stored octets that are read and sent at a time: enough for full speed, few enough to hold for each session."""

FIRST_READ = 16 * 1024
"""Octets TOP reads first: enough for the header and a few lines of nearly every message."""

_UTF8_HEADER = int(Shape.UTF8_HEADER)
# A body in wire form has no line ending left to change and no dot left to stuff.
_WIRE_FACTS = Facts(0, 0, 0, 0, SHAPES[Shape.KNOWN | Shape.CRLF])

Body = bytes | bytearray | AsyncGenerator[bytes | bytearray, None]
"""A message in wire form without the final "." line: whole, or as slices to be sent in turn."""


async def retrieve(maildrop: Maildrop, index: int) -> Body:
    """The whole message (RFC 1939 §5, RETR). `index` is 0-based.

    Raises:
        MessageGone, MaildropUnavailable: as `Maildrop.read`. An iterator may raise them too, after some slices; the
            reply then cannot be completed and the connection has to be closed.
    """
    piece = await maildrop.read(index, 0, SLICE)
    if piece.end:
        if piece.form is Form.WIRE:
            return piece.data
        if not int(piece.facts.shape) & _UTF8_HEADER or maildrop.utf8:
            return encode(piece.data, piece.facts)
    return await _gathered(_message(maildrop, index, piece, None))


async def top(maildrop: Maildrop, index: int, lines: int) -> Body:
    """The header, the empty line and `lines` lines of the body (RFC 1939 §7, TOP). `index` is 0-based.

    A message without an empty line is all header and is given whole, as is one with fewer lines (P9).

    Raises:
        MessageGone, MaildropUnavailable: as in `retrieve`.
    """
    piece = await maildrop.read(index, 0, FIRST_READ)
    return await _gathered(_message(maildrop, index, piece, LineLimit(lines)))


async def _gathered(slices: AsyncGenerator[bytes | bytearray, None]) -> Body:
    """The slices as one `bytes` where they are few, otherwise as an iterator."""
    start: list[bytes | bytearray] = []
    size = 0
    async for octets in slices:
        start.append(octets)
        size += len(octets)
        if size > SLICE:
            return _continued(b"".join(start), slices)
    return b"".join(start)


async def _continued(
    start: bytes, slices: AsyncGenerator[bytes | bytearray, None]
) -> AsyncGenerator[bytes | bytearray, None]:
    try:
        yield start
        async for octets in slices:
            yield octets
    finally:
        await slices.aclose()


async def _message(
    maildrop: Maildrop, index: int, first: Piece, limit: LineLimit | None
) -> AsyncGenerator[bytes | bytearray, None]:
    """The header, then as much of the body as the limit lets pass. `first` is what was read at octet 0."""
    facts = first.facts
    reader = _Reader(maildrop, index, first)
    if first.form is Form.STORED and int(facts.shape) & _UTF8_HEADER and not maildrop.utf8:
        header = b""
        while octets := await reader.read(facts.header):
            header += octets
        yield stuff(surrogate_header(header), line_start=True)
    else:
        encoder = _encoder(first)
        while octets := await reader.read(facts.header):
            yield encoder.feed(octets)
        yield encoder.finish()
    if limit is not None and limit.done:
        return
    encoder = _encoder(first)  # the header ended with a line ending: the body starts afresh
    while octets := await reader.read(None):
        wire = encoder.feed(octets)
        yield wire if limit is None else limit.cut(wire)
        if limit is not None and limit.done:
            return
    ending = encoder.finish()
    yield ending if limit is None else limit.cut(ending)


def _encoder(piece: Piece) -> Encoder:
    return Encoder(_WIRE_FACTS if piece.form is Form.WIRE else piece.facts)


class _Reader:
    """Reads a body from its start, in the store's own form; what the first piece has is not read again."""

    __slots__ = ("_at", "_end", "_first", "_index", "_maildrop")

    def __init__(self, maildrop: Maildrop, index: int, first: Piece) -> None:
        self._maildrop = maildrop
        self._index = index
        self._first = first.data
        self._end = first.end
        self._at = 0

    async def read(self, stop: int | None) -> bytes | bytearray:
        """The next octets, at most up to `stop`; none at `stop` or at the end."""
        at = self._at
        if at < len(self._first):
            octets = self._first[at:stop]
        elif self._end or (stop is not None and at >= stop):
            return b""
        else:
            piece = await self._maildrop.read(self._index, at, at + SLICE if stop is None else min(at + SLICE, stop))
            octets = piece.data
            self._end = piece.end
        self._at = at + len(octets)
        return octets
