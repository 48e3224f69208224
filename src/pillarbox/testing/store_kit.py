"""The conformance kit for mail stores: what every store must do, as checks any test runner can run.

Rules: a check is a named coroutine function that takes a `Harness` over one fresh, empty maildrop and raises
`AssertionError` where the store breaks its promise. The kit knows nothing of how a store keeps its mail; a store's
author writes a small `Harness` and runs `CHECKS`, each with a new one.

The promise itself is `pillarbox.maildrop.maildrop`; the point numbers (P1 …) are those of the protocol notes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from pillarbox.maildrop.errors import MaildropBusy, MaildropError, MessageGone, ReadOnly
from pillarbox.maildrop.maildrop import Form, Maildrop, Store
from pillarbox.maildrop.retrieval import Body, retrieve, top
from pillarbox.testing.messages import NASTY, PLAIN, UTF8, octets_of, wire_form


class Harness(Protocol):
    """What a store's author provides."""

    @property
    def store(self) -> Store:
        """The store under test."""
        ...

    @property
    def maildrop(self) -> str:
        """The name of an empty maildrop."""
        ...

    async def deliver(self, message: bytes) -> None:
        """Deliver a message as it is, with whatever line endings it has, as any program may: no lease is needed."""
        ...

    async def remove(self, unique_id: bytes) -> None:
        """Remove a message as another program would, without a lease."""
        ...

    async def restart(self) -> None:
        """Let go of the store and make a new one over the same mail, as after a restart."""
        ...

    async def write_protect(self) -> bool:
        """Make the maildrop unchangeable for the store. False where that cannot be done here."""
        ...


E = TypeVar("E", bound=MaildropError)
Check = Callable[[Harness], Coroutine[Any, Any, None]]

_UNIQUE_ID = re.compile(rb"[\x21-\x7E]{1,70}")


async def whole(body: Body) -> bytes:
    """The octets of a body, streamed or not."""
    return bytes(body) if isinstance(body, bytes | bytearray) else b"".join([bytes(piece) async for piece in body])


async def _open(harness: Harness, session: str = "s1", *, utf8: bool = True, read_only: bool = False) -> Maildrop:
    return await harness.store.open(harness.maildrop, session, utf8=utf8, read_only=read_only)


async def _ids(harness: Harness) -> list[bytes]:
    maildrop = await _open(harness, "looking")
    try:
        return list((await maildrop.list()).unique_ids)
    finally:
        await maildrop.release()


async def _raised(kind: type[E], call: Awaitable[object], otherwise: str) -> E:
    """The error a call has to raise. `otherwise` says what it means when it does not."""
    try:
        await call
    except kind as error:
        return error
    raise AssertionError(otherwise)


async def _deliver(harness: Harness, count: int) -> None:
    for number in range(count):
        await harness.deliver(b"Subject: %d\n\nbody %d\n" % (number, number))


# ---- the lease --------------------------------------------------------------------------------------------------


async def lease_is_exclusive(harness: Harness) -> None:
    """P48: a second session is refused, and told who holds the lease and since when; after release it is not."""
    await harness.deliver(PLAIN)
    first = await _open(harness, "first")
    assert first.lease.session == "first"
    assert first.lease.holder
    busy = await _raised(MaildropBusy, _open(harness, "second"), "two sessions hold one maildrop")
    assert busy.since is None or busy.since == first.lease.since
    await first.release()
    second = await _open(harness, "second")
    assert second.lease.epoch >= first.lease.epoch
    await second.release()


async def one_of_many_gets_the_lease(harness: Harness) -> None:
    """P48: of twenty sessions that come at once, one is served."""
    await _deliver(harness, 3)
    results = await asyncio.gather(*(_open(harness, f"s{n}") for n in range(20)), return_exceptions=True)
    opened = [result for result in results if not isinstance(result, BaseException)]
    assert len(opened) == 1
    assert all(isinstance(result, MaildropBusy) for result in results if isinstance(result, BaseException))
    await opened[0].release()


async def release_is_repeatable(harness: Harness) -> None:
    """A second release does nothing, above all not to the next session's lease."""
    await harness.deliver(PLAIN)
    first = await _open(harness, "first")
    await first.release()
    second = await _open(harness, "second")
    await first.release()
    await _raised(MaildropBusy, _open(harness, "third"), "an old release gave another session's lease away")
    await second.release()


# ---- the snapshot -----------------------------------------------------------------------------------------------


async def empty_maildrop(harness: Harness) -> None:
    """P12: no messages, no octets, nothing to commit."""
    maildrop = await _open(harness)
    snapshot = await maildrop.list()
    assert (snapshot.count, snapshot.total) == (0, 0)
    assert not list(snapshot.octets)
    assert not list(snapshot.unique_ids)
    assert await maildrop.commit(()) == 0
    await maildrop.release()


