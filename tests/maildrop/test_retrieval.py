"""RETR and TOP over any store: forms, slices, reading no more than needed."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.maildrop.maildrop import Facts, Form, Piece, Shape
from pillarbox.maildrop.retrieval import FIRST_READ, SLICE, retrieve, top
from pillarbox.maildrop.stores.memory import MemoryMaildrop, MemoryStore
from pillarbox.testing.messages import UTF8, octets_of, wire_form
from pillarbox.testing.store_kit import whole


def opened(message: bytes, *, utf8: bool = False) -> MemoryMaildrop:
    store = MemoryStore(clock=lambda: 1.0)
    store.deliver("box", message)
    return asyncio.run(store.open("box", "s", utf8=utf8))


class Wire(MemoryMaildrop):
    """Hands out the wire form, as a store that keeps it does."""

    async def read(self, index: int, start: int, stop: int) -> Piece:
        wire = wire_form(self._messages[index].data)
        header = wire.find(b"\r\n\r\n") + 4
        data = wire[start:stop]
        facts = Facts(0, len(wire), header, 0, Shape(0))
        return Piece(data, Form.WIRE, facts, start + len(data) >= len(wire))


class Counting(MemoryMaildrop):
    """Notes what is read."""

    reads: list[tuple[int, int]]

    async def read(self, index: int, start: int, stop: int) -> Piece:
        self.reads.append((start, stop))
        return await super().read(index, start, stop)


def counting(message: bytes) -> Counting:
    maildrop = opened(message)
    maildrop.__class__ = Counting
    assert isinstance(maildrop, Counting)
    maildrop.reads = []
    return maildrop


SIZES = [0, 1, SLICE - 1, SLICE, SLICE + 1, FIRST_READ, 2 * SLICE + 7]
LINES = [b"\n.", b"\r\n", b"\r\r\n.", b"x" * 70 + b"\n", b".\r"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("line", LINES)
def test_retr_at_slice_borders(size: int, line: bytes) -> None:
    """P5-P7: line endings and dots that lie across two slices."""
    message = (b"Subject: x\n\n" + line * (size // len(line) + 2))[:size]
    maildrop = opened(message)
    assert asyncio.run(_body(maildrop)) == wire_form(message)


async def _body(maildrop: MemoryMaildrop) -> bytes:
    return await whole(await retrieve(maildrop, 0))


@pytest.mark.parametrize("message", [b"Subject: x\n\n.a\nb\nc\n", b"Subject: x\n\n" + b".line\n" * 90_000])
@pytest.mark.parametrize("lines", [0, 1, 2, 80_000, 10**9])
def test_wire_form_is_cut_but_not_changed(message: bytes, lines: int) -> None:
    """P8, P9: nothing is stuffed twice."""
    maildrop = opened(message)
    maildrop.__class__ = Wire
    assert asyncio.run(_body(maildrop)) == wire_form(message)
    head, blank, body = wire_form(message).partition(b"\r\n\r\n")
    expected = head + blank + b"".join(body.splitlines(keepends=True)[:lines])

    async def cut() -> bytes:
        return await whole(await top(maildrop, 0, lines))

    assert asyncio.run(cut()) == expected


@pytest.mark.parametrize("padding", [0, FIRST_READ, SLICE])
def test_surrogate_with_a_header_of_several_reads(padding: int) -> None:
    """P13: the header is put together however long it is; the octets are those that were listed."""
    message = b"X-Padding: " + b"p" * 70 + b"\n"
    message = message * (padding // len(message)) + UTF8 + b"more\n" * 60_000
    maildrop = opened(message)

    async def check() -> None:
        wire = await whole(await retrieve(maildrop, 0))
        snapshot = await maildrop.list()
        assert octets_of(wire) == snapshot.octets[0]
        assert wire.partition(b"\r\n\r\n")[0].isascii()
        assert wire.endswith(b"\r\n..K\xc3\xb6rper\r\n" + b"more\r\n" * 60_000)
        cut = await whole(await top(maildrop, 0, 1))
        assert cut == wire[: len(cut)]
        assert cut.endswith(b"..K\xc3\xb6rper\r\n")

    asyncio.run(check())


def test_top_reads_no_more_than_it_needs() -> None:
    """P9: the first lines of a large message cost one read; they do not read the rest."""
    maildrop = counting(b"Subject: x\n\n" + b"line\n" * 200_000)

    async def check() -> None:
        assert await whole(await top(maildrop, 0, 2)) == b"Subject: x\r\n\r\nline\r\nline\r\n"
        assert maildrop.reads == [(0, FIRST_READ)]

    asyncio.run(check())


def test_a_small_message_is_one_read() -> None:
    maildrop = counting(b"Subject: x\n\nbody\n")

    async def check() -> None:
        assert await retrieve(maildrop, 0) == b"Subject: x\r\n\r\nbody\r\n"
        assert maildrop.reads == [(0, SLICE)]

    asyncio.run(check())


def test_large_messages_come_in_slices_and_can_be_left() -> None:
    """P36: a client that stops reading stops the disk."""
    maildrop = counting(b"Subject: x\n\n" + b"line\n" * 2_000_000)

    async def check() -> None:
        body = await retrieve(maildrop, 0)
        assert not isinstance(body, bytes | bytearray)
        assert await anext(body)
        assert len(maildrop.reads) <= 3
        await body.aclose()
        assert len(maildrop.reads) <= 3

    asyncio.run(check())
