"""Readiness of a worker's sockets: one epoll of our own inside the event loop.

Rules: a socket is registered when something is first awaited on it and stays registered, so that a session costs one
system call here instead of one for every change of mind; closing a socket takes it out by itself. Level-triggered:
whoever is called and does not read or write will be called again.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

IN = select.EPOLLIN
OUT = select.EPOLLOUT
BROKEN = select.EPOLLHUP | select.EPOLLERR
"""Reported whether asked for or not: both directions are shut, or the connection was reset."""

BATCH = 256
"""Sockets looked after in one turn of the loop."""


class Poller:
    """Calls back when a file descriptor is ready."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        loop.add_reader(self._epoll.fileno(), self._poll)

    def add(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call `callback` with a mask of events whenever one of `events`, or `BROKEN`, is there."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Wait for other events of a descriptor that was added."""
        self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """The descriptor is about to be closed."""
        self._callbacks.pop(fd, None)

    def remove(self, fd: int) -> None:
        """Wait for nothing more of a descriptor that stays open."""
        del self._callbacks[fd]
        self._epoll.unregister(fd)

    def _poll(self) -> None:
        callbacks = self._callbacks
        for fd, events in self._epoll.poll(0, BATCH):
            # A callback may have closed another descriptor of this batch.
            callback = callbacks.get(fd)
            if callback is not None:
                callback(events)

    def close(self) -> None:
        """Stop. The sockets stay open."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
