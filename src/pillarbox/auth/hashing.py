"""The bounded pool in which all hashing runs, and who gets its threads.

Rules: hashing never runs on the event loop, never more at once than there are threads, and never waits longer than it
may. Familiar places come first, and some threads are theirs alone, so that an attack from elsewhere delays no owner,
however full it makes the queue. Of all others each address has its turn, one check at a time, so that one that asks
much delays itself. What is refused without hashing waits for its turn like a check, and as long as one takes, and does
nothing: under load it would be told from the wrong otherwise (P42). For the same reason a suspicious place waits where
an unfamiliar one does: whether a place is suspicious may depend on whether the account exists.

The guard is asked once more when a check's turn has come: else many connections at once would have as many guesses
checked, all of them allowed before the first had failed.
Elsewhere: hashes (`passwords`), lanes (`guard.interface`).
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from pillarbox.auth.guard.interface import Lane, Reason
from pillarbox.auth.guard.places import Key, place

T = TypeVar("T")

_WAITING_PER_THREAD = 128
"""Checks that may wait for each thread that takes them: about what a core hashes in three seconds. What comes above is
refused at once: it would wait for nothing, and take memory."""

_NICE = 5
"""By how much hashing gives way to the event loops where cores are short (on Linux each thread has a niceness of its
own): a loop that waits for a core serves nobody."""


class HashingBusy(Exception):
    """There was no free thread within the time a check may wait."""


class Overtaken(Exception):
    """While a check waited for its turn, others failed, and now the guard refuses it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Turn(NamedTuple):
    """Whose turn a check is.

    Attributes:
        lane: the guard's.
        address: the client's, canonical text.
        refused: asks the guard again, when the turn has come.
    """

    lane: Lane
    address: str
    refused: Callable[[], Reason | None] = lambda: None


OWN_WORK = Turn(Lane.UNFAMILIAR, "")
"""What the server does for itself, beside a login: a hash that is renewed."""


class _Waiter(NamedTuple):
    ready: asyncio.Future[None]
    works: bool  # takes a thread when its turn comes


