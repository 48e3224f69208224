"""Waits for signals and readable descriptors at once, without losing either.

Rules: the only signal handlers do nothing; Python's C code writes each signal's number into a pipe that is waited for
like any other, so nothing can happen between looking and waiting. For the supervisor only: workers use their loop's.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Self


class SignalWaiter:
    """While entered, the given signals are caught and come out of `wait`. Use it in the main thread."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._signals = frozenset(signals)
        self._previous: dict[signal.Signals, signal._HANDLER] = {}
        self._previous_wakeup = -1
        self._read = self._write = -1

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._previous_wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, _do_nothing) for number in self._signals}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_wakeup)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout: float | None, descriptors: Iterable[int]) -> tuple[list[signal.Signals], set[int]]:
        """The signals that came, oldest first, and the descriptors that can be read (or have ended).

        Args:
            timeout: seconds after which both may be empty; None waits without end.
            descriptors: what to wait for beside signals.
        """
        poll = select.poll()
        for descriptor in (self._read, *descriptors):
            poll.register(descriptor, select.POLLIN)
        # Rounded up: a due time must have passed when this returns for it.
        ready = {descriptor for descriptor, _ in poll.poll(None if timeout is None else int(timeout * 1000) + 1)}
        came: list[signal.Signals] = []
        if self._read in ready:
            ready.remove(self._read)
            came = [signal.Signals(number) for number in os.read(self._read, 65_536) if number in self._signals]
        return came, ready

    def forget_in_child(self) -> None:
        """Undo everything in a process just forked; call it while signals are blocked.

        SIGINT and SIGHUP are ignored from here on: a terminal sends them to the whole group, and what they mean for a
        worker is the supervisor's to say.
        """
        signal.set_wakeup_fd(-1)
        for number in self._signals:
            ignored = number in (signal.SIGINT, signal.SIGHUP)
            signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
        os.close(self._read)
        os.close(self._write)


class blocked(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as a statement: `with blocked():`
    """All signals wait until the block is left."""

    def __enter__(self) -> None:
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """The number is in the pipe already."""
