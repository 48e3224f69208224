"""The statistics of enumeration."""

import random

import pytest
from bench.ranks import area, pairs, spread, worst


def test_the_area_is_the_chance_that_the_second_is_larger() -> None:
    assert area([1, 2, 3], [4, 5, 6]).value == 1.0
    assert area([4, 5, 6], [1, 2, 3]).value == 0.0
    assert area([1, 3], [2, 4]).value == 0.75
    assert area([1, 1], [1, 1]).value == 0.5  # ties tell nothing


def test_the_interval_is_delong_s() -> None:
    """Worked by hand: placements of [1, 3] are (1, 0.5), those of [2, 4] are (0.5, 1); each has variance 1/8."""
    found = area([1, 3], [2, 4])
    assert found.high - found.value == pytest.approx(1.959964 * (0.125 / 2 + 0.125 / 2) ** 0.5)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_the_interval_covers_the_truth_in_nineteen_of_twenty() -> None:
    chance = random.Random(7)
    covered = 0
    for _ in range(200):
        found = area(*([chance.gauss(0, 1) for _ in range(60)] for _ in range(2)))
        covered += found.low <= 0.5 <= found.high
    assert 180 <= covered <= 199


def test_too_few_values_are_refused() -> None:
    with pytest.raises(ValueError):
        area([1.0], [1.0, 2.0])


def test_kinds_that_differ_in_regularity_alone_are_told_apart_by_the_spread() -> None:
    samples = {"steady": [9.0, 10.0, 11.0] * 20, "ragged": [0.0, 10.0, 20.0] * 20}
    assert pairs(samples)["steady", "ragged"].value == pytest.approx(0.5)
    (pair, found) = worst(pairs(spread(samples)))
    assert pair == ("steady", "ragged")
    assert found.value > 0.7
