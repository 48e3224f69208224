"""Blocking work of one session, in a bounded pool of threads.

Rules: a session does one piece of work at a time; a cancelled caller does not stop the work, and the descriptors it
uses are not closed before it ends: a closed number may be another Maildir's a moment later.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Threads:
    """A pool that is made when it is first needed, in the process that needs it: threads do not survive a fork."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def pool(self) -> ThreadPoolExecutor:
        """The pool of this process."""
        if self._pool is None or self._process != os.getpid():
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="maildir")
            self._process = os.getpid()
        return self._pool

    async def close(self) -> None:
        """Wait for what is running, and end the threads."""
        if self._pool is not None and self._process == os.getpid():
            await asyncio.to_thread(self._pool.shutdown)
        self._pool = None


class Worker:
    """The work of one session."""

    __slots__ = ("_job", "_threads")

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        # Any: each piece of work has its own result
        self._job: asyncio.Future[Any] | None = None

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function in a thread. When the caller is cancelled the function still runs to its end."""
        if self._job is not None and not self._job.done():
            await asyncio.wait([self._job])
        job = asyncio.get_running_loop().run_in_executor(self._threads.pool(), lambda: function(*args, **kwargs))
        self._job = job
        job.add_done_callback(take_result)
        return await asyncio.shield(job)

    def when_idle(self, function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call a function now, or as soon as the running work has ended."""
        if self._job is None or self._job.done():
            function(*args, **kwargs)
        else:
            self._job.add_done_callback(lambda _: function(*args, **kwargs))

    async def idle(self) -> None:
        """Wait until no work is running."""
        if self._job is not None and not self._job.done():
            await asyncio.wait([self._job])


def take_result(job: asyncio.Future[R]) -> None:
    """Look at the result of work whose caller may be gone, so that asyncio does not complain of it."""
    if not job.cancelled():
        job.exception()
