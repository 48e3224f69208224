"""The poller calls back for what it was asked for, and for nothing that was forgotten."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from pillarbox.server.poller import BATCH, BROKEN, IN, OUT, Poller

Test = Callable[[Poller], Awaitable[None]]


def on_a_loop(test: Test, factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> None:
    async def main() -> None:
        poller = Poller(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(30):
                await test(poller)
        finally:
            poller.close()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


class Pair:
    """Two connected sockets; what the poller says about the first one gathers in `seen`."""

    def __init__(self, poller: Poller, events: int = IN) -> None:
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.seen: list[int] = []
        self.came = asyncio.Event()
        self.drain = True
        self._poller = poller
        poller.add(self.here.fileno(), events, self.called)

    def called(self, events: int) -> None:
        self.seen.append(events)
        self.came.set()
        if self.drain and events & IN:
            self.here.recv(100)

    def close(self) -> None:
        self._poller.forget(self.here.fileno())
        self.here.close()
        self.there.close()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_it_calls_when_something_can_be_read(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def test(poller: Poller) -> None:
        one, other = Pair(poller), Pair(poller)
        await turns()
        assert one.seen == []
        one.there.send(b"x")
        await one.came.wait()
        await turns()
        assert (one.seen, other.seen) == ([IN], [])
        one.close()
        other.close()

    on_a_loop(test, factory)


def test_who_does_not_read_is_called_again() -> None:
    async def test(poller: Poller) -> None:
        pair = Pair(poller)
        pair.drain = False
        pair.there.send(b"x")
        for _ in range(3):
            pair.came.clear()
            await pair.came.wait()
        pair.close()

    on_a_loop(test)


def test_what_is_waited_for_can_be_changed() -> None:
    async def test(poller: Poller) -> None:
        pair = Pair(poller, 0)
        pair.there.send(b"x")
        await turns()
        assert pair.seen == []
        poller.change(pair.here.fileno(), OUT)
        await pair.came.wait()
        poller.change(pair.here.fileno(), 0)
        assert set(pair.seen) == {OUT}
        pair.seen.clear()
        await turns()
        assert pair.seen == []
        poller.change(pair.here.fileno(), IN)
        pair.came.clear()
        await pair.came.wait()
        assert pair.seen == [IN]
        pair.close()

    on_a_loop(test)


def test_a_broken_connection_is_told_without_being_asked_for() -> None:
    async def test(poller: Poller) -> None:
        pair = Pair(poller, 0)
        pair.there.close()
        await pair.came.wait()
        assert pair.seen[0] & BROKEN
        assert not pair.seen[0] & (IN | OUT)
        pair.close()

    on_a_loop(test)


def test_a_descriptor_closed_by_another_callback_of_the_same_turn_is_not_called() -> None:
    async def test(poller: Poller) -> None:
        pairs = [Pair(poller) for _ in range(2)]
        calls: list[int] = []

        def close_the_other(mine: int) -> Callable[[int], None]:
            def called(_: int) -> None:
                calls.append(mine)
                pairs[1 - mine].close()
                pairs[mine].here.recv(100)

            return called

        for number, pair in enumerate(pairs):
            poller.remove(pair.here.fileno())
            poller.add(pair.here.fileno(), IN, close_the_other(number))
        for pair in pairs:
            pair.there.send(b"x")
        await turns()
        assert len(calls) == 1
        pairs[calls[0]].close()

    on_a_loop(test)


def test_a_removed_descriptor_stays_open_and_can_come_back() -> None:
    async def test(poller: Poller) -> None:
        pair = Pair(poller)
        poller.remove(pair.here.fileno())
        pair.there.send(b"x")
        await turns()
        assert pair.seen == []
        poller.add(pair.here.fileno(), IN, pair.called)
        await pair.came.wait()
        assert pair.seen == [IN]
        pair.close()

    on_a_loop(test)


def test_the_number_of_a_closed_descriptor_can_be_used_again() -> None:
    async def test(poller: Poller) -> None:
        old = Pair(poller)
        number = old.here.fileno()
        old.close()
        new = Pair(poller)
        assert new.here.fileno() == number
        new.there.send(b"x")
        await new.came.wait()
        assert (old.seen, new.seen) == ([], [IN])
        new.close()

    on_a_loop(test)


def test_more_than_a_batch_is_served_over_several_turns() -> None:
    async def test(poller: Poller) -> None:
        pairs = [Pair(poller) for _ in range(BATCH + 20)]
        for pair in pairs:
            pair.there.send(b"x")
        for pair in pairs:
            await pair.came.wait()
        assert all(pair.seen == [IN] for pair in pairs)
        for pair in pairs:
            pair.close()

    on_a_loop(test)


def test_closing_leaves_the_sockets_open() -> None:
    async def main() -> None:
        poller = Poller(asyncio.get_running_loop())
        pair = Pair(poller)
        poller.close()
        pair.there.send(b"x")
        await turns()
        assert pair.seen == []
        assert pair.here.recv(10) == b"x"
        pair.here.close()
        pair.there.close()

    asyncio.run(main())
