"""The kit must find a broken store: each of these breaks one promise."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from pillarbox.maildrop.errors import MaildropError
from pillarbox.maildrop.maildrop import Piece
from pillarbox.maildrop.stores.memory import MemoryMaildrop, MemoryStore
from pillarbox.testing import store_kit


class Harness:
    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.maildrop = "box"

    async def deliver(self, message: bytes) -> None:
        self.store.deliver(self.maildrop, message)

    async def remove(self, unique_id: bytes) -> None:
        self.store.remove(self.maildrop, unique_id)

    async def restart(self) -> None:
        pass

    async def write_protect(self) -> bool:
        self.store.write_protect(self.maildrop)
        return True


class Broken(MemoryStore):
    """Opens maildrops that break one promise."""

    kind: type[MemoryMaildrop]

    async def open(self, maildrop: str, session: str, *, utf8: bool = False, read_only: bool = False) -> MemoryMaildrop:
        opened = await super().open(maildrop, session, utf8=utf8, read_only=read_only)
        opened.__class__ = self.kind
        return opened


class KeepsAll(MemoryMaildrop):
    async def commit(self, marked: Collection[int], retrieved: Collection[int] = ()) -> int:
        return len(marked)


class LosesOctet(MemoryMaildrop):
    async def read(self, index: int, start: int, stop: int) -> Piece:
        piece = await super().read(index, start, stop)
        return Piece(piece.data[:-1] if piece.end else piece.data, piece.form, piece.facts, piece.end)


class KeepsLease(MemoryMaildrop):
    async def release(self) -> None:
        pass


class DeletesAtRelease(MemoryMaildrop):
    async def release(self) -> None:
        await self.commit(range(len(self._messages)))
        await super().release()


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (KeepsAll, store_kit.commit_removes_exactly),
        (LosesOctet, store_kit.octets_agree),
        (LosesOctet, store_kit.slices_join),
        (KeepsLease, store_kit.lease_is_exclusive),
        (DeletesAtRelease, store_kit.release_deletes_nothing),
    ],
)
def test_finds_a_broken_store(kind: type[MemoryMaildrop], check: store_kit.Check) -> None:
    async def run() -> None:
        store = Broken(clock=lambda: 1.0)
        store.kind = kind
        await check(Harness(store))

    with pytest.raises((AssertionError, MaildropError)):
        asyncio.run(run())


def test_all_checks_are_listed() -> None:
    """A check that is written but not listed proves nothing."""
    written = {
        name
        for name, value in vars(store_kit).items()
        if asyncio.iscoroutinefunction(value) and value.__module__ == store_kit.__name__ and name[0] != "_"
    }
    assert written - {"whole"} == {check.__name__ for check in store_kit.CHECKS}
