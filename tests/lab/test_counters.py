"""The rivals that count at the server do what their own documents say."""

from __future__ import annotations

from tests.lab.small import asked

from pillarbox.lab.counters import DovecotPenalty, NoDefence, Strikes, Weakforced
from pillarbox.lab.parameters import rivals
from pillarbox.lab.policy import HIDE, PASS


def test_no_defence_lets_everything_pass() -> None:
    policy = NoDefence(2.0)
    for turn in range(1000):
        policy.after(asked(tag=turn), False)
    assert policy.before(asked()) is PASS


def test_strikes_lock_the_account_for_everybody() -> None:
    policy = Strikes(2.0, strikes=3, lock=60)
    for turn in range(3):
        assert policy.before(asked(when=turn)) is PASS
        policy.after(asked(when=turn), False)
    assert policy.before(asked(address="80.0.0.1", when=3.0)) is HIDE
    assert policy.before(asked(name="ben", when=3.0)) is PASS
    assert policy.before(asked(when=62.0)) is PASS


def test_a_success_between_strikes_forgets_them() -> None:
    policy = Strikes(2.0, strikes=3, lock=60)
    for turn in range(20):
        policy.after(asked(when=turn), turn % 3 == 2)
    assert policy.before(asked(when=20.0)) is PASS


def test_dovecots_penalty_doubles_from_four_to_fifteen_seconds() -> None:
    policy = DovecotPenalty(2.0, **rivals()["dovecot"].default)
    waits = []
    for turn in range(6):
        waits.append(policy.before(asked(tag=turn, when=0.1 * turn)).penalty)
        policy.after(asked(tag=turn, when=0.1 * turn), False)
    assert waits == [0.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert not policy.before(asked(tag=99, when=1.0)).refused
    # The first step down comes after the longest wait, the next with the one below it.
    assert policy.before(asked(when=0.5 + 14.9)).penalty == 15.0
    assert policy.before(asked(when=0.5 + 15.1)).penalty == 0.0


def test_dovecots_penalty_ends_with_a_success_and_ignores_a_pair_it_knows() -> None:
    policy = DovecotPenalty(2.0, **rivals()["dovecot"].default)
    for turn in range(50):
        policy.after(asked(tag=7, when=float(turn)), False)
    assert policy.before(asked(when=50.0)).penalty == 4.0
    policy.after(asked(when=50.0), True)
    assert policy.before(asked(when=50.0)) is PASS


def test_dovecots_penalty_counts_ipv6_by_48() -> None:
    policy = DovecotPenalty(2.0, **rivals()["dovecot"].default)
    policy.after(asked(address="2a00:1:2:3:1:1:1:1"), False)
    assert policy.before(asked(address="2a00:1:2:9:1:1:1:2", when=0.1)).penalty
    assert policy.before(asked(address="2a00:1:3:3:1:1:1:1", when=0.1)) is PASS


def test_weakforced_tarpits_the_pair_and_refuses_the_address() -> None:
    policy = Weakforced(2.0, **rivals()["weakforced"].default)
    for turn in range(4):
        assert policy.before(asked(tag=turn, when=turn)) is PASS
        policy.after(asked(tag=turn, when=turn), False)
    held = policy.before(asked(when=5.0))
    assert (held.penalty, held.refused) == (3.0, False)
    for turn in range(51):
        policy.after(asked(name=f"user{turn}", tag=100 + turn, when=6.0), False)
    assert policy.before(asked(name="ben", when=7.0)) is HIDE
    assert policy.before(asked(name="ben", when=6.0 + 3600)) is PASS


def test_weakforced_counts_different_secrets_only() -> None:
    policy = Weakforced(2.0, **rivals()["weakforced"].default)
    for turn in range(1000):
        policy.after(asked(tag=5, when=float(turn)), False)
    assert policy.before(asked(when=1000.0)) is PASS
