"""Ours is the server's engine; rivals are named and made afresh."""

from __future__ import annotations

import copy

import pytest
from tests.lab.small import asked

from pillarbox.lab.parameters import load, rivals
from pillarbox.lab.policies import OURS, racers, rival


def test_all_rivals_race_with_their_defaults() -> None:
    found = racers(load(), 1)
    assert next(iter(found)) == OURS
    assert {"none", *rivals()} <= set(found)
    assert all(found[key].setting == one.default for key, one in rivals().items())
    assert len({one.label for one in found.values()}) == len(found)


def test_each_race_gets_a_policy_of_its_own() -> None:
    for racer in racers(load(), 1).values():
        first, second = racer.make(), racer.make()
        for turn in range(300):
            one = asked(tag=turn, when=1e9 + turn)
            if not first.before(one).refused:
                first.after(one, False)
        assert not second.before(asked(when=1e9 + 300)).refused, racer.key


def test_a_copy_learns_on_its_own() -> None:
    policy = racers(load(), 1)[OURS].make()
    other = copy.deepcopy(policy)
    for turn in range(300):
        one = asked(tag=turn, when=1e9 + turn)
        if not policy.before(one).refused:
            policy.after(one, False)
    assert policy.before(asked(tag=301, when=1e9 + 300)).refused
    assert not other.before(asked(tag=301, when=1e9 + 300)).refused


def test_ours_refuses_guesses_and_not_the_familiar_owner() -> None:
    policy = racers(load(), 1)[OURS].make()
    home = asked(address="80.0.0.1", tag=500, when=1e9)
    assert not policy.before(home).refused
    policy.after(home, True)
    let_pass = 0
    for turn in range(300):
        one = asked(tag=turn, when=1e9 + 10 + turn)
        if not policy.before(one).refused:
            let_pass += 1
            policy.after(one, False)
    assert let_pass <= 10
    assert not policy.before(home._replace(when=1e9 + 400)).refused


def test_a_rival_nobody_knows() -> None:
    with pytest.raises(KeyError):
        rival("nobody", {}, load())
