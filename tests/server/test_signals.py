"""Waiting for signals and descriptors at once. Everything happens in this thread, so nothing depends on time."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pillarbox.server.signals import SignalWaiter, blocked

CAUGHT = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)


def test_signals_come_out_in_order_and_once() -> None:
    with SignalWaiter(CAUGHT) as waiter:
        assert waiter.wait(0, ()) == ([], set())
        for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGHUP):
            signal.raise_signal(number)
        assert waiter.wait(None, ()) == ([signal.SIGUSR2, signal.SIGUSR1, signal.SIGHUP], set())
        assert waiter.wait(0, ()) == ([], set())


def test_descriptors_come_out_while_they_can_be_read_or_have_ended() -> None:
    first, second = os.pipe(), os.pipe()
    try:
        with SignalWaiter(CAUGHT) as waiter:
            os.write(first[1], b"x")
            assert waiter.wait(None, (first[0], second[0])) == ([], {first[0]})
            os.close(second[1])
            assert waiter.wait(None, (first[0], second[0])) == ([], {first[0], second[0]})
            signal.raise_signal(signal.SIGUSR1)
            assert waiter.wait(None, (first[0],)) == ([signal.SIGUSR1], {first[0]})
    finally:
        for descriptor in (*first, second[0]):
            os.close(descriptor)


def test_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in CAUGHT]
    with SignalWaiter(CAUGHT):
        assert [signal.getsignal(number) for number in CAUGHT] != before
    assert [signal.getsignal(number) for number in CAUGHT] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_before_the_wait_is_not_lost() -> None:
    with SignalWaiter(CAUGHT) as waiter:
        with blocked():
            # To this thread: one for the process would go to any other thread that does not block it.
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            assert waiter.wait(0, ()) == ([], set())
        assert waiter.wait(None, ()) == ([signal.SIGUSR1], set())


def test_a_child_forgets_and_is_deaf_to_the_terminal() -> None:
    caught = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    with SignalWaiter(caught) as waiter:
        with blocked():
            pid = os.fork()
            if pid == 0:
                waiter.forget_in_child()
                handlers = [signal.getsignal(number) for number in caught]
                os._exit(0 if handlers == [signal.SIG_DFL, signal.SIG_IGN, signal.SIG_IGN] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        signal.raise_signal(signal.SIGTERM)
        assert waiter.wait(None, ()) == ([signal.SIGTERM], set())


def test_blocked_restores_the_mask_also_after_an_error() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(ValueError), blocked():
        raise ValueError
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