class _Queue:
    """Those who wait: each source's in their order, the sources in turns."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._working = 0
        self._of: OrderedDict[Key, deque[_Waiter]] = OrderedDict()

    @property
    def is_full(self) -> bool:
        return self._working >= self._most

    def put(self, source: Key, waiter: _Waiter) -> None:
        self._working += waiter.works
        self._of.setdefault(source, deque()).append(waiter)

    def take(self, may: Callable[[Key], bool]) -> tuple[Key, _Waiter] | None:
        """The next one of the first source that `may`; the source then goes to the end."""
        source = next((source for source in self._of if may(source)), None)
        if source is None:
            return None
        waiting = self._of.pop(source)
        waiter = waiting.popleft()
        if waiting:
            self._of[source] = waiting
        self._working -= waiter.works
        return source, waiter

    def drop(self, source: Key, waiter: _Waiter) -> None:
        """Forget one who no longer waits, if it still does here."""
        waiting = self._of.get(source)
        if waiting is None or waiter not in waiting:
            return
        waiting.remove(waiter)
        self._working -= waiter.works
        if not waiting:
            del self._of[source]


class HashingPool:
    """Runs blocking checks in a fixed number of threads.

    It may be made before a fork: threads start with the first check. One pool belongs to one event loop.

    Args:
        threads: checks that run at once; memory is this times one hash's.
        wait_seconds: how long a check may wait for a thread.
        reserved: threads that only familiar places use; one is left to the others in any case.
        per_source: checks of one unfamiliar address (IPv6: /64) that run at once.
    """

    def __init__(self, threads: int, wait_seconds: float, *, reserved: int = 0, per_source: int = 4) -> None:
        if threads < 1:
            raise ValueError("a hashing pool needs at least one thread")
        self._threads = threads
        self._for_strangers = max(1, threads - reserved)
        self._per_source = per_source
        self._wait = wait_seconds
        self._running = self._running_strangers = 0
        self._strangers: dict[Key, int] = {}  # their running checks
        self._familiar = _Queue(threads * _WAITING_PER_THREAD)
        self._others = _Queue(self._for_strangers * _WAITING_PER_THREAD)
        self._usual = 0.0  # seconds the last check took
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[], T], turn: Turn) -> T:
        """Run `work` in a thread when its turn comes, and return what it returns; what it raises is raised here.

        Raises:
            HashingBusy: no thread came free in time, or too many checks wait already.
            Overtaken: the guard no longer lets it be checked.
        """
        source = place(turn.address).address
        await self._turn(turn, source, works=True)
        if (reason := turn.refused()) is not None:
            self._free(turn.lane, source)
            raise Overtaken(reason)
        if self._executor is None:
            self._executor = ThreadPoolExecutor(
                self._threads, thread_name_prefix="hashing", initializer=os.nice, initargs=(_NICE,)
            )
        loop = asyncio.get_running_loop()
        begun = loop.time()
        job = self._executor.submit(work)
        done = asyncio.wrap_future(job)
        # The thread is given back when it is free, not when the caller stops waiting: a client that hangs up must not
        # make room for more work than there are threads. And it is given back behind the result, so that the caller
        # has told the guard of it before the next one's turn comes.
        job.add_done_callback(lambda _: _call_on(loop, lambda: self._free(turn.lane, source)))
        result = await done
        self._usual = loop.time() - begun
        return result

    async def skip(self, turn: Turn) -> None:
        """As `run`, for a check whose result is known already: a stranger's waits for its turn, and takes no thread.

        Else a right guess would overtake the wrong ones that were made before it.

        Raises:
            HashingBusy, Overtaken: as for `run`.
        """
        if turn.lane is Lane.FAMILIAR:
            return
        await self.stand_in_line(turn)
        if (reason := turn.refused()) is not None:
            raise Overtaken(reason)

    async def stand_in_line(self, turn: Turn) -> None:
        """Take as long as a check would, and no thread.

        Raises:
            HashingBusy: as for a check.
        """
        await self._turn(turn, place(turn.address).address, works=False)
        await asyncio.sleep(self._usual)

    def close(self) -> None:
        """Let running checks end and stop the threads. Does not wait."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    # ---- turns --------------------------------------------------------------------------------------------------

    async def _turn(self, turn: Turn, source: Key, *, works: bool) -> None:
        if self._has_room(turn.lane) and self._may_start(turn.lane, source):  # then nobody waits who may, too
            if works:
                self._start(turn.lane, source)
            return
        queue = self._familiar if turn.lane is Lane.FAMILIAR else self._others
        if queue.is_full:
            raise HashingBusy
        waiter = _Waiter(asyncio.get_running_loop().create_future(), works)
        queue.put(source, waiter)
        try:
            async with asyncio.timeout(self._wait):
                await waiter.ready
        except BaseException as error:
            queue.drop(source, waiter)
            if waiter.ready.done() and not waiter.ready.cancelled() and works:
                self._free(turn.lane, source)  # its turn came at the very moment it stopped waiting
            if isinstance(error, TimeoutError):
                raise HashingBusy from None
            raise

    def _has_room(self, lane: Lane) -> bool:
        if lane is Lane.FAMILIAR:
            return self._running < self._threads
        return self._running < self._threads and self._running_strangers < self._for_strangers

    def _may_start(self, lane: Lane, source: Key) -> bool:
        return lane is Lane.FAMILIAR or self._strangers.get(source, 0) < self._per_source

    def _start(self, lane: Lane, source: Key) -> None:
        self._running += 1
        if lane is not Lane.FAMILIAR:
            self._running_strangers += 1
            self._strangers[source] = self._strangers.get(source, 0) + 1

    def _free(self, lane: Lane, source: Key) -> None:
        self._running -= 1
        if lane is not Lane.FAMILIAR:
            self._running_strangers -= 1
            self._strangers[source] -= 1
            if not self._strangers[source]:
                del self._strangers[source]
        self._call(self._familiar, Lane.FAMILIAR)
        self._call(self._others, Lane.UNFAMILIAR)

    def _call(self, queue: _Queue, lane: Lane) -> None:
        """Call all whose turn it is now."""
        while self._has_room(lane):
            found = queue.take(lambda source: self._may_start(lane, source))
            if found is None:
                return
            source, waiter = found
            if waiter.ready.done():  # it no longer waits, and has not said so yet
                continue
            if waiter.works:
                self._start(lane, source)
            waiter.ready.set_result(None)


def _call_on(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:  # the loop was closed while the thread still hashed: nobody is left to tell
        pass
