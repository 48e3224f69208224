import pytest

from pillarbox.auth.guard.scores import Decayed


def test_half_is_gone_after_a_half_life() -> None:
    score = Decayed()
    score.add(8.0, 100.0, 10.0)
    assert score.now(110.0, 10.0) == 4.0
    assert score.now(130.0, 10.0) == 1.0
    assert score.add(1.0, 110.0, 10.0) == 5.0


def test_a_clock_that_steps_back_changes_nothing() -> None:
    score = Decayed()
    score.add(8.0, 1000.0, 10.0)
    assert score.now(0.0, 10.0) == 8.0
    assert score.add(1.0, 0.0, 10.0) == 9.0
    assert score.now(10.0, 10.0) == 4.5


def test_it_does_not_fall_below_its_least_and_stays_finite() -> None:
    score = Decayed(4.0, 0.0)
    assert score.add(-10.0, 0.0, 10.0) == 0.0
    score.add(5.0, 0.0, 1.0)
    assert score.now(1e12, 1.0) == pytest.approx(0.0)
