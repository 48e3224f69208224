"""The arithmetic of the comparison: interleaved rounds, samples, ratios and verdicts.

Two rules hold here. The servers take turns in short slices inside every round, in an order that alternates, so that
what disturbs the machine disturbs both. And a round is charged with all the CPU a server used from the end of the
round before to its own end: work put off until the other server's turn is not free.

Pure: no process, no clock, no file. What a slice does is the caller's.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["Goal", "RowResult", "Sample", "Verdict", "compare", "interleave", "per_unit", "sample"]


class Verdict(Enum):
    """What a row's figure says about its goal."""

    PASS = "pass"
    MISSED = "MISSED"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """Bounds, both inclusive, on a row's figure."""

    high: float = math.inf
    low: float = -math.inf

    def judge(self, figure: float) -> Verdict:
        """Whether `figure` is within the bounds."""
        return Verdict.PASS if self.low <= figure <= self.high else Verdict.MISSED

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"≥ {self.low:.3g}"
        return f"≤ {self.high:.3g}" if math.isinf(self.low) else f"{self.low:.3g} – {self.high:.3g}"


@dataclass(frozen=True, slots=True)
class Sample:
    """A median with its quartiles, over `rounds` measurements."""

    median: float
    low: float
    high: float
    rounds: int

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


@dataclass(frozen=True, slots=True)
class RowResult:
    """One line of the table.

    `figure` is what the goal bounds: a ratio of ours to the peer where there is a peer, else a figure of ours alone.
    `ours` and `peer` are in `unit`. `failed` says why a row could not be measured; its other values then mean nothing.
    """

    key: str
    title: str
    unit: str
    ours: Sample | None = None
    peer: Sample | None = None
    figure: Sample | None = None
    goal: Goal | None = None
    yardstick: float | None = None
    note: str = ""
    failed: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether the goal is met; NONE where there is no goal or no figure."""
        if self.goal is None or self.figure is None or self.failed:
            return Verdict.NONE
        return self.goal.judge(self.figure.median)


def sample(values: Sequence[float]) -> Sample:
    """Median and quartiles of at least one value.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("no measurement")
    if len(values) == 1:
        return Sample(values[0], values[0], values[0], 1)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Sample(statistics.median(values), low, high, len(values))


def compare(ours: Sequence[float], peer: Sequence[float]) -> Sample:
    """The ratio ours / peer, taken inside each round and only then summarised.

    Neighbours on the machine slow both servers of a round alike; a ratio of two medians would not cancel that.

    Raises:
        ValueError: the numbers of rounds differ, or a peer's value is not positive.
    """
    if len(ours) != len(peer):
        raise ValueError(f"{len(ours)} rounds against {len(peer)}")
    if any(value <= 0 for value in peer):
        raise ValueError("the peer's figure is not positive: too little work in a round")
    return sample([a / b for a, b in zip(ours, peer, strict=True)])


def per_unit(marks: Sequence[float], units: Sequence[int]) -> list[float]:
    """CPU per unit of work of each round, in the unit of `marks`.

    `marks` are readings of a counter: one before the first round and one at the end of each, so one more than `units`.

    Raises:
        ValueError: a round did no work, or the lengths do not fit.
    """
    if len(marks) != len(units) + 1:
        raise ValueError(f"{len(units)} rounds need {len(units) + 1} readings, not {len(marks)}")
    if any(done <= 0 for done in units):
        raise ValueError("a round without any finished work")
    return [(after - before) / done for before, after, done in zip(marks, marks[1:], units, strict=False)]


def interleave(
    names: Sequence[str],
    work: Callable[[str], int],
    read: Callable[[str], float],
    rounds: int,
) -> Mapping[str, list[float]]:
    """Let the named servers take turns, and return each one's cost per unit of work, round by round.

    `work(name)` runs one slice and returns the units finished; `read(name)` reads that server's running counter.
    """
    marks = {name: [read(name)] for name in names}
    units: dict[str, list[int]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            units[name].append(work(name))
        for name in names:
            marks[name].append(read(name))
    return {name: per_unit(marks[name], units[name]) for name in names}
