"""One forked worker; what the supervisor makes of it is in `test_supervisor`."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable

import pytest

from pillarbox.config.problem import ConfigError, Problem
from pillarbox.config.schema import Settings
from pillarbox.events import Event
from pillarbox.server.gate import GateMemory
from pillarbox.server.process import EXIT_FAILED, Birth, Worker, WorkerStart, cause, fork

GATE = GateMemory(1, bytes(16)).gate(0, Settings().limits)


class PipeSink:
    """Passes the names and places of defects out of a child."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def emit(self, event: Event) -> None:
        os.write(self.writing, repr(event).encode())


def born(run: Callable[[WorkerStart], None]) -> tuple[Worker, int, str]:
    """Fork a worker that does `run`, and see it to its end: what is known, its wait status, its events."""
    sink = PipeSink()
    birth = Birth(
        identity=None,
        forget=lambda: None,
        sink=sink,
        run=run,
        start=lambda ready: WorkerStart(Settings(), None, 1, (), GATE, ready),
    )
    pid, pipe = fork(birth)
    os.close(sink.writing)
    worker = Worker(pid, 1, 0, 0.0, pipe)
    select.select([pipe], [], [])
    worker.read_report()
    _, status = os.waitpid(pid, 0)
    with os.fdopen(sink.reading) as events:
        return worker, status, events.read()


def test_a_worker_says_that_it_is_ready_and_ends_with_0() -> None:
    worker, status, _ = born(lambda start: start.ready())
    assert (worker.ready, worker.reason, worker.pipe, status) == (True, "", -1, 0)


def test_ready_may_be_called_once_more_without_harm() -> None:
    def run(start: WorkerStart) -> None:
        start.ready()
        reused = os.open("/dev/null", os.O_RDONLY)  # likely the number the pipe had
        start.ready()
        os.fstat(reused)

    worker, status, _ = born(run)
    assert (worker.ready, status) == (True, 0)


def test_a_worker_that_ends_without_a_word_is_not_ready() -> None:
    worker, status, _ = born(lambda start: None)
    assert (worker.ready, worker.reason, worker.pipe, status) == (False, "", -1, 0)


def test_a_config_error_is_told_in_words() -> None:
    def run(start: WorkerStart) -> None:
        raise ConfigError([Problem("maildir.path", "there is nothing", "make it")])

    worker, status, events = born(run)
    assert worker.reason == "maildir.path: there is nothing\n    make it"
    assert os.waitstatus_to_exitcode(status) == EXIT_FAILED
    assert events == ""


def test_p60_a_defect_is_an_event_without_values_and_never_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    def run(start: WorkerStart) -> None:
        raise ValueError("hunter2")

    worker, status, events = born(run)
    assert worker.reason == "internal error: ValueError"
    assert os.waitstatus_to_exitcode(status) == EXIT_FAILED
    assert "InternalError" in events
    assert "test_process.py:" in events
    assert "hunter2" not in events
    assert capfd.readouterr() == ("", "")


def test_a_long_reason_is_cut() -> None:
    def run(start: WorkerStart) -> None:
        raise ConfigError([Problem("a", "é" * 5_000)])

    assert born(run)[0].reason.startswith("a: éé")


@pytest.mark.parametrize(("code", "expected"), [(5, 5), (None, EXIT_FAILED), ("text", EXIT_FAILED)])
def test_sys_exit_ends_it(code: int | str | None, expected: int) -> None:
    status = born(lambda start: sys.exit(code))[1]
    assert os.waitstatus_to_exitcode(status) == expected


def test_causes_are_words() -> None:
    assert cause(3 << 8) == "it ended by itself with exit status 3"
    assert cause(signal.SIGKILL) == "it was ended by SIGKILL"
    assert cause(50) == "it was ended by signal 50"
