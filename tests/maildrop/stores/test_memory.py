"""The memory store keeps the whole promise (but durability)."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.maildrop.stores.memory import MemoryStore
from pillarbox.testing import store_kit


class MemoryHarness:
    def __init__(self) -> None:
        self.store = MemoryStore(clock=lambda: 1000.0)
        self.maildrop = "alice"

    async def deliver(self, message: bytes) -> None:
        self.store.deliver(self.maildrop, message)

    async def remove(self, unique_id: bytes) -> None:
        self.store.remove(self.maildrop, unique_id)

    async def restart(self) -> None:
        """Memory does not survive one."""

    async def write_protect(self) -> bool:
        self.store.write_protect(self.maildrop)
        return True


@pytest.mark.parametrize("check", store_kit.CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: store_kit.Check) -> None:
    async def run() -> None:
        await check(MemoryHarness())

    asyncio.run(run())


def test_tells_who_holds_it() -> None:
    """P48: the holder's session and the time it began."""

    async def run() -> None:
        store = MemoryStore(clock=lambda: 1234.0)
        held = await store.open("box", "s1")
        assert (held.lease.session, held.lease.since, held.lease.epoch) == ("s1", 1234.0, 1)
        await held.release()
        again = await store.open("box", "s2")
        assert again.lease.epoch == 2

    asyncio.run(run())
