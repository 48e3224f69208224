"""The group commit: messages are collected and made durable together, while the next ones are being received.

Rules: one thread beside the receiving one; a batch is full after so many messages or octets; at most `_AHEAD` batches
wait, so that a slow disk slows the receiving down instead of filling the memory with open files; after the first error
nothing more is delivered, and the error is raised to who puts the next message or drains.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from pillarbox.fetch.delivering import Item, Outcome
from pillarbox.fetch.staging import drop

OCTETS = 16 * 1024 * 1024
"""Of a batch: what is lost of a download when the process is killed."""

_AHEAD = 2


class Batches:
    """Collects messages and hands them on in batches, in a thread of its own. A context manager.

    Args:
        deliver: brings one batch to its end.
        messages: of a full batch.
        name: of the thread.
    """

    def __init__(self, deliver: Callable[[Sequence[Item]], list[Outcome]], messages: int = 128, name: str = "") -> None:
        self._deliver = deliver
        self._messages = messages
        self._collected: list[Item] = []
        self._octets = 0
        self._queue: queue.Queue[list[Item] | None] = queue.Queue(_AHEAD)
        self._guard = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"delivering {name}", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Take a message.

        Raises:
            FetchError, DestinationError: what stopped an earlier batch. The message is dropped.
        """
        if self._error is not None:
            drop(item.part)
            self._raise()
        self._collected.append(item)
        self._octets += item.part.stored
        if len(self._collected) >= self._messages or self._octets >= OCTETS:
            self._hand_on()

    def take(self) -> list[Outcome]:
        """What has come out since the last call."""
        with self._guard:
            outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def drain(self) -> None:
        """Wait until everything is delivered that was put.

        Raises:
            FetchError, DestinationError: what stopped it.
        """
        self._hand_on()
        self._queue.join()
        self._raise()

    def close(self) -> None:
        """End the thread; what was collected and not drained is dropped. Safe to repeat."""
        for item in self._collected:
            drop(item.part)
        self._collected = []
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _hand_on(self) -> None:
        if self._collected:
            self._queue.put(self._collected)
            self._collected = []
            self._octets = 0

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            try:
                if self._error is None:
                    outcomes = self._deliver(batch)
                    with self._guard:
                        self._outcomes += outcomes
                else:
                    for item in batch:
                        drop(item.part)
            except BaseException as error:  # raised again in the thread that receives
                self._error = error
            finally:
                self._queue.task_done()
