"""How fast strangers may come in: a flood of connections from everywhere must not delay those who are at home.

Rules: a place where somebody was let in lately is no stranger, and never waits for this; a stranger that comes too soon
after others is told to come later, at once and at the least cost, before anything is made for the connection. One
worker's own count: what it protects is its own event loop.
Elsewhere: how many connections there may be at all (`gate`), who is at home (`pillarbox.auth.guard`).
"""

from __future__ import annotations

from collections.abc import Callable

STRANGERS = "limits.strangers_per_second"

_TELLS = 1.0
"""Seconds between two events about it: a flood of refusals must not become a flood of events."""


class Pace:
    """A bucket of as many places as may be taken in one second, filled evenly.

    Args:
        per_second: connections of strangers.
        knows: whether somebody was let in from an address lately.
        clock: monotonic seconds.
    """

    def __init__(self, per_second: int, *, knows: Callable[[str], bool], clock: Callable[[], float]) -> None:
        self.knows = knows
        self._per_second = per_second
        self._clock = clock
        self._places = float(per_second)
        self._filled = clock()
        self._told = -_TELLS

    def admits(self) -> bool:
        """Take a place for a stranger, if there is one."""
        now = self._clock()
        self._places = min(self._per_second, self._places + (now - self._filled) * self._per_second)
        self._filled = now
        if self._places < 1:
            return False
        self._places -= 1
        return True

    def tells(self) -> bool:
        """Whether it is time for an event about a stranger that was not let in."""
        now = self._clock()
        if now - self._told < _TELLS:
            return False
        self._told = now
        return True
