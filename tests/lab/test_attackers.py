"""Each attack does what the goals table says, and attackers act on what they hear."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.lab.small import small

from pillarbox.lab.attackers import ATTACKS, Attacker, Heard
from pillarbox.lab.race import Ground
from pillarbox.lab.traffic import DAY, Guess


def made(attackers: list[Attacker], heard: Heard = Heard.WRONG, most: int = 100_000) -> list[Guess]:
    """All guesses, each answered at once with the same."""
    found: list[Guess] = []
    for attacker in attackers:
        guess = next(attacker, None)
        while guess is not None and len(found) < most:
            found.append(guess)
            try:
                guess = attacker.send((heard, guess.when + 0.1))
            except StopIteration:
                break
    return sorted(found)


@pytest.fixture(scope="module")
def ground() -> Ground:
    return Ground(1, small())


def guesses(ground: Ground, name: str, **more: Any) -> list[Guess]:
    return made(ATTACKS[name](ground.stage), **more)


@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "none"])
def test_an_attack_follows_from_its_seed_and_stays_within_its_day(ground: Ground, name: str) -> None:
    found = guesses(ground, name, most=2000)
    assert found == guesses(ground, name, most=2000)
    assert ground.stage.start <= found[0].when
    assert found[-1].when < ground.stage.start + DAY + 60


def test_one_account_from_one_address_or_from_many(ground: Ground) -> None:
    single, many = guesses(ground, "single", most=500), guesses(ground, "distributed")
    assert {one.account for one in single} == {one.account for one in many} == {ground.stage.target}
    assert len({one.address for one in single}) == 1
    assert len({one.address for one in many}) == 300
    assert len({one.secret for one in single}) == len(single)
    assert len({one.secret for one in many}) == len(many)


def test_a_dropped_guess_is_made_again_and_a_hidden_refusal_costs_it(ground: Ground) -> None:
    dropped = guesses(ground, "single", heard=Heard.DROPPED)
    assert len({one.secret for one in dropped}) == 16  # one for each connection, again and again
    assert len(dropped) > 16
    assert {one.secret for one in guesses(ground, "distributed", heard=Heard.DROPPED)} == {1}


def test_sprays_try_one_password_on_every_account(ground: Ground) -> None:
    quick, slow = guesses(ground, "spray"), guesses(ground, "slow-spray")
    assert {one.secret for one in quick} == {one.secret for one in slow} == {1}
    assert len({one.account for one in quick}) == 200
    assert len({one.address for one in quick}) == 1
    assert max(Counter(one.address for one in slow).values()) == 1
    assert quick[-1].when - quick[0].when < 60
    assert slow[-1].when - slow[0].when > DAY * 0.9


def test_stuffing_has_some_valid_pairs_and_none_where_app_passwords_are_used() -> None:
    stage = Ground(1, small(attack__stuffing__pairs=3000)).stage
    found = made(ATTACKS["stuffing"](stage))
    assert len({one.address for one in found}) == 3000
    assert 10 < sum(one.right for one in found) < 60
    assert 750 < sum(one.account < 0 for one in found) < 1050
    assert not any(one.right for one in made(ATTACKS["stuffing-app"](stage)))


def test_carrier_nat_attackers_sit_among_the_users(ground: Ground) -> None:
    pool = set(ground.population.carrier_pool(0))
    found = guesses(ground, "carrier-nat")
    assert {one.address for one in found} <= pool
    assert len(found) > 20_000
    users = {one.address for one, _ in ground.traffic("carrier-nat") if one.account >= 0}
    assert users & {one.address for one in found}


def test_the_flood_is_a_flood(ground: Ground) -> None:
    found = guesses(ground, "flood")
    assert len(found) == 300
    assert found[-1].when - found[0].when < 1
    assert not any(one.right for one in found)


def test_nobody_attacks_in_quiet_days(ground: Ground) -> None:
    assert ATTACKS["none"](ground.stage) == []
