"""Many accounts in one process: each in its turn, in a thread of its own, once or for as long as the process lives.

Rules: one account's trouble, a defect included, is that account's alone; asked to stop, no run begins, and those that
are under way end after the messages they have in hand; what cannot be noted is told and stops nothing.

Elsewhere: one run (`run`), who is due (`timetable`), what is noted (`status`), the file of accounts (`accounts_file`).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pillarbox.events import Sink, Warned, internal_error
from pillarbox.fetch.accounts_file import Fetcher, Scheduled
from pillarbox.fetch.errors import FetchError
from pillarbox.fetch.metrics import write_metrics
from pillarbox.fetch.run import run_account
from pillarbox.fetch.settings import ProgressSink, RunResult
from pillarbox.fetch.status import StatusFile
from pillarbox.fetch.timetable import NEVER, Timetable

_MOST_THREADS = 1000
"""As many as `fetch.parallel` can ask for; how many there are is the timetable's decision."""


class Service:
    """Fetches accounts by a timetable.

    Args:
        fetcher: the file's settings.
        accounts: those of its accounts that are fetched.
        events: told of everything noteworthy.
        chance: a random number from 0 to 1.
        progress: called from the accounts' threads.
        ended: called with each result, in the thread that called `once` or `forever`.
        told: called there with a sentence: what is fetched how often, when that begins, changes, and ends.
        ending: called there once, when `stop` was asked for while runs are under way.
        clock: UTC seconds.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        accounts: Sequence[Scheduled],
        *,
        events: Sink,
        chance: Callable[[], float],
        progress: ProgressSink | None = None,
        ended: Callable[[RunResult], None] = lambda result: None,
        told: Callable[[str], None] = lambda text: None,
        ending: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._use(fetcher, accounts)
        self._next: tuple[Fetcher, Sequence[Scheduled]] | None = None
        self._events = events
        self._chance = chance
        self._progress = progress
        self._ended = ended
        self._told = told
        self._ending = ending
        self._asked: Callable[[], None] | None = None
        self._clock = clock
        self._monotonic = monotonic
        self._stop = threading.Event()
        # What the accounts' threads bring; None only wakes the loop.
        self._news: queue.SimpleQueue[RunResult | None] = queue.SimpleQueue()
        self._hurry = False

    def stop(self) -> None:
        """Begin no more runs, end those under way soon. May be called from a signal handler, and from any thread."""
        self._stop.set()
        self._news.put(None)

    def hurry(self) -> None:
        """Fetch all accounts now. May be called from a signal handler, and from any thread."""
        self._hurry = True
        self._news.put(None)

    def soon(self, do: Callable[[], None]) -> None:
        """Have something done in the thread that called `forever`. May be called as `hurry` may."""
        self._asked = do
        self._news.put(None)

    def reload(self, fetcher: Fetcher, accounts: Sequence[Scheduled]) -> None:
        """Go on with these settings; runs under way end with the old ones. May be called as `hurry` may."""
        self._next = fetcher, accounts
        self._news.put(None)

    def once(self) -> list[RunResult]:
        """Run each account once; the results in the order in which they ended."""
        times = self._timetable(NEVER)
        results: list[RunResult] = []
        self._run(times, results, lambda: len(results) == len(self._accounts))
        return results

    def forever(self) -> None:
        """Run accounts by the timetable until `stop`."""
        self._told(self._plan())
        self._run(self._timetable(None), None, lambda: False)
        self._told("fetching has ended")

    # ---- the loop -------------------------------------------------------------------------------------------------

    def _use(self, fetcher: Fetcher, accounts: Sequence[Scheduled]) -> None:
        self._settings = fetcher.settings
        self._accounts = {scheduled.account.name: scheduled for scheduled in accounts}
        self._status = StatusFile(fetcher.state)

    def _plan(self) -> str:
        """`fetching 2 accounts, every 60 to 300 seconds`."""
        count = len(self._accounts)
        pauses = sorted({round(one.every) for one in self._accounts.values()})
        every = (
            f", every {' to '.join(str(pause) for pause in {pauses[0]: 0, pauses[-1]: 0})} seconds" if pauses else ""
        )
        return f"fetching {count} account{'' if count == 1 else 's'}{every}"

    def _lines(self, every: float | None = None) -> list[tuple[str, str, float]]:
        return [(name, one.host, every or one.every) for name, one in self._accounts.items()]

    def _timetable(self, every: float | None) -> Timetable:
        settings = self._settings
        return Timetable(
            self._lines(every),
            self._monotonic(),
            parallel=settings.parallel,
            per_host=settings.per_host,
            longest=settings.backoff_longest,
            chance=self._chance,
        )

    def _run(self, times: Timetable, results: list[RunResult] | None, done: Callable[[], bool]) -> None:
        self._begin()
        ending = False
        with ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="fetch") as pool:
            while not done() and not (self._stop.is_set() and times.running == 0):
                if self._stop.is_set() and not ending:
                    ending = True
                    self._ending()
                if self._asked is not None:
                    asked, self._asked = self._asked, None
                    asked()
                self._take_settings(times)
                if self._hurry:
                    self._hurry = False
                    times.hurry(self._monotonic())
                for name in [] if self._stop.is_set() else times.start(self._monotonic()):
                    pool.submit(self._one, self._accounts[name])
                self._take(times, results)

    def _begin(self) -> None:
        self._note(lambda: self._status.begin(list(self._accounts), self._clock()))

    def _take_settings(self, times: Timetable) -> None:
        if self._next is None:
            return
        (fetcher, accounts), self._next = self._next, None
        self._use(fetcher, accounts)
        settings = fetcher.settings
        times.replace(
            self._lines(), self._monotonic(),
            parallel=settings.parallel, per_host=settings.per_host, longest=settings.backoff_longest,
        )  # fmt: skip
        self._begin()
        self._told(f"the file is taken anew: {self._plan()}")

    def _take(self, times: Timetable, results: list[RunResult] | None) -> None:
        """Wait for news, or until an account is due."""
        due = times.next_due()
        wait = None
        if due is not None and due < NEVER and not self._stop.is_set():
            wait = max(0.0, due - self._monotonic())
        try:
            result = self._news.get(timeout=wait)
        except queue.Empty:
            return
        if result is None:
            return
        times.ended(result.account, self._monotonic(), ok=result.ok)
        self._note(lambda: self._status.note(result, self._clock()))
        self._note(self._write_metrics)
        if results is not None:
            results.append(result)
        self._ended(result)

    def _one(self, scheduled: Scheduled) -> None:
        """One account's run, in a thread of its own."""
        account = scheduled.account
        try:
            result = run_account(
                account, events=self._events, progress=self._progress, stop=self._stop, clock=self._clock
            )
        except Exception as error:  # a defect: one account's, and told
            self._events.emit(internal_error(error))
            result = RunResult(account.name, error=error)
        self._news.put(result)

    def _write_metrics(self) -> None:
        if self._settings.metrics is not None:
            write_metrics(self._settings.metrics, self._status.all().values())

    def _note(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (FetchError, OSError) as error:
            self._events.emit(Warned(about="fetch-status", text=f"not written: {error}"))
