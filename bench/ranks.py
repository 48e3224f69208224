"""The statistics of enumeration: how well the time of an answer tells two kinds of failure apart.

The AUC of a pair is the chance that an answer of the second kind took longer than one of the first: 0.5 tells nothing.
Its interval is DeLong's, from the variance of the placements; no distribution is assumed. Pure.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

__all__ = ["Area", "area", "pairs", "spread", "worst"]

_NORMAL = 1.959963984540054  # two-sided 95 %


@dataclass(frozen=True, slots=True)
class Area:
    """An AUC with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def distance(self) -> float:
        """How far it is from telling nothing."""
        return abs(self.value - 0.5)


def area(first: Sequence[float], second: Sequence[float]) -> Area:
    """The AUC of two samples; ties count one half.

    Raises:
        ValueError: a sample has fewer than two values.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("an interval needs at least two values of each kind")
    below = _placements(second, sorted(first))
    above = _placements(first, sorted(second))
    value = statistics.fmean(below)
    error = math.sqrt(statistics.variance(above) / len(above) + statistics.variance(below) / len(below))
    return Area(value, value - _NORMAL * error, value + _NORMAL * error)


def _placements(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """For each value the share of the others (sorted) that are smaller."""
    return [(bisect_left(others, value) + bisect_right(others, value)) / 2 / len(others) for value in values]


def pairs(samples: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], Area]:
    """The AUC of every pair of kinds."""
    return {(one, other): area(samples[one], samples[other]) for one, other in combinations(samples, 2)}


def spread(samples: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """How far each value is from the median of all: tells kinds apart that differ in regularity only."""
    middle = statistics.median([value for values in samples.values() for value in values])
    return {kind: [abs(value - middle) for value in values] for kind, values in samples.items()}


def worst(areas: Mapping[tuple[str, str], Area]) -> tuple[tuple[str, str], Area]:
    """The pair that is told apart best."""
    return max(areas.items(), key=lambda item: item[1].distance)
