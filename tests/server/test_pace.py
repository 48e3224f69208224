"""How fast strangers may come in."""

from pillarbox.server.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def pace(per_second: int) -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(per_second, knows=lambda address: address == "192.0.2.1", clock=clock), clock


def test_a_second_s_worth_may_come_at_once_and_then_evenly() -> None:
    held, clock = pace(10)
    assert [held.admits() for _ in range(12)] == [True] * 10 + [False] * 2
    clock.now += 0.25
    assert [held.admits() for _ in range(4)] == [True, True, False, False]
    clock.now += 0.0625  # a half was left
    assert [held.admits() for _ in range(2)] == [True, False]


def test_a_quiet_hour_saves_no_more_than_a_second() -> None:
    held, clock = pace(10)
    clock.now += 3600
    assert sum(held.admits() for _ in range(100)) == 10


def test_it_is_told_once_a_second() -> None:
    held, clock = pace(10)
    assert [held.tells(), held.tells()] == [True, False]
    clock.now += 1
    assert [held.tells(), held.tells()] == [True, False]


def test_it_is_told_who_is_no_stranger() -> None:
    held, _ = pace(10)
    assert held.knows("192.0.2.1")
    assert not held.knows("192.0.2.2")
