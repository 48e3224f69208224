"""A maildrop of which only the newer mail is shown: for app passwords that are given no older mail.

Rules: what is not shown cannot be read, listed or deleted, and does not count; numbers are those of what is shown. A
message whose time of delivery is not known is not shown.
Serves RFC 1939 §5 for a part of a maildrop.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pillarbox.maildrop.errors import MessageGone
from pillarbox.maildrop.maildrop import Lease, Maildrop, Piece, Snapshot


@dataclass(frozen=True, slots=True)
class _Part:
    """See `Snapshot`."""

    octets: Sequence[int]
    unique_ids: Sequence[bytes]
    received: Sequence[float]
    count: int
    total: int


class NewerMaildrop:
    """See `Maildrop`. Made with `newer`."""

    def __init__(self, whole: Maildrop, part: _Part, indexes: Sequence[int]) -> None:
        self._whole = whole
        self._part = part
        self._indexes = indexes

    @property
    def lease(self) -> Lease:
        """See `Maildrop.lease`."""
        return self._whole.lease

    @property
    def read_only(self) -> bool:
        """See `Maildrop.read_only`."""
        return self._whole.read_only

    @property
    def utf8(self) -> bool:
        """See `Maildrop.utf8`."""
        return self._whole.utf8

    async def list(self) -> Snapshot:
        """See `Maildrop.list`."""
        return self._part

    async def read(self, index: int, start: int, stop: int) -> Piece:
        """See `Maildrop.read`."""
        try:
            return await self._whole.read(self._indexes[index], start, stop)
        except MessageGone as error:
            raise MessageGone(index, error.reason) from error

    async def commit(self, marked: Collection[int], retrieved: Collection[int] = ()) -> int:
        """See `Maildrop.commit`."""
        return await self._whole.commit(
            [self._indexes[index] for index in marked], [self._indexes[index] for index in retrieved]
        )

    async def release(self) -> None:
        """See `Maildrop.release`."""
        await self._whole.release()


async def newer(whole: Maildrop, moment: float) -> NewerMaildrop:
    """Show only what was delivered after `moment`, UTC seconds."""
    snapshot = await whole.list()
    received = snapshot.received
    indexes = [index for index, when in enumerate(received) if when > moment]
    octets, unique_ids = snapshot.octets, list(snapshot.unique_ids)
    shown = [octets[index] for index in indexes]
    part = _Part(
        shown, [unique_ids[index] for index in indexes], [received[index] for index in indexes], len(shown), sum(shown)
    )
    return NewerMaildrop(whole, part, indexes)
