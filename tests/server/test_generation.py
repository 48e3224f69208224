"""Bookkeeping of a generation of workers; its clock is an argument."""

from __future__ import annotations

import pytest

from pillarbox.config.schema import Settings
from pillarbox.server.generation import FIRST_DELAY, LONGEST_DELAY, POLICY_API, Generation, Phase, Plan
from pillarbox.server.process import Worker


def generation(*, first: bool = True, alive: int = 0, ready: int = 0) -> Generation:
    made = Generation(Plan(Settings(), None, None, 2), first)
    for number in range(1, alive + 1):
        made.workers[number] = Worker(number, number, number, 100.0, -1, number <= ready)
    return made


def test_it_serves_when_all_are_ready() -> None:
    assert not generation(alive=2, ready=1).all_ready()
    assert generation(alive=2, ready=2).all_ready()


def test_replacements_come_at_once_and_then_ever_more_slowly() -> None:
    made, now, delays = generation(), 0.0, []
    for _ in range(12):
        made.failed(1, "", now, 0.1)
        [due] = made.due_times(1.0)
        delays.append(due - now)
        assert made.take_due(due - 0.001) == []
        assert made.take_due(due) == [1]
        assert made.take_due(due) == []
        now = due + 0.1
    assert delays[:4] == pytest.approx([0.0, FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY])
    assert delays[-1] == pytest.approx(LONGEST_DELAY)
    made.failed(1, "", now, 5.0)  # it lived: all is forgiven
    assert made.take_due(now) == [1]


def test_a_first_start_is_hopeless_when_every_worker_failed() -> None:
    made = generation(alive=2)
    made.failed(1, "no disk", 0.0, 0.1)
    made.failed(1, "no disk", 0.0, 0.1)
    assert not made.is_hopeless()
    made.failed(2, "no disk", 0.0, 0.1)
    assert made.is_hopeless()
    assert made.reasons() == ["no disk"]
    made.workers[1].ready = True
    assert not made.is_hopeless()


def test_a_reload_is_hopeless_when_any_worker_failed() -> None:
    made = generation(first=False, alive=2, ready=1)
    assert not made.is_hopeless()
    made.failed(2, "no disk", 0.0, 0.1)
    assert made.is_hopeless()


def test_the_policy_api_has_one_process_more() -> None:
    settings = Settings.model_validate({"policy_api": {"enabled": True}})
    made = Generation(Plan(settings, None, None, 2), first=True)
    assert list(made.plan.numbers) == [POLICY_API, 1, 2]
    assert made.places() == 3
    for number in (1, 2):
        made.workers[number] = Worker(number, number, number, 100.0, -1, ready=True)
    assert not made.all_ready()
    # The server does not start without it, although its workers are ready: a setting is wrong.
    made.failed(POLICY_API, "no key", 0.0, 0.1)
    assert made.is_hopeless()
    assert made.reasons() == ["no key"]


def test_a_draining_generation_replaces_nobody_and_ends_with_its_last_worker() -> None:
    made = generation(alive=1, ready=1)
    made.failed(2, "", 0.0, 0.1)
    assert made.places() == 2
    made.drain()
    made.failed(2, "", 0.0, 0.1)
    assert made.phase is Phase.DRAINING
    assert made.take_due(1e9) == []
    assert (made.places(), made.is_over()) == (1, False)
    made.workers.clear()
    assert made.is_over()


def test_a_start_has_a_deadline() -> None:
    made = generation(alive=2, ready=1)
    assert list(made.due_times(7.0)) == [107.0]
    made.phase = Phase.SERVING
    assert list(made.due_times(7.0)) == []
