"""The mail of a scripted server: the memory store, with a record of what was deleted, and mail that hides.

Rules: a message keeps the unique-id it was given; what UPDATE removed is recorded in the moment it is gone, whatever
becomes of QUIT's reply. Not safe for threads: the server's lock is around every call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pillarbox.maildrop.maildrop import Lease, Piece
from pillarbox.maildrop.stores.memory import MemoryMaildrop, MemoryStore


@dataclass(frozen=True, slots=True)
class Shelved:
    """A message on a scripted server.

    Attributes:
        user: whose it is.
        unique_id: what UIDL calls it, where nothing is scripted.
        octets: as it was added.
    """

    user: str
    unique_id: bytes
    octets: bytes


@dataclass(frozen=True, slots=True)
class _Shown:
    """See `Snapshot`."""

    octets: Sequence[int]
    unique_ids: Sequence[bytes]
    received: Sequence[float]
    count: int
    total: int


class Shelf:
    """See `Store`. A name that begins with `recent_prefix` is the same maildrop, with all its mail, for reading."""

    def __init__(self, *, clock: Callable[[], float], hides_retrieved: bool, recent_prefix: str) -> None:
        self._store = MemoryStore(clock=clock)
        self._hides = hides_retrieved
        self._recent = recent_prefix
        self._messages: dict[bytes, Shelved] = {}  # by the store's own unique-id, in the order they came
        self._hidden: set[bytes] = set()
        self.deleted: list[Shelved] = []

    def add(self, user: str, octets: bytes, unique_id: bytes | None = None) -> bytes:
        """Add a message; return its unique-id."""
        inner = self._store.deliver(user, octets)
        shelved = Shelved(user, inner if unique_id is None else unique_id, octets)
        self._messages[inner] = shelved
        return shelved.unique_id

    def remove(self, user: str, unique_id: bytes) -> None:
        """Take a message away as another program would."""
        for inner, shelved in list(self._messages.items()):
            if (shelved.user, shelved.unique_id) == (user, unique_id):
                self._store.remove(user, inner)
                del self._messages[inner]

    def messages(self, user: str) -> tuple[Shelved, ...]:
        """What is there now, hidden or not."""
        return tuple(shelved for shelved in self._messages.values() if shelved.user == user)

    async def open(self, maildrop: str, session: str, *, utf8: bool = False, read_only: bool = False) -> ShelfMaildrop:
        """See `Store.open`."""
        recent = bool(self._recent) and maildrop.startswith(self._recent)
        name = maildrop.removeprefix(self._recent) if recent else maildrop
        opened = await self._store.open(name, session, utf8=utf8, read_only=read_only)
        snapshot = await opened.list()
        indexes = [at for at, inner in enumerate(snapshot.unique_ids) if recent or inner not in self._hidden]
        inner_ids = [snapshot.unique_ids[at] for at in indexes]
        octets = [snapshot.octets[at] for at in indexes]
        shown = _Shown(
            octets,
            [self._messages[inner].unique_id for inner in inner_ids],
            [snapshot.received[at] for at in indexes],
            len(indexes),
            sum(octets),
        )
        return ShelfMaildrop(self, opened, shown, indexes, inner_ids, keeps=recent)

    async def close(self) -> None:
        """See `Store.close`."""

    def left(self, removed: Collection[bytes], retrieved: Collection[bytes]) -> None:
        """UPDATE has removed some messages, and some were retrieved."""
        self.deleted += [self._messages.pop(inner) for inner in removed if inner in self._messages]
        if self._hides:
            self._hidden.update(retrieved)


class ShelfMaildrop:
    """See `Maildrop`."""

    def __init__(
        self,
        shelf: Shelf,
        opened: MemoryMaildrop,
        shown: _Shown,
        indexes: Sequence[int],
        inner_ids: Sequence[bytes],
        *,
        keeps: bool,
    ) -> None:
        self._shelf = shelf
        self._opened = opened
        self._shown = shown
        self._indexes = indexes
        self._inner_ids = inner_ids
        self._keeps = keeps

    @property
    def lease(self) -> Lease:
        """See `Maildrop.lease`."""
        return self._opened.lease

    @property
    def read_only(self) -> bool:
        """See `Maildrop.read_only`."""
        return self._opened.read_only

    @property
    def utf8(self) -> bool:
        """See `Maildrop.utf8`."""
        return self._opened.utf8

    async def list(self) -> _Shown:
        """See `Maildrop.list`."""
        return self._shown

    async def read(self, index: int, start: int, stop: int) -> Piece:
        """See `Maildrop.read`."""
        return await self._opened.read(self._indexes[index], start, stop)

    async def commit(self, marked: Collection[int], retrieved: Collection[int] = ()) -> int:
        """See `Maildrop.commit`."""
        going = () if self._keeps else marked
        count = await self._opened.commit([self._indexes[at] for at in going])
        self._shelf.left([self._inner_ids[at] for at in going], [self._inner_ids[at] for at in retrieved])
        return count

    async def release(self) -> None:
        """See `Maildrop.release`."""
        await self._opened.release()
