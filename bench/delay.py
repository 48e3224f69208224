"""A longer way to a server: a proxy that gives every octet on after a fixed time, whichever way it goes.

Rules: order and octets stay; nothing is lost and nothing held back beyond the delay, so what is measured through it is
round trips and not bandwidth. It runs in a thread of its own, on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self

__all__ = ["Delay"]

_PIECE = 65_536


class Delay:
    """A context manager; `port` leads to the server's.

    Args:
        target: the port of 127.0.0.1 behind it.
        round_trip: seconds there and back.
    """

    def __init__(self, target: int, round_trip: float) -> None:
        self.port = 0
        self._target = target
        self._one_way = round_trip / 2
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="delay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._over.wait()
        server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)  # what they have closed is closed behind them

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled at the end; `start_server` would print that.
        with contextlib.suppress(asyncio.CancelledError, OSError), contextlib.closing(writer):
            # The SYN and its answer take a round trip, too.
            await asyncio.sleep(2 * self._one_way)
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            with contextlib.closing(back):
                await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """One way: what is read now is written one_way later; then the end."""
        loop = asyncio.get_running_loop()
        moving: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                due, piece = await moving.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not piece:
                    break
                sink.write(piece)
                await sink.drain()
            with contextlib.suppress(OSError, RuntimeError):
                sink.write_eof()  # the other way may still be in use

        arriving = asyncio.ensure_future(arrive())
        piece = b"-"
        while piece:
            try:
                piece = await source.read(_PIECE)
            except OSError:
                piece = b""
            moving.put_nowait((loop.time() + self._one_way, piece))
        await arriving
