"""The race: repeatable, fair, and told apart by what policies do."""

from __future__ import annotations

import math

import pytest
from tests.lab.small import small

from pillarbox.lab.attackers import ATTACKS
from pillarbox.lab.race import Ground, race

POLICIES = ["pillarbox", "none", "fail2ban"]


def test_the_same_seeds_give_the_same_figures() -> None:
    first, second = (race(small(), [1, 2], ["single", "none"], POLICIES) for _ in range(2))
    assert first.estimates == second.estimates
    assert first.seeds == (1, 2)
    pairs = small(attack__stuffing__valid=0.2)
    taken = [race(pairs, seeds, ["stuffing"], ["none"]).estimates for seeds in ([1, 2], [3, 4])]
    assert taken[0] != taken[1]


def test_policies_differ_as_they_must() -> None:
    said: list[str] = []
    results = race(small(), [1], list(ATTACKS), POLICIES, said.append)
    assert len(said) == 3

    def mean(policy: str, measure: str) -> float:
        return results.estimates[policy, measure].mean

    assert math.isinf(mean("none", "single.before"))
    assert mean("none", "flood.hashed") == 1.0
    assert 5 <= mean("fail2ban", "single.before") < 50
    assert mean("pillarbox", "single.before") <= 10
    for policy in POLICIES:
        assert mean(policy, "stuffing-app.takeovers") == 0.0
    assert mean("none", "none.refused") == mean("none", "carrier-nat.refused") == 0.0


def test_policies_see_the_same_traffic_and_attacks_begin_from_the_same_state() -> None:
    ground = Ground(1, small())
    assert ground.traffic("spray") is ground.traffic("single")
    assert ground.traffic("none") is not ground.traffic("single")
    from pillarbox.lab.policies import racers

    racer = racers(small(), 1)["fail2ban"]
    together = ground.race(racer, ["single", "spray"])
    alone = ground.race(racer, ["spray"])
    assert together["spray"] == alone["spray"]


def test_a_name_nobody_has() -> None:
    with pytest.raises(KeyError):
        race(small(), [1], ["none"], ["nobody"])
