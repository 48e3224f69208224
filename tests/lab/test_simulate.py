"""The loop: order of time, who is told what, and what attackers hear."""

from __future__ import annotations

import pytest
from tests.lab.small import Fixed

from pillarbox.lab.attackers import Attacker, Heard
from pillarbox.lab.policy import DROP, HIDE, PASS, Ruling
from pillarbox.lab.simulate import Familiar, arrivals, run
from pillarbox.lab.traffic import DAY, Guess, SignIn


def sign_in(when: float, *, right: bool = True, address: str = "80.0.0.1", weight: float = 2.0) -> SignIn:
    return SignIn(when, 0, address, 5, right, weight)


def listener(heard: list[tuple[Heard, float]], *, right: bool = False) -> Attacker:
    when = 10.0
    for _ in range(3):
        answer = yield Guess(when, "user00000@example.org", 0, "23.0.0.1", 5 if right else 6, right)
        heard.append(answer)
        when = answer[1]


@pytest.mark.parametrize(
    ("ruling", "right", "answer"),
    [
        (PASS, False, (Heard.WRONG, 11.0)),
        (PASS, True, (Heard.IN, 10.0)),
        (Ruling(penalty=4.0), True, (Heard.IN, 14.0)),
        (Ruling(penalty=4.0), False, (Heard.WRONG, 15.0)),
        (HIDE, True, (Heard.WRONG, 11.0)),
        (DROP, True, (Heard.DROPPED, 10.0)),
    ],
)
def test_attackers_hear_what_a_server_shows(ruling: Ruling, right: bool, answer: tuple[Heard, float]) -> None:
    heard: list[tuple[Heard, float]] = []
    outcome = run(Fixed(ruling), [], [listener(heard, right=right)], Familiar(30))
    assert heard[0] == answer
    assert len(outcome.tried) == 3
    assert [tried.refused for tried in outcome.tried] == [ruling.refused] * 3


def test_everybody_is_served_in_order_of_time_and_told_what_was_checked() -> None:
    policy = Fixed(PASS)
    traffic = arrivals([sign_in(9.0), sign_in(10.5, right=False), sign_in(30.0)])
    run(policy, traffic, [listener([]), listener([])], Familiar(30))
    times = [asked.when for asked, _ in policy.told]
    assert times == sorted(times)
    assert [succeeded for asked, succeeded in policy.told if asked.address == "80.0.0.1"] == [True, False, True]
    policy = Fixed(HIDE)
    run(policy, traffic, [listener([])], Familiar(30))
    assert policy.told == []


def test_refusals_count_by_weight_and_wrong_passwords_are_nobodys_refusal() -> None:
    traffic = arrivals([sign_in(1.0), sign_in(2.0, right=False), sign_in(3.0, weight=5.0)])
    outcome = run(Fixed(HIDE), traffic, [], Familiar(30))
    assert outcome.sessions == 7.0
    assert [one.sign_in.weight for one in outcome.refused] == [2.0, 5.0]
    outcome = run(Fixed(Ruling(penalty=3.0)), traffic, [], Familiar(30))
    assert (outcome.delayed, outcome.refused) == (7.0, [])


def test_an_origin_is_familiar_once_its_owner_was_let_in() -> None:
    familiar = Familiar(30)
    run(Fixed(PASS), arrivals([sign_in(1.0)]), [], familiar)
    later = familiar.copy()
    outcome = run(Fixed(HIDE), arrivals([sign_in(2.0), sign_in(3.0, address="80.0.0.2")]), [], later)
    assert [one.familiar for one in outcome.refused] == [True, False]
    assert outcome.familiar_sessions == 2.0
    outcome = run(Fixed(HIDE), arrivals([sign_in(31 * DAY)]), [], familiar.copy())
    assert [one.familiar for one in outcome.refused] == [False]
