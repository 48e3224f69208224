"""The measures, on outcomes made by hand; means and intervals."""

from __future__ import annotations

import math

import pytest

from pillarbox.lab import measure
from pillarbox.lab.measure import Goal, estimate, goals, t_quantile
from pillarbox.lab.simulate import Outcome, RefusedSession, Tried
from pillarbox.lab.traffic import Guess, SignIn


def tried(
    turn: int, *, refused: bool = False, tagged: bool = False, right: bool = False, secret: int | None = None
) -> Tried:
    secret = turn if secret is None else secret
    return Tried(Guess(float(turn), f"user{turn}", turn, f"23.0.0.{turn}", secret, right), refused, tagged)


def test_guesses_are_counted_once_each_and_up_to_the_first_refusal() -> None:
    one = Tried(Guess(0.0, "anna", 0, "23.0.0.1", 7, False), False, False)
    outcome = Outcome(tried=[one, one, tried(2), tried(3, refused=True, tagged=True), tried(4)])
    assert measure.guesses_before_refusal(outcome) == 2
    assert measure.guesses_verified(outcome) == 3
    assert measure.guesses_before_tag(outcome) == 3
    assert measure.users_before_refusal(outcome) == 2
    assert measure.users_verified(outcome) == 3
    assert measure.seconds_to_tag(outcome) == 3.0
    assert measure.hashed(outcome) == 0.8


def test_what_never_happens_is_infinite() -> None:
    outcome = Outcome(tried=[tried(1), tried(2)])
    counts = (measure.guesses_before_refusal, measure.guesses_before_tag, measure.users_before_refusal)
    assert all(math.isinf(count(outcome)) for count in (*counts, measure.seconds_to_tag, measure.campaign_flagged))
    assert measure.later_tagged(outcome) == 0.0


def test_a_campaign_is_flagged_where_tags_stay() -> None:
    noise = {5, 40}
    outcome = Outcome(tried=[tried(turn, tagged=turn in noise or turn >= 120) for turn in range(400)])
    assert measure.campaign_flagged(outcome) == 121
    assert measure.later_tagged(outcome) == 1.0
    mixed = Outcome(tried=[tried(turn, tagged=turn >= 100 and turn % 4 != 0) for turn in range(1100)])
    assert abs(measure.later_tagged(mixed) - 0.75) < 0.01


def test_takeovers_are_right_passwords_let_in() -> None:
    outcome = Outcome(tried=[tried(1, right=True), tried(2, right=True, refused=True), tried(3), tried(4)])
    assert measure.takeovers(outcome) == 0.25


def test_refusals_of_users_are_shares_of_their_sessions() -> None:
    def refused(account: int, weight: float, *, familiar: bool) -> RefusedSession:
        return RefusedSession(SignIn(0.0, account, "80.0.0.1", 1, True, weight), familiar)

    outcome = Outcome(
        tried=[tried(3)],
        refused=[refused(3, 2.0, familiar=True), refused(3, 1.0, familiar=False), refused(4, 5.0, familiar=True)],
        sessions=100.0,
        familiar_sessions=70.0,
        delayed=10.0,
    )
    assert measure.sessions_refused(outcome) == 0.08
    assert measure.familiar_refused(outcome) == 0.1
    assert measure.sessions_delayed(outcome) == 0.1
    assert measure.owner_refused(outcome) == 3.0
    assert measure.owner_familiar_refused(outcome) == 2.0
    assert measure.users_blocked(1000)(outcome) == 0.002


def test_goals_are_met_from_their_side() -> None:
    found = {goal.key: goal for goal in goals(10_000)}
    assert found["single.before"].met(10)
    assert not found["single.before"].met(11)
    assert not found["single.before"].met(math.inf)
    assert found["slow-spray.tagged"].met(0.95)
    assert not found["slow-spray.tagged"].met(0.89)
    assert found["single.day"].met(math.inf)  # a figure without a goal
    assert len(found) == len(goals(10_000))


@pytest.mark.parametrize(
    ("freedom", "value"), [(1, 12.706), (3, 3.182), (4, 2.776), (9, 2.262), (19, 2.093), (99, 1.984)]
)
def test_student_t(freedom: int, value: float) -> None:
    assert abs(t_quantile(freedom) - value) < 0.01 * value


def test_means_and_intervals() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0])
    assert found.mean == 2.5
    assert abs(found.high - 4.554) < 0.1
    assert estimate([0.0, 0.0, 0.0, 1.0]).low == 0.0
    assert estimate([5.0]).low == estimate([5.0]).high == 5.0
    assert math.isinf(estimate([1.0, math.inf]).mean)


def test_every_goal_names_an_attack() -> None:
    from pillarbox.lab.attackers import ATTACKS

    assert all(isinstance(goal, Goal) and goal.attack in ATTACKS for goal in goals(1))
    assert {goal.attack for goal in goals(1)} == set(ATTACKS)
