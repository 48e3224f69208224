from tests.auth.guard.scenes import START, Scene, request

from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.interface import REASONS, Guard, Lane, NoGuard, Reason


def test_the_engine_and_no_guard_are_guards() -> None:
    guards: list[Guard] = [Scene().engine, NoGuard()]
    asked = request("a", "9.9.9.9", "x", START)
    assert isinstance(guards[0], GuardEngine)
    assert [guard.before(asked) for guard in guards] == [(Lane.UNFAMILIAR, None, 0.0)] * 2


def test_no_guard_refuses_nothing() -> None:
    guard = NoGuard()
    for guess in range(1000):
        asked = request("a", "9.9.9.9", guess, START)
        assert guard.before(asked).refuse is None
        guard.after(asked, False, "wrong password")


def test_reasons_are_told_apart_from_those_of_the_pipeline() -> None:
    assert len(REASONS) == len(Reason)
    assert all(reason.startswith("guard: ") for reason in REASONS)
