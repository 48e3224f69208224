"""The scripted server's store keeps the promise of every store, and a record beside it."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.maildrop.maildrop import Store
from pillarbox.testing.shelf import Shelf
from pillarbox.testing.store_kit import CHECKS, Check


class ShelfHarness:
    """The shelf has no disk to protect; its lock ends with the process."""

    def __init__(self) -> None:
        self.shelf = Shelf(clock=lambda: 1000.0, hides_retrieved=False, recent_prefix="")
        self.store: Store = self.shelf
        self.maildrop = "ada"

    async def deliver(self, message: bytes) -> None:
        self.shelf.add("ada", message)

    async def remove(self, unique_id: bytes) -> None:
        self.shelf.remove("ada", unique_id)

    async def write_protect(self) -> bool:
        return False

    async def restart(self) -> None:
        pass


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_promise(check: Check) -> None:
    asyncio.run(check(ShelfHarness()))


def test_the_record_and_hiding() -> None:
    async def go(shelf: Shelf) -> None:
        first = await shelf.open("ada", "1")
        assert await first.commit([2], [0]) == 1
        await first.release()
        assert [message.unique_id for message in shelf.deleted] == [b"own"]
        second = await shelf.open("ada", "2")
        assert list((await second.list()).unique_ids) == [b"m2"]
        await second.release()
        third = await shelf.open("recent:ada", "3")
        assert list((await third.list()).unique_ids) == [b"m1", b"m2"]
        assert await third.commit([0]) == 0
        await third.release()
        assert len(shelf.messages("ada")) == 2

    shelf = Shelf(clock=lambda: 1.0, hides_retrieved=True, recent_prefix="recent:")
    shelf.add("ada", b"one")
    shelf.add("ada", b"two")
    assert shelf.add("ada", b"three", b"own") == b"own"
    asyncio.run(go(shelf))
