"""Counters that decay: what happened lately weighs more than what happened long ago.

Rules: half of a score is gone after one half-life; a clock that steps back neither decays nor renews anything; values
stay finite. What scores mean is decided in `engine`. (Exponential decay as in StopGuessing: Schechter, Tian, Herley.)
"""

from __future__ import annotations

import msgspec


class Decayed(msgspec.Struct, array_like=True):
    """A number that halves every half-life. `at` is the time (UTC seconds) at which `value` was right."""

    value: float = 0.0
    at: float = 0.0

    def now(self, when: float, half_life: float) -> float:
        """The value at `when`."""
        elapsed = when - self.at
        # Below nothing for a clock that stepped back: the value stands as it is.
        return self.value if elapsed <= 0 else self.value * 2.0 ** (-elapsed / half_life)

    def add(self, amount: float, when: float, half_life: float) -> float:
        """Add to it (or take from it, down to 0), and return the new value."""
        self.value = max(0.0, self.now(when, half_life) + amount)
        self.at = when
        return self.value
