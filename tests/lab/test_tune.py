"""The search for a rival's best: on the tuning seeds, by goals met first."""

from __future__ import annotations

import math

import pytest
from tests.lab.small import small

from pillarbox.lab import tune as tuning
from pillarbox.lab.measure import goals
from pillarbox.lab.parameters import Parameters, rivals
from pillarbox.lab.race import Ground

GOALS = {goal.key: goal for goal in goals(1000)}


def test_a_miss_is_counted_in_orders_of_magnitude() -> None:
    before = GOALS["single.before"]
    assert tuning.miss(before, 10) == 0.0
    assert tuning.miss(before, 1000) == 2.0
    assert tuning.miss(before, math.inf) == 4.0
    assert tuning.miss(GOALS["single.day"], math.inf) == 0.0
    assert 0 < tuning.miss(GOALS["distributed.familiar"], 1) < tuning.miss(GOALS["distributed.familiar"], 100)
    assert 0 < tuning.miss(GOALS["slow-spray.tagged"], 0.5) < tuning.miss(GOALS["slow-spray.tagged"], 0.1)


def test_it_looks_at_the_tuning_seeds_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    class Noted(Ground):
        def __init__(self, seed: int, parameters: Parameters) -> None:
            seeds.append(seed)
            super().__init__(seed, parameters)

    monkeypatch.setattr(tuning, "Ground", Noted)
    said: list[str] = []
    best = tuning.tune(small(), ["single"], ["strikes"], said.append)
    assert seeds == list(small().numbers("seeds.tuning"))
    assert best["strikes"] in rivals()["strikes"].choices()
    assert len(said) == len(rivals()["strikes"].choices())
    assert best["strikes"]["strikes"] <= 10  # more would miss the goal of ten guesses
