"""When which account is fetched: who is due, who has to wait for its server's turn, and how long after a failure. Pure.

Rules: an account never runs twice at the same time; no more run than `parallel`, and no more at one server than
`per_host`; after failures the pause doubles, with a part left to chance, so that a thousand accounts do not come at
once when a server is back. Time comes from the caller, as UTC or monotonic seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_LEAST_CHANCE = 0.5
"""A pause after a failure is between this share of its length and all of it."""

NEVER = float("inf")
"""Seconds between the runs of an account that is to run once only."""

_DOUBLINGS = 30
"""More would only make numbers large: the longest pause comes long before."""


@dataclass(slots=True)
class _Line:
    """One account in the timetable."""

    name: str
    host: str
    every: float
    due: float
    failures: int = 0
    running: bool = False


class Timetable:
    """The accounts, and when each is next.

    Args:
        accounts: name, server and seconds between runs of each.
        now: all of them are due then.
        parallel, per_host: how many may run.
        longest: seconds of the longest pause after failures.
        chance: a random number from 0 to 1.
    """

    def __init__(
        self,
        accounts: Iterable[tuple[str, str, float]],
        now: float,
        *,
        parallel: int,
        per_host: int,
        longest: float,
        chance: Callable[[], float],
    ) -> None:
        self._lines: dict[str, _Line] = {}
        self._chance = chance
        self.replace(accounts, now, parallel=parallel, per_host=per_host, longest=longest)

    def start(self, now: float) -> list[str]:
        """The accounts that begin now, those that have waited longest first; they count as running."""
        at_host = Counter(line.host for line in self._lines.values() if line.running)
        free = self._parallel - at_host.total()
        begun = []
        for line in sorted(self._lines.values(), key=lambda line: line.due):
            if free <= 0 or line.due > now:
                break
            if line.running or at_host[line.host] >= self._per_host:
                continue
            line.running = True
            at_host[line.host] += 1
            free -= 1
            begun.append(line.name)
        return begun

    def replace(
        self,
        accounts: Iterable[tuple[str, str, float]],
        now: float,
        *,
        parallel: int,
        per_host: int,
        longest: float,
    ) -> None:
        """Other accounts and limits from now on. Those that stay are due when they were, or sooner; new ones now.

        An account that runs and is gone counts as running until it has ended.
        """
        before = self._lines
        self._lines = {}
        for name, host, every in accounts:
            line = before.pop(name) if name in before else _Line(name, host, every, now)
            self._lines[name] = line
            line.host, line.every = host, every
            line.due = min(line.due, now + every) if not line.failures else line.due
        for line in before.values():
            if line.running:
                line.every = line.due = NEVER
                self._lines[line.name] = line
        self._parallel, self._per_host, self._longest = parallel, per_host, longest

    def ended(self, name: str, now: float, *, ok: bool) -> float:
        """An account's run has ended; returns in how many seconds it is due again."""
        line = self._lines[name]
        line.running = False
        if line.every == NEVER:
            line.due = NEVER
            return NEVER
        line.failures = 0 if ok else line.failures + 1
        pause = line.every if ok else self._pause(line)
        line.due = now + pause
        return pause

    def hurry(self, now: float) -> None:
        """All that are waiting are due now."""
        for line in self._lines.values():
            line.due = min(line.due, now)

    def next_due(self) -> float | None:
        """When the next account is due that could begin then; None when all run, or wait for others to end."""
        at_host = Counter(line.host for line in self._lines.values() if line.running)
        if at_host.total() >= self._parallel:
            return None
        waiting = (line for line in self._lines.values() if not line.running and at_host[line.host] < self._per_host)
        return min((line.due for line in waiting), default=None)

    @property
    def running(self) -> int:
        """How many run."""
        return sum(line.running for line in self._lines.values())

    def _pause(self, line: _Line) -> float:
        longest = max(self._longest, line.every)
        pause = min(longest, line.every * 2.0 ** min(line.failures - 1, _DOUBLINGS))
        return pause * (_LEAST_CHANCE + (1 - _LEAST_CHANCE) * self._chance())
