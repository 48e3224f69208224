"""Kills a process with SIGKILL at the n-th of its system calls that change a disk: before, within or after it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

CALLS = ("open", "write", "fsync", "ftruncate", "link", "unlink", "rename", "replace", "mkdir")


def killed_at(number: int, work: Callable[[], None]) -> bool:
    """Run `work` in a child that is killed at its `number`-th step; False when it finished before that.

    Every call that changes a disk is two steps (before it, after it), and a write is one more: half of it.
    """
    child = os.fork()
    if not child:
        code = 3
        with contextlib.suppress(BaseException):
            _count_down(number)
            work()
            code = 0
        if code:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the child failed"
    return False


def _count_down(number: int) -> None:
    left = number

    def step() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            step()
            if name == "write" and left == 0:
                descriptor, data = arguments
                call(descriptor, bytes(data)[: len(data) // 2])
            if name == "write":
                step()
            result = call(*arguments, **named)
            step()
            return result

        return run

    for name in CALLS:
        setattr(os, name, wrapped(name, getattr(os, name)))
