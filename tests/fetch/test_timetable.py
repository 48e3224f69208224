import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.fetch.timetable import NEVER, Timetable


def table(*accounts: tuple[str, str, float], parallel: int = 10, per_host: int = 2, chance: float = 1.0) -> Timetable:
    return Timetable(accounts, 0.0, parallel=parallel, per_host=per_host, longest=1000.0, chance=lambda: chance)


def test_all_are_due_at_first_and_again_when_their_time_has_passed() -> None:
    times = table(("a", "x", 60.0), ("b", "y", 30.0))
    assert times.start(0.0) == ["a", "b"]
    assert times.next_due() is None
    assert times.ended("a", 5.0, ok=True) == 60.0
    assert times.ended("b", 5.0, ok=True) == 30.0
    assert times.start(34.9) == []
    assert times.next_due() == 35.0
    assert times.start(35.0) == ["b"]


def test_an_account_never_runs_twice_at_once() -> None:
    times = table(("a", "x", 10.0))
    assert times.start(0.0) == ["a"]
    times.hurry(0.0)
    assert times.start(1000.0) == []
    assert times.running == 1


def test_a_server_is_not_asked_for_more_than_it_gives() -> None:
    times = table(("a", "x", 10.0), ("b", "x", 10.0), ("c", "x", 10.0), ("d", "y", 10.0))
    assert times.start(0.0) == ["a", "b", "d"]
    times.ended("b", 1.0, ok=True)
    assert times.start(1.0) == ["c"]


def test_no_more_run_than_may() -> None:
    times = table(("a", "x", 10.0), ("b", "y", 10.0), ("c", "z", 10.0), parallel=2)
    assert times.start(0.0) == ["a", "b"]
    assert times.start(0.0) == []


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_the_pause_doubles_after_failures_up_to_the_longest(chance: float) -> None:
    times = table(("a", "x", 60.0), chance=chance)
    pauses = []
    for _ in range(40):
        assert times.start(1e9) == ["a"]
        pauses.append(times.ended("a", 0.0, ok=False) / (0.5 + chance / 2))
    assert pauses[:6] == [60.0, 120.0, 240.0, 480.0, 960.0, 1000.0]
    assert set(pauses[5:]) == {1000.0}
    times.start(1e9)
    assert times.ended("a", 0.0, ok=True) == 60.0


def test_the_longest_pause_is_no_shorter_than_the_usual_one() -> None:
    times = table(("a", "x", 5000.0))
    times.start(0.0)
    assert times.ended("a", 0.0, ok=False) == 5000.0


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 3))
def test_limits_hold_whatever_happens(seed: int, parallel: int, per_host: int) -> None:
    draw = random.Random(seed)
    hosts = {f"a{number}": f"h{number % 3}" for number in range(9)}
    times = Timetable(
        [(name, host, 10.0) for name, host in hosts.items()], 0.0,
        parallel=parallel, per_host=per_host, longest=100.0, chance=draw.random,
    )  # fmt: skip
    running: set[str] = set()
    for now in range(200):
        begun = times.start(float(now))
        assert not running & set(begun)
        running |= set(begun)
        assert len(running) == times.running <= parallel
        for host in set(hosts.values()):
            assert sum(hosts[name] == host for name in running) <= per_host
        for name in [name for name in sorted(running) if draw.random() < 0.3]:
            running.remove(name)
            times.ended(name, float(now), ok=draw.random() < 0.7)


def test_accounts_that_wait_for_others_do_not_hide_those_that_are_due_later() -> None:
    times = table(("a", "x", 10.0), ("b", "x", 10.0), ("c", "y", 10.0), per_host=1)
    assert times.start(0.0) == ["a", "c"]
    times.ended("c", 1.0, ok=True)
    assert times.next_due() == 11.0  # and not 0, when b was due
    full = table(("a", "x", 10.0), ("b", "y", 10.0), parallel=1)
    full.start(0.0)
    assert full.next_due() is None


def test_other_accounts_take_over_without_forgetting() -> None:
    times = table(("a", "x", 60.0), ("b", "y", 60.0), ("c", "z", 60.0))
    assert times.start(0.0) == ["a", "b", "c"]
    times.ended("a", 0.0, ok=True)
    times.ended("b", 0.0, ok=False)
    times.replace([("a", "x", 30.0), ("b", "y", 30.0), ("d", "z", 30.0)], 10.0, parallel=9, per_host=1, longest=99.0)
    assert times.start(10.0) == []  # a was fetched, b failed just now; d waits: c still runs at its server
    times.ended("c", 10.0, ok=True)
    assert times.start(10.0) == ["d"]
    assert times.start(40.0) == ["a"]
    assert times.start(60.0) == ["b"]
    times.ended("d", 61.0, ok=True)
    assert times.next_due() == 91.0
    times.hurry(62.0)
    assert times.start(62.0) == ["d"]


def test_an_account_that_never_comes_again_is_due_never() -> None:
    times = table(("a", "x", NEVER))
    assert times.start(0.0) == ["a"]
    assert times.ended("a", 1.0, ok=False) == NEVER
    assert times.start(1e12) == []
