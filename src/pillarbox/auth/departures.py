"""When refusals leave: at a quantised deadline, together with others, in an order that tells nothing (P42).

Rules: what a refusal took before its deadline is not in the moment it leaves. For that a deadline counts from the
attempt's arrival, is a whole number of steps later, and then moves to the next tick of the clock: timers of event loops
are as coarse as a millisecond, and one set after 25 ms of hashing ends otherwise than one set at once. All that are due
at a tick leave at it, shuffled: the order in which they were set would tell what was checked and what was not.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

TICK = 0.01
"""Seconds between the moments at which refusals leave: a whole number of milliseconds, and far more than what happens
between a command's arrival and its deadline being known."""

_LITTLE = 1e-6
"""Of a step or tick: what floating point may add to an exact quotient. 1.0 / 0.1 must be 10 steps, not 11."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long refusals of credentials are held.

    Attributes:
        delay: seconds from the attempt's arrival, at the earliest.
        step: seconds; the answer comes at a whole multiple of it.
    """

    delay: float
    step: float

    def deadline(self, elapsed: float, penalty: float = 0.0) -> float:
        """Seconds after the arrival at which a refusal leaves that was decided after `elapsed` seconds."""
        return math.ceil(max(self.delay + penalty, elapsed) / self.step - _LITTLE) * self.step


class Departures:
    """Holds refusals until they may leave. For one event loop.

    Args:
        timing: of the deadlines.
        clock: monotonic seconds.
        sleep: waits so many seconds.
        shuffle: brings a list into an order that nobody can foresee.
    """

    def __init__(
        self,
        timing: Timing,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        shuffle: Callable[[list[asyncio.Future[None]]], None],
    ) -> None:
        self._timing = timing
        self._clock = clock
        self._sleep = sleep
        self._shuffle = shuffle
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        self._ticks: set[asyncio.Task[None]] = set()

    async def wait(self, arrival: float, penalty: float) -> None:
        """Return when a refusal that is decided now may leave.

        Args:
            arrival: when its attempt came, by the clock.
            penalty: seconds to hold it longer.
        """
        due = arrival + self._timing.deadline(self._clock() - arrival, penalty)
        tick = math.ceil(due / TICK - _LITTLE)
        waiting = self._waiting.get(tick)
        if waiting is None:
            waiting = self._waiting[tick] = []
            task = asyncio.ensure_future(self._leave(tick))
            self._ticks.add(task)
            task.add_done_callback(self._ticks.discard)
        leaves = asyncio.get_running_loop().create_future()
        waiting.append(leaves)
        await leaves

    async def _leave(self, tick: int) -> None:
        while (left := tick * TICK - self._clock()) > 0:  # a coarse timer may end early
            await self._sleep(left)
        waiting = self._waiting.pop(tick)
        self._shuffle(waiting)
        for leaves in waiting:
            if not leaves.done():  # the connection may have ended
                leaves.set_result(None)
