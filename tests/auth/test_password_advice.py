"""The look back at a password after a login: seldom, silent when all is well, and without a word of the password."""

import io
from pathlib import Path

from pillarbox.auth.breach import BreachFilter
from pillarbox.auth.breach_build import Listing, build
from pillarbox.auth.password_advice import ABOUT, PasswordAdvice
from pillarbox.auth.password_policy import Context, PasswordPolicy
from pillarbox.events import InternalError, Secret, Warned

NAME = "alice@example.org"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_account_is_due_once_in_so_many_seconds() -> None:
    clock = Clock()
    advice = PasswordAdvice(PasswordPolicy(), seconds=100, clock=clock)
    assert [advice.due(NAME), advice.due(NAME), advice.due("bob@example.org")] == [True, False, True]
    clock.now += 99
    assert not advice.due(NAME)
    clock.now += 1
    assert advice.due(NAME)


def test_zero_is_never() -> None:
    assert not PasswordAdvice(PasswordPolicy(), seconds=0, clock=Clock()).due(NAME)


def test_memory_is_bounded() -> None:
    advice = PasswordAdvice(PasswordPolicy(), seconds=100, clock=Clock(), remembered=2)
    assert all(advice.due(name) for name in ("a", "b", "c"))
    assert not advice.due("c")
    assert advice.due("a")


def test_a_good_password_makes_no_event() -> None:
    advice = PasswordAdvice(PasswordPolicy(), seconds=100, clock=Clock())
    assert advice.advice_after_login(Secret("kTq7vbn2XwpLz4m"), Context(NAME)) == []


def test_the_event_names_the_faults_and_not_the_password(tmp_path: Path) -> None:
    """P60."""
    build(tmp_path / "f", [Listing("list", io.BytesIO(b"alicealice"), plain=True)], bits=24)
    policy = PasswordPolicy(breached=BreachFilter(tmp_path / "f"))
    [event] = PasswordAdvice(policy, seconds=100, clock=Clock()).advice_after_login(Secret("alicealice"), Context(NAME))
    assert isinstance(event, Warned)
    assert event.about == ABOUT
    assert "known from breaches" in event.text
    assert "too short" in event.text
    assert "alicealice" not in event.text


def test_a_filter_that_broke_meanwhile_is_told_and_raises_nothing(tmp_path: Path) -> None:
    build(tmp_path / "f", [Listing("list", io.BytesIO(b"alicealice"), plain=True)], bits=24)
    data = bytearray((tmp_path / "f").read_bytes())
    data[96:112] = b"\xff" * 16
    (tmp_path / "f").write_bytes(data)
    breached = BreachFilter(tmp_path / "f")
    advice = PasswordAdvice(PasswordPolicy(breached=breached), seconds=100, clock=Clock())
    [event] = advice.advice_after_login(Secret("kTq7vbn2XwpLz4m"), Context(NAME))
    assert isinstance(event, Warned)
    assert "not checked" in event.text
    breached.close()
    [event] = advice.advice_after_login(Secret("kTq7vbn2XwpLz4m"), Context(NAME))
    assert isinstance(event, InternalError)