async def snapshot_is_fixed(harness: Harness) -> None:
    """P14, P18: deliveries and removals by others do not change a snapshot; the next session sees them."""
    await _deliver(harness, 3)
    maildrop = await _open(harness)
    snapshot = await maildrop.list()
    before = (snapshot.count, snapshot.total, list(snapshot.octets), list(snapshot.unique_ids))
    await harness.deliver(PLAIN)
    await harness.remove(before[3][1])
    again = await maildrop.list()
    assert again is snapshot
    assert (again.count, again.total, list(again.octets), list(again.unique_ids)) == before
    await maildrop.release()
    after = await _ids(harness)
    assert len(after) == 3
    assert before[3][1] not in after
    assert after[:2] == [before[3][0], before[3][2]]


async def deliveries_keep_their_order(harness: Harness) -> None:
    """P14: messages are numbered in the order they came, in every session."""
    await _deliver(harness, 12)
    maildrop = await _open(harness)
    for at in range(12):
        assert b"Subject: %d\r\n" % at in await whole(await retrieve(maildrop, at))
    await maildrop.release()


async def unique_ids_are_safe(harness: Harness) -> None:
    """P26, P27: within RFC 1939 §7, different for identical messages, the same after a restart, never used again."""
    for _ in range(5):
        await harness.deliver(PLAIN)
    first = await _ids(harness)
    assert all(_UNIQUE_ID.fullmatch(unique_id) for unique_id in first)
    assert len(set(first)) == 5
    await harness.restart()
    assert await _ids(harness) == first
    maildrop = await _open(harness)
    assert await maildrop.commit([4]) == 1
    await maildrop.release()
    await harness.deliver(PLAIN)
    await harness.restart()
    then = await _ids(harness)
    assert then[:4] == first[:4]
    assert then[4] not in first


# ---- octets -----------------------------------------------------------------------------------------------------


async def octets_agree(harness: Harness) -> None:
    """P1-P10: what is listed is what is sent, in every session, and what is sent is right."""
    for message in NASTY:
        await harness.deliver(message)
    for _ in range(2):
        maildrop = await _open(harness)
        snapshot = await maildrop.list()
        for at, message in enumerate(NASTY):
            wire = await whole(await retrieve(maildrop, at))
            assert wire == wire_form(message), f"message {message[:40]!r} is sent wrongly"
            assert snapshot.octets[at] == octets_of(wire), f"message {message[:40]!r} is listed wrongly"
        assert snapshot.total == sum(snapshot.octets)
        await maildrop.release()
        await harness.restart()


async def slices_join(harness: Harness) -> None:
    """A body read in odd slices is the body; a slice past the end is empty."""
    await harness.deliver(PLAIN)
    await harness.deliver(NASTY[8])
    maildrop = await _open(harness)
    for at in range(2):
        full = await maildrop.read(at, 0, 1 << 20)
        assert full.end
        for step in (1, 2, 3, 7):
            octets, start, end = b"", 0, False
            while not end:
                piece = await maildrop.read(at, start, start + step)
                octets, start, end = octets + piece.data, start + len(piece.data), piece.end
            assert octets == full.data
        past = await maildrop.read(at, len(full.data) + 5, len(full.data) + 9)
        assert past.end
        assert not past.data
        if full.form is Form.STORED:
            assert full.facts.size == len(full.data)
    await maildrop.release()


async def top_is_cut_right(harness: Harness) -> None:
    """P8, P9: the whole header, the empty line, n lines; all of a message that is shorter or has no empty line."""
    for message in NASTY:
        await harness.deliver(message)
    maildrop = await _open(harness)
    for at, message in enumerate(NASTY):
        wire = wire_form(message)
        head, blank, body = (b"", b"\r\n", wire[2:]) if wire[:2] == b"\r\n" else wire.partition(b"\r\n\r\n")
        lines = body.splitlines(keepends=True) if body.count(b"\r\n") < 1000 else re.findall(rb"[^\n]*\n", body)
        for count in (0, 1, 2, 5, 1_000_000):
            expected = head + blank + b"".join(lines[:count]) if blank else wire
            assert await whole(await top(maildrop, at, count)) == expected, (message[:40], count)
    await maildrop.release()


async def surrogates_are_ascii(harness: Harness) -> None:
    """P13: without UTF8 the header is ASCII and the octets are those of what is sent; with it nothing is changed."""
    await harness.deliver(UTF8)
    for utf8 in (True, False, True):
        maildrop = await _open(harness, utf8=utf8)
        assert maildrop.utf8 is utf8
        wire = await whole(await retrieve(maildrop, 0))
        snapshot = await maildrop.list()
        assert snapshot.octets[0] == snapshot.total == octets_of(wire)
        header, _, body = wire.partition(b"\r\n\r\n")
        assert body == "..Körper\r\n".encode()
        assert header.isascii() is not utf8
        assert await whole(await top(maildrop, 0, 0)) == header + b"\r\n\r\n"
        assert not utf8 or wire == wire_form(UTF8)
        await maildrop.release()


