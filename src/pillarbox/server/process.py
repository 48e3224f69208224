"""One worker process: how it is forked, what it gives up before it serves, and what its parent knows of it.

Rules: a child never returns into its parent's code; it holds only the sockets it serves; it reads nothing from a
client before its privileges are gone; it dies with its parent. Through a pipe it says that it is ready, or why not.

Elsewhere: when workers are started and ended (`supervisor`); what they do (the callable they are given).
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import ssl
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from pillarbox.config.problem import ConfigError
from pillarbox.config.schema import Settings
from pillarbox.events import Sink, Warned, internal_error
from pillarbox.files import allow_many_files
from pillarbox.server.gate import Gate
from pillarbox.server.listeners import WorkerSocket
from pillarbox.server.privileges import Identity, become, die_with, keep_secrets_in_memory
from pillarbox.server.signals import blocked

EXIT_FAILED = 70
"""EX_SOFTWARE of sysexits.h: a worker ended by an error."""

_READY = b"+"
_MAX_REASON = 2000  # octets: less than PIPE_BUF, so that it is written whole or not at all


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """All that a worker is given.

    Attributes:
        settings: what it serves by, for its whole life.
        tls: the context of all listeners, or None where no certificate is set.
        number: which worker of its generation it is, from 1; `generation.POLICY_API` for the one of the policy API.
        sockets: what to accept from; close them all to stop accepting.
        gate: where connections are counted.
        ready: to be called once, when it accepts.
    """

    settings: Settings
    tls: ssl.SSLContext | None
    number: int
    sockets: Sequence[WorkerSocket]
    gate: Gate
    ready: Callable[[], None]


RunWorker = Callable[[WorkerStart], None]
"""Serves until SIGTERM (give sessions `timeouts.shutdown` seconds, then end them) or SIGQUIT (accept no more, let
sessions finish on their own), then returns. It runs in the main thread, and sets both handlers before `ready`."""


@dataclass(slots=True)
class Worker:
    """What the parent knows of a worker.

    Attributes:
        slot: its place in the gate's memory.
        started: seconds on the monotonic clock.
        pipe: where it reports, or -1 once it has.
        ready: whether it accepts.
        reason: why it could not start, as far as it said so.
    """

    pid: int
    number: int
    slot: int
    started: float
    pipe: int
    ready: bool = False
    reason: str = ""

    def read_report(self) -> None:
        """Take in what the worker says about its start, if it has said anything or ended."""
        if self.pipe < 0:
            return
        try:
            report = os.read(self.pipe, _MAX_REASON)
        except BlockingIOError:
            return
        self.ready = report == _READY
        if not self.ready:
            self.reason = report.decode("utf-8", "replace") or self.reason
        os.close(self.pipe)
        self.pipe = -1


@dataclass(frozen=True, slots=True)
class Birth:
    """What a child does before it serves.

    Attributes:
        identity: whom it becomes, or None for whom its parent is.
        forget: releases what only the parent may use (signal pipes, other workers' pipes and sockets).
        sink: takes the event of a defect.
        run: serves.
        start: what `run` is given, made with the child's own `ready`.
    """

    identity: Identity | None
    forget: Callable[[], None]
    sink: Sink
    run: RunWorker
    start: Callable[[Callable[[], None]], WorkerStart]


def fork(birth: Birth) -> tuple[int, int]:
    """Start a worker. Returns its process id, and the pipe it reports through (non-blocking, for `Worker.pipe`).

    Raises:
        OSError: the system has no room for another process or pipe.
    """
    parent = os.getpid()
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    # What is buffered now would be written by both processes.
    sys.stdout.flush()
    sys.stderr.flush()
    # Objects that exist now are left alone by the child's collector, so their memory stays shared.
    gc.collect()
    gc.freeze()
    try:
        with blocked():
            pid = os.fork()
            if pid == 0:
                _child(birth, parent, reading, writing)
    except OSError:
        os.close(reading)
        raise
    finally:
        gc.unfreeze()
        os.close(writing)
    return pid, reading


def _child(birth: Birth, parent: int, reading: int, writing: int) -> NoReturn:
    status = EXIT_FAILED
    reporter = _Reporter(writing)
    try:
        os.close(reading)
        birth.forget()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        become(birth.identity)
        _check_interpreter(birth)
        keep_secrets_in_memory()
        allow_many_files()
        if die_with(parent):
            birth.run(birth.start(reporter.ready))
        status = 0
    except ConfigError as error:
        reporter.say(str(error).encode())
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else EXIT_FAILED
    except BaseException as error:  # the border of the process: told as an event, never as a traceback
        birth.sink.emit(internal_error(error))
        reporter.say(f"internal error: {type(error).__name__}".encode())
    finally:
        _end(status)


def _check_interpreter(birth: Birth) -> None:
    """Python reads modules when they are first needed: an account that cannot read them would fail in odd places."""
    if not os.access(os.__file__, os.R_OK):
        place = os.path.dirname(os.__file__)
        text = f"uid {os.geteuid()} (server.user) cannot read {place}: parts that are loaded later may fail"
        birth.sink.emit(Warned(about="python", text=text))


def _end(status: int) -> NoReturn:
    with contextlib.suppress(OSError):  # nobody may be reading any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


class _Reporter:
    """Speaks to the parent once; afterwards the pipe is closed, and its number may belong to something else."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def ready(self) -> None:
        self.say(_READY)

    def say(self, text: bytes) -> None:
        if self._pipe < 0:
            return
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, text[:_MAX_REASON])
        os.close(self._pipe)
        self._pipe = -1


def cause(status: int) -> str:
    """What a wait status says, in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"it ended by itself with exit status {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"
