"""The bounded pool of hashing threads: who gets them, who waits, who is told to come again.

Threads are held by checks that wait for an event, so that a test says who has run; no test measures time.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from pillarbox.auth.guard.interface import Lane, Reason
from pillarbox.auth.hashing import HashingBusy, HashingPool, Overtaken, Turn

LONG = 60.0
HOME = Turn(Lane.FAMILIAR, "192.0.2.1")
STRANGER = Turn(Lane.UNFAMILIAR, "198.51.100.1")


def stranger(number: int) -> Turn:
    return Turn(Lane.UNFAMILIAR, f"203.0.113.{number}")


class Held:
    """A check that holds its thread until it is let go."""

    def __init__(self, pool: HashingPool, turn: Turn) -> None:
        self._goes = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._begun = asyncio.Event()
        self.task = asyncio.ensure_future(pool.run(self._work, turn))

    def _work(self) -> bool:
        self._loop.call_soon_threadsafe(self._begun.set)
        return self._goes.wait()

    async def runs(self) -> None:
        await self._begun.wait()

    @property
    def has_begun(self) -> bool:
        return self._begun.is_set()

    async def end(self) -> None:
        self._goes.set()
        await self.task

    def let_go(self) -> None:
        self._goes.set()


async def settled() -> None:
    """Let the loop do all it can do by itself."""
    for _ in range(20):
        await asyncio.sleep(0)


def scene(play: Callable[[], Awaitable[None]]) -> None:
    async def played() -> None:
        await play()

    asyncio.run(played())


def test_the_pool_returns_and_raises_what_the_work_does() -> None:
    async def play() -> None:
        pool = HashingPool(1, LONG)
        assert await pool.run(lambda: 6 * 7, STRANGER) == 42
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda: 1 // 0, STRANGER)
        assert await pool.run(lambda: "still works", STRANGER) == "still works"
        pool.close()

    scene(play)


def test_a_check_that_waits_too_long_is_refused_and_leaves_nothing_behind() -> None:
    async def play() -> None:
        pool = HashingPool(1, 0.01)
        held = Held(pool, STRANGER)
        await held.runs()
        for turn in (STRANGER, stranger(1), HOME):
            with pytest.raises(HashingBusy):
                await pool.run(lambda: True, turn)
        with pytest.raises(HashingBusy):
            await pool.stand_in_line(stranger(2))
        await held.end()
        await settled()
        assert await pool.run(lambda: True, STRANGER)
        pool.close()

    scene(play)


def test_the_queues_are_bounded_each_for_itself() -> None:
    """A queue that strangers have filled refuses no one at home."""

    async def play() -> None:
        pool = HashingPool(1, LONG)
        held = Held(pool, STRANGER)
        await held.runs()
        waiting = [asyncio.ensure_future(pool.run(lambda: True, stranger(number % 200))) for number in range(1000)]
        await settled()
        refused = [task for task in waiting if task.done()]
        assert len(refused) == 1000 - 128
        assert all(isinstance(task.exception(), HashingBusy) for task in refused)
        with pytest.raises(HashingBusy):
            await pool.stand_in_line(stranger(7))
        owner = asyncio.ensure_future(pool.run(lambda: True, HOME))
        await settled()
        assert not owner.done()
        await held.end()
        assert await owner
        assert all(await asyncio.gather(*(task for task in waiting if task not in refused)))
        pool.close()

    scene(play)


def test_reserved_threads_are_for_familiar_places_alone() -> None:
    """Threads are reserved: strangers leave them alone even when nobody else wants them."""

    async def play() -> None:
        pool = HashingPool(3, LONG, reserved=2)
        first, second = Held(pool, stranger(1)), Held(pool, stranger(2))
        await first.runs()
        owners = [Held(pool, HOME), Held(pool, HOME)]
        for owner in owners:
            await owner.runs()
        assert not second.has_begun
        await owners[0].end()  # its thread is not for strangers
        await settled()
        assert not second.has_begun
        await first.end()
        await second.runs()
        await second.end()
        await owners[1].end()
        pool.close()

    scene(play)


def test_familiar_places_may_use_all_threads_and_come_first() -> None:
    async def play() -> None:
        pool = HashingPool(2, LONG, reserved=1)
        owners = [Held(pool, HOME), Held(pool, HOME)]
        for owner in owners:
            await owner.runs()
        early = Held(pool, STRANGER)
        await settled()
        late = Held(pool, HOME)
        await settled()
        await owners[0].end()
        await late.runs()
        assert not early.has_begun
        await owners[1].end()
        await early.runs()
        await early.end()
        await late.end()
        pool.close()

    scene(play)


@pytest.mark.parametrize(("threads", "reserved"), [(1, 0), (1, 1), (2, 5)])
def test_one_thread_is_left_for_strangers(threads: int, reserved: int) -> None:
    async def play() -> None:
        pool = HashingPool(threads, LONG, reserved=reserved)
        assert await pool.run(lambda: True, STRANGER)
        pool.close()

    scene(play)


def test_one_address_runs_no_more_than_its_share() -> None:
    async def play() -> None:
        pool = HashingPool(8, LONG, per_source=2)
        greedy = [Held(pool, STRANGER) for _ in range(3)]
        await greedy[1].runs()
        other = Held(pool, stranger(9))
        await other.runs()
        await settled()
        assert [one.has_begun for one in greedy] == [True, True, False]
        await greedy[0].end()
        await greedy[2].runs()
        for one in (*greedy[1:], other):
            await one.end()
        pool.close()

    scene(play)


def test_an_ipv6_network_is_one_address() -> None:
    async def play() -> None:
        pool = HashingPool(2, LONG, per_source=1)
        first = Held(pool, Turn(Lane.UNFAMILIAR, "2001:db8:1:2::1"))
        await first.runs()
        second = Held(pool, Turn(Lane.UNFAMILIAR, "2001:db8:1:2::ffff"))
        other = Held(pool, Turn(Lane.UNFAMILIAR, "2001:db8:1:3::1"))
        await other.runs()
        await settled()
        assert not second.has_begun
        await first.end()
        await second.runs()
        await second.end()
        await other.end()
        pool.close()

    scene(play)


def test_addresses_take_turns() -> None:
    """One that asks much delays itself, and nobody else."""

    async def play() -> None:
        pool = HashingPool(1, LONG)
        held = Held(pool, STRANGER)
        await held.runs()
        order: list[str] = []

        async def ask(name: str, turn: Turn) -> None:
            await pool.run(lambda: True, turn)
            order.append(name)

        asked = [asyncio.ensure_future(ask(f"greedy {number}", stranger(1))) for number in range(3)]
        await settled()
        asked += [asyncio.ensure_future(ask(f"other {number}", stranger(number + 2))) for number in range(2)]
        await settled()
        await held.end()
        await asyncio.gather(*asked)
        assert order == ["greedy 0", "other 0", "other 1", "greedy 1", "greedy 2"]
        pool.close()

    scene(play)


def test_a_suspicious_place_waits_where_an_unfamiliar_one_does() -> None:
    """P42: a place may be suspicious because the account does not exist."""

    async def play() -> None:
        pool = HashingPool(1, LONG)
        held = Held(pool, STRANGER)
        await held.runs()
        order: list[str] = []

        async def ask(turn: Turn) -> None:
            await pool.run(lambda: True, turn)
            order.append(turn.lane.value)

        first = asyncio.ensure_future(ask(Turn(Lane.SUSPICIOUS, "203.0.113.1")))
        await settled()
        second = asyncio.ensure_future(ask(stranger(2)))
        await settled()
        await held.end()
        await asyncio.gather(first, second)
        assert order == ["suspicious", "unfamiliar"]
        pool.close()

    scene(play)


def test_the_refused_wait_as_long_as_the_checked_and_take_no_thread() -> None:
    """P42: under load, too, nobody can tell whether a secret was looked at."""

    async def play() -> None:
        pool = HashingPool(1, LONG)
        await pool.stand_in_line(STRANGER)  # a thread is free: nothing to wait for
        held = Held(pool, STRANGER)
        await held.runs()
        before = Held(pool, stranger(1))
        await settled()
        refused = [asyncio.ensure_future(pool.stand_in_line(stranger(number))) for number in range(2, 500)]
        await settled()
        behind = Held(pool, stranger(255))
        await settled()
        await held.end()
        await before.runs()
        await settled()
        assert not any(task.done() for task in refused)
        await before.end()
        await asyncio.gather(*refused)
        await behind.runs()
        await behind.end()
        pool.close()

    scene(play)


def test_clients_that_hang_up_do_not_make_room_for_more_threads() -> None:
    async def play() -> None:
        pool = HashingPool(1, LONG)
        held = Held(pool, STRANGER)
        await held.runs()
        held.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await held.task
        waiting = Held(pool, stranger(1))
        await settled()
        assert not waiting.has_begun  # the thread is still busy
        held.let_go()
        await waiting.runs()
        await waiting.end()
        pool.close()

    scene(play)


def test_one_that_gives_up_while_it_waits_gives_its_turn_to_the_next() -> None:
    async def play() -> None:
        pool = HashingPool(1, LONG)
        held = Held(pool, STRANGER)
        await held.runs()
        gone = [Held(pool, stranger(1)), Held(pool, HOME)]
        await settled()
        waiting = Held(pool, stranger(2))
        await settled()
        for one in gone:
            one.task.cancel()
        await asyncio.gather(*(one.task for one in gone), return_exceptions=True)
        await held.end()
        await waiting.runs()
        assert not any(one.has_begun for one in gone)
        await waiting.end()
        pool.close()

    scene(play)


def test_one_that_gives_up_when_its_turn_has_just_come_gives_the_thread_back() -> None:
    async def play() -> None:
        leaving: list[Held] = []

        class Pool(HashingPool):
            def _free(self, lane: Lane, source: bytes) -> None:
                super()._free(lane, source)
                for one in leaving:  # its turn has come, and it does not know yet
                    one.task.cancel()

        pool = Pool(1, LONG)
        held = Held(pool, STRANGER)
        await held.runs()
        leaving.append(Held(pool, stranger(1)))
        await settled()
        await held.end()
        await asyncio.gather(leaving[0].task, return_exceptions=True)
        assert await pool.run(lambda: True, stranger(2))
        assert not leaving[0].has_begun
        pool.close()

    scene(play)


def test_a_pool_has_threads() -> None:
    with pytest.raises(ValueError):
        HashingPool(0, 1)


def test_the_guard_is_asked_again_when_the_turn_has_come_and_the_thread_goes_on_to_the_next() -> None:
    async def play() -> None:
        pool = HashingPool(1, LONG)
        told: list[str] = []
        asked = iter([None, Reason.SOURCE, None])

        async def check(name: str) -> None:
            turn = Turn(Lane.UNFAMILIAR, STRANGER.address, lambda: next(asked))
            try:
                await pool.run(lambda: None, turn)
                told.append(name)
            except Overtaken as overtaken:
                told.append(f"{name}: {overtaken.reason.value}")

        await asyncio.gather(*(check(name) for name in ("first", "second", "third")))
        assert told == ["first", f"second: {Reason.SOURCE.value}", "third"]
        pool.close()

    scene(play)


def test_a_caller_tells_of_its_result_before_the_next_ones_turn_comes() -> None:
    """Else the guard would not know of the failure before it lets the next guess be checked."""

    async def play() -> None:
        pool = HashingPool(1, LONG)
        order: list[str] = []

        async def check(name: str) -> None:
            def refused() -> None:
                order.append(f"{name} begins")

            await pool.run(lambda: None, Turn(Lane.UNFAMILIAR, STRANGER.address, refused))
            order.append(f"{name} told")

        for _ in range(20):
            order.clear()
            await asyncio.gather(*(check(name) for name in "abc"))
            assert order == [f"{name} {what}" for name in "abc" for what in ("begins", "told")]
        pool.close()

    scene(play)