# ---- UPDATE -----------------------------------------------------------------------------------------------------


async def commit_removes_exactly(harness: Harness) -> None:
    """P21: the marked messages are gone for good, the others are not; repeating it gives the first result."""
    await _deliver(harness, 6)
    ids = await _ids(harness)
    maildrop = await _open(harness)
    assert await maildrop.commit({1, 4}) == 2
    assert await maildrop.commit({1, 4}) == 2
    await maildrop.release()
    assert await maildrop.commit({1, 4}) == 2
    await harness.restart()
    assert await _ids(harness) == [ids[0], ids[2], ids[3], ids[5]]


async def commit_of_all(harness: Harness) -> None:
    """A maildrop can be emptied, and used again."""
    await _deliver(harness, 40)
    maildrop = await _open(harness)
    assert await maildrop.commit(range(40), range(40)) == 40
    await maildrop.release()
    assert await _ids(harness) == []
    await harness.deliver(PLAIN)
    assert len(await _ids(harness)) == 1


async def release_deletes_nothing(harness: Harness) -> None:
    """P21: without commit nothing is removed, and after release nothing can be."""
    await _deliver(harness, 3)
    maildrop = await _open(harness)
    await whole(await retrieve(maildrop, 0))
    await maildrop.release()
    await _raised(MaildropError, maildrop.commit({0}), "a session that gave its lease back could delete")
    await harness.restart()
    assert len(await _ids(harness)) == 3


async def removed_by_another(harness: Harness) -> None:
    """P19: it stays listed, cannot be read, and counts as gone."""
    await _deliver(harness, 3)
    maildrop = await _open(harness)
    ids = list((await maildrop.list()).unique_ids)
    await harness.remove(ids[1])
    for read in (retrieve(maildrop, 1), top(maildrop, 1, 0)):
        gone = await _raised(MessageGone, read, "a message that is gone could be read")
        assert gone.index == 1
        assert gone.reason
    assert await whole(await retrieve(maildrop, 2))
    assert await maildrop.commit({1, 2}) == 2
    await maildrop.release()
    assert await _ids(harness) == [ids[0]]


async def read_only_session(harness: Harness) -> None:
    """P25: a session that may not delete is refused, not ignored; it may read."""
    await harness.deliver(PLAIN)
    maildrop = await _open(harness, read_only=True)
    assert maildrop.read_only
    assert await whole(await retrieve(maildrop, 0)) == wire_form(PLAIN)
    await _raised(ReadOnly, maildrop.commit({0}), "a read-only session could delete")
    assert await maildrop.commit(()) == 0
    await maildrop.release()
    assert len(await _ids(harness)) == 1


async def write_protected_maildrop(harness: Harness) -> None:
    """P25: where nothing can be changed, mail can be read and nothing is lost."""
    await _deliver(harness, 2)
    if not await harness.write_protect():
        return
    for _ in range(2):
        maildrop = await _open(harness)
        assert maildrop.read_only
        assert (await maildrop.list()).count == 2
        assert await whole(await retrieve(maildrop, 1))
        await _raised(ReadOnly, maildrop.commit({0}), "a write-protected maildrop could be changed")
        await maildrop.release()


async def many_messages(harness: Harness) -> None:
    """Two thousand messages: listed, read here and there, removed in part."""
    await _deliver(harness, 2000)
    maildrop = await _open(harness)
    snapshot = await maildrop.list()
    ids = list(snapshot.unique_ids)
    assert snapshot.count == len(set(ids)) == 2000
    for at in (0, 1, 999, 1999):
        wire = await whole(await retrieve(maildrop, at))
        assert b"body %d\r\n" % at in wire
        assert len(wire) == snapshot.octets[at]
    assert await maildrop.commit(range(0, 2000, 2)) == 1000
    await maildrop.release()
    await harness.restart()
    assert await _ids(harness) == ids[1::2]


CHECKS: tuple[Check, ...] = (
    lease_is_exclusive,
    one_of_many_gets_the_lease,
    release_is_repeatable,
    empty_maildrop,
    snapshot_is_fixed,
    deliveries_keep_their_order,
    unique_ids_are_safe,
    octets_agree,
    slices_join,
    top_is_cut_right,
    surrogates_are_ascii,
    commit_removes_exactly,
    commit_of_all,
    release_deletes_nothing,
    removed_by_another,
    read_only_session,
    write_protected_maildrop,
    many_messages,
)
"""Every check, each to be run with a fresh `Harness`."""
