"""Work in threads outlives its caller, and nothing is closed under it."""

from __future__ import annotations

import asyncio
import threading

from pillarbox.maildrop.stores.maildir.work import Threads, Worker


def test_closing_waits_for_cancelled_work() -> None:
    async def run() -> None:
        threads = Threads(2)
        worker = Worker(threads)
        started, goes_on, order = threading.Event(), threading.Event(), []

        def work() -> None:
            started.set()
            goes_on.wait(5)
            order.append("work")

        task = asyncio.create_task(worker.run(work))
        await asyncio.to_thread(started.wait)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        worker.when_idle(lambda: order.append("closed"))
        assert order == []
        goes_on.set()
        await worker.idle()
        await asyncio.sleep(0)
        assert order == ["work", "closed"]
        worker.when_idle(lambda: order.append("at once"))
        assert order[-1] == "at once"
        await threads.close()

    asyncio.run(run())


def test_results_and_errors_come_back() -> None:
    async def run() -> None:
        worker = Worker(Threads(1))
        assert await worker.run(divmod, 7, 2) == (3, 1)
        try:
            await worker.run(divmod, 7, 0)
        except ZeroDivisionError:
            return
        raise AssertionError

    asyncio.run(run())
