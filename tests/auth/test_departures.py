"""When refusals leave."""

import asyncio
from collections.abc import Callable

import pytest

from pillarbox.auth.departures import TICK, Departures, Timing

TIMING = Timing(1.0, 0.25)


@pytest.mark.parametrize(
    ("elapsed", "leaves"),
    [(0.0, 1.0), (0.999, 1.0), (1.0, 1.0), (1.001, 1.25), (1.25, 1.25), (1.26, 1.5), (2.9, 3.0)],
)
def test_late_refusals_leave_at_the_next_step(elapsed: float, leaves: float) -> None:
    """P42."""
    assert TIMING.deadline(elapsed) == pytest.approx(leaves)


def test_the_base_is_rounded_up_to_whole_steps() -> None:
    assert Timing(1.1, 0.25).deadline(0) == pytest.approx(1.25)
    assert Timing(1.0, 0.1).deadline(0) == pytest.approx(1.0)
    assert Timing(0.3, 0.1).deadline(0) == pytest.approx(0.3)


def test_a_penalty_is_part_of_the_deadline() -> None:
    assert TIMING.deadline(0.02, 0.6) == pytest.approx(1.75)
    assert TIMING.deadline(1.8, 0.6) == pytest.approx(2.0)


class Clock:
    """Time that passes when somebody sleeps; timers that end at whole milliseconds, at times early."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.now = int(self.now * 1000) / 1000 + max(1, round(seconds * 1000)) / 1000


def board(clock: Clock, shuffle: Callable[[list[asyncio.Future[None]]], None] = list.reverse) -> Departures:
    return Departures(TIMING, clock=clock, sleep=clock.sleep, shuffle=shuffle)


@pytest.mark.parametrize("took", [0.0, 0.0001, 0.0004, 0.0251, 0.0256, 0.0999, 0.75, 0.9991])
def test_what_a_refusal_took_is_not_in_the_moment_it_leaves(took: float) -> None:
    """P42: not even in its microseconds, with timers of whole milliseconds."""
    clock = Clock(5000.1234567)

    async def scenario() -> None:
        arrival = clock.now
        clock.now += took
        await board(clock).wait(arrival, 0.0)

    asyncio.run(scenario())
    assert clock.now == pytest.approx(5001.13, abs=1e-9)


def test_it_leaves_at_whole_ticks_and_never_before_its_deadline() -> None:
    for number in range(200):
        clock = Clock(7000.0 + number * 0.00037)
        arrival = clock.now

        async def scenario(clock: Clock = clock, arrival: float = arrival) -> None:
            await board(clock).wait(arrival, 0.0)

        asyncio.run(scenario())
        assert arrival + 1.0 - 1e-6 <= clock.now < arrival + 1.0 + TICK + 0.001
        assert clock.now / TICK == pytest.approx(round(clock.now / TICK), abs=1e-6)


def test_those_that_are_due_together_leave_together_in_the_order_of_the_shuffle() -> None:
    """P42: the order would tell who was hashed before."""
    clock = Clock(100.0)
    order: list[int] = []

    async def scenario() -> None:
        departures = board(clock)

        async def one(number: int) -> None:
            await departures.wait(100.0 - number * 0.0001, 0.0)
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(5)))

    asyncio.run(scenario())
    assert order == [4, 3, 2, 1, 0]
    assert len(clock.slept) == 1


def test_one_that_no_longer_waits_holds_up_nobody() -> None:
    clock = Clock(100.0)

    async def scenario() -> None:
        departures = board(clock)
        gone, stays = (asyncio.ensure_future(departures.wait(100.0, 0.0)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        assert gone.cancelled()

    asyncio.run(scenario())
