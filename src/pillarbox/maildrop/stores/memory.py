"""A store in memory: for tests, for trying things out, and as the smallest example of the promise.

Rules: it keeps the whole promise but durability; messages are kept as they were delivered. Its lock lives in this
process only.

Serves RFC 1939 §4-§6; durable mail is in `maildir`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from pillarbox.maildrop.errors import MaildropBusy, MaildropUnavailable, MessageGone, ReadOnly
from pillarbox.maildrop.maildrop import Facts, Form, Lease, Piece
from pillarbox.maildrop.wire_form import examine


@dataclass(frozen=True, slots=True, eq=False)
class _Message:
    unique_id: bytes
    data: bytes
    facts: Facts
    received: float


@dataclass(slots=True)
class _Box:
    """One maildrop: its messages in the order they came, and who holds it."""

    messages: list[_Message] = field(default_factory=list)
    lease: Lease | None = None
    epoch: int = 0
    writable: bool = True


@dataclass(frozen=True, slots=True)
class MemorySnapshot:
    """See `Snapshot`."""

    octets: Sequence[int]
    unique_ids: Sequence[bytes]
    received: Sequence[float]
    count: int
    total: int


class MemoryStore:
    """See `Store`. Names of maildrops are any text; one that nobody delivered to is empty."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._boxes: dict[str, _Box] = {}
        self._numbers = itertools.count(1)

    def deliver(self, maildrop: str, message: bytes) -> bytes:
        """Add a message as it is, without changing a line ending; return its unique-id."""
        unique_id = b"m%d" % next(self._numbers)
        self._box(maildrop).messages.append(_Message(unique_id, message, examine([message]), self._clock()))
        return unique_id

    def remove(self, maildrop: str, unique_id: bytes) -> None:
        """Remove a message as another program would: without a lease."""
        box = self._box(maildrop)
        box.messages = [message for message in box.messages if message.unique_id != unique_id]

    def write_protect(self, maildrop: str) -> None:
        """Let no session change this maildrop any more."""
        self._box(maildrop).writable = False

    async def open(self, maildrop: str, session: str, *, utf8: bool = False, read_only: bool = False) -> MemoryMaildrop:
        """See `Store.open`."""
        box = self._box(maildrop)
        if box.lease is not None:
            raise MaildropBusy(f"session {box.lease.session}", box.lease.since)
        box.epoch += 1
        box.lease = Lease(f"process {os.getpid()}", session, self._clock(), box.epoch)
        return MemoryMaildrop(box, box.lease, utf8=utf8, read_only=read_only or not box.writable)

    async def close(self) -> None:
        """See `Store.close`."""

    def _box(self, maildrop: str) -> _Box:
        return self._boxes.setdefault(maildrop, _Box())


class MemoryMaildrop:
    """See `Maildrop`."""

    def __init__(self, box: _Box, lease: Lease, *, utf8: bool, read_only: bool) -> None:
        self.lease = lease
        self.read_only = read_only
        self.utf8 = utf8
        self._box = box
        self._messages = tuple(box.messages)
        octets = [m.facts.octets if utf8 else m.facts.surrogate for m in self._messages]
        ids = [message.unique_id for message in self._messages]
        received = [message.received for message in self._messages]
        self._snapshot = MemorySnapshot(octets, ids, received, len(octets), sum(octets))
        self._committed: int | None = None

    async def list(self) -> MemorySnapshot:
        """See `Maildrop.list`."""
        return self._snapshot

    async def read(self, index: int, start: int, stop: int) -> Piece:
        """See `Maildrop.read`."""
        message = self._messages[index]
        if message not in self._box.messages:
            raise MessageGone(index)
        data = message.data[start:stop]
        return Piece(data, Form.STORED, message.facts, start + len(data) >= len(message.data))

    async def commit(self, marked: Collection[int], retrieved: Collection[int] = ()) -> int:
        """See `Maildrop.commit`."""
        if self._committed is not None:
            return self._committed
        if self._box.lease is not self.lease:
            raise MaildropUnavailable("the lease was given back")
        if marked and self.read_only:
            raise ReadOnly("the maildrop was opened read-only")
        gone = {self._messages[index] for index in marked}
        self._box.messages = [message for message in self._box.messages if message not in gone]
        self._committed = len(gone)
        return self._committed

    async def release(self) -> None:
        """See `Maildrop.release`."""
        if self._box.lease is self.lease:
            self._box.lease = None
