"""One opened Maildir: reads the messages of its snapshot, enters UPDATE, gives the lock back.

Rules: what the kernel has in memory is read at once, on the loop; anything that may wait for a disk is done in a
thread. The snapshot never changes: a message that got other flags or was moved to `cur` is found again by its base
name, one that is gone or altered is `MessageGone` (P19). One descriptor is held while a session idles, the directory's.

Serves RFC 1939 §5 and §6 for Maildirs; opening is in `store`, removing in `update`.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pillarbox.events import Sink, Warned
from pillarbox.maildrop.errors import (
    MaildropReplaced,
    MaildropUnavailable,
    MessageGone,
    PartlyCommitted,
    ReadOnly,
)
from pillarbox.maildrop.maildrop import Facts, Form, Lease, Piece, Shape
from pillarbox.maildrop.stores.maildir import directory as files
from pillarbox.maildrop.stores.maildir import index as indexes
from pillarbox.maildrop.stores.maildir import update
from pillarbox.maildrop.stores.maildir.directory import CUR, DIRECTORIES, NEW
from pillarbox.maildrop.stores.maildir.index import Index, IndexSnapshot
from pillarbox.maildrop.stores.maildir.lock import Held, Locks
from pillarbox.maildrop.stores.maildir.scan import READ_SIZE, chunks
from pillarbox.maildrop.stores.maildir.work import Threads, Worker, take_result
from pillarbox.maildrop.wire_form import examine

_KNOWN = int(Shape.KNOWN)
_UNTERMINATED = int(Shape.UNTERMINATED)
_NO_NOWAIT = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
INLINE_INDEX = 1 << 20
"""Octets of an index that are read or written on the loop: about a millisecond. A larger one goes to a thread."""


@dataclass(slots=True)
class Shared:
    """What all opened Maildirs of one store have in common.

    Attributes:
        nowait: whether reading only what is in memory works here; file systems that cannot do it turn it off.
        step: told each step of an UPDATE.
    """

    sink: Sink
    locks: Locks
    threads: Threads
    mark_seen: bool
    step: update.Step
    nowait: bool = True


class MaildirMaildrop:
    """See `Maildrop`."""

    __slots__ = (
        "_directories",
        "_file",
        "_forgotten",
        "_held",
        "_index",
        "_learned",
        "_names",
        "_path",
        "_places",
        "_read_only",
        "_root",
        "_shared",
        "_snapshot",
        "_update",
        "_worker",
        "lease",
        "utf8",
    )

    def __init__(
        self,
        shared: Shared,
        path: str,
        root: int | None,
        held: Held | None,
        worker: Worker,
        index: Index,
        lease: Lease,
        *,
        utf8: bool,
        read_only: bool,
    ) -> None:
        self.lease = lease
        self.utf8 = utf8
        self._shared = shared
        self._path = path
        self._root = root
        self._held = held
        self._worker = worker
        self._index = index
        self._read_only: bool | None = True if read_only else None
        self._snapshot = IndexSnapshot(index, utf8=utf8)
        self._names: list[str] | None = None
        self._places: dict[str, list[tuple[int, str]]] | None = None  # where messages are that were not where they were
        self._directories: dict[int, int] = {}
        self._file: tuple[int, int, Facts] | None = None  # the message being read: index, descriptor, facts
        self._learned: dict[int, Facts] = {}
        self._forgotten: set[int] = set()
        self._update: asyncio.Task[int] | None = None

    @property
    def read_only(self) -> bool:
        """See `Maildrop.read_only`. Found out when it is first asked: most sessions delete nothing."""
        if self._read_only is None:
            root = self._root
            # A directory that is not there any more is not protected: that is for UPDATE to find out (P20).
            self._read_only = root is not None and any(
                os.access(name, os.F_OK, dir_fd=root)
                and not os.access(name, os.W_OK | os.X_OK, dir_fd=root, effective_ids=True)
                for name in DIRECTORIES
            )
        return self._read_only

    async def list(self) -> IndexSnapshot:
        """See `Maildrop.list`."""
        return self._snapshot

    async def read(self, index: int, start: int, stop: int) -> Piece:
        """See `Maildrop.read`."""
        file = self._file
        if file is None or file[0] != index:
            file = await self._open(index)
        _, descriptor, facts = file
        stop = min(stop, facts.size)
        data = await self._octets(index, descriptor, start, max(0, stop - start))
        end = stop >= facts.size
        if end:
            self._close_file()
        return Piece(data, Form.STORED, facts, end)

    async def commit(self, marked: Collection[int], retrieved: Collection[int] = ()) -> int:
        """See `Maildrop.commit`."""
        if self._update is None:
            if self._held is None and (marked or self._root is not None):
                raise MaildropUnavailable("the maildrop was released")
            if marked and self.read_only:
                raise ReadOnly("the maildrop cannot be changed")
            seen = [at for at in retrieved if at not in marked] if self._shared.mark_seen else []
            if not marked and (not seen or self.read_only):
                return 0
            self._update = asyncio.create_task(self._enter_update(sorted(marked), seen))
            self._update.add_done_callback(take_result)
        try:
            # Whatever happens to the session now, the client asked for this with QUIT.
            return await asyncio.shield(self._update)
        except PartlyCommitted:
            raise
        except (MaildropUnavailable, ReadOnly):
            self._update = None  # nothing was removed: it may be tried again
            raise

    async def release(self) -> None:
        """See `Maildrop.release`."""
        if self._held is None:
            return
        held, self._held = self._held, None
        root, self._root = self._root, None
        if self._update is not None:
            await asyncio.wait([self._update])
        try:
            if root is not None and (self._learned or self._forgotten):
                await self._save(root)
        finally:
            self._worker.when_idle(self._close, root, held)
            await self._worker.idle()

    # ---- reading ------------------------------------------------------------------------------------------------

    async def _open(self, index: int) -> tuple[int, int, Facts]:
        """Open the file of a message, wherever it is now, and know its facts."""
        self._close_file()
        try:
            try:
                descriptor, status = self._open_at(*self._place(index))
            except FileNotFoundError:
                descriptor, status = await self._open_elsewhere(index)
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise files.unavailable(error, "reading a message") from error
            if error.errno == errno.ELOOP:
                raise MessageGone(index, "not a regular file") from error
            raise MessageGone(index, os.strerror(error.errno or errno.EIO)) from error
        facts = self._learned.get(index) or self._index.facts(index)
        # From here on `release` closes the descriptor, also when this call is cancelled.
        self._file = (-1, descriptor, facts)
        if not int(facts.shape) & _KNOWN:
            facts = await self._learn(index, descriptor, status, facts)
        elif facts.version != files.content_version(status):
            # Written to, replaced or restored: what was known of it may let a line through that has to be stuffed.
            facts = await self._look_again(index, descriptor, status, facts)
        if facts.size != status.st_size:
            raise self._altered(index)
        self._file = (index, descriptor, facts)
        return self._file

    def _place(self, index: int) -> tuple[int, str]:
        if self._names is None:
            self._names = self._index.names()
        name = self._names[index]
        if self._places is not None and (moved := self._places.get(files.base_name(name))):
            return moved[0]
        return self._index.directory(index), name

    def _open_at(self, number: int, name: str) -> tuple[int, os.stat_result]:
        descriptor = self._directories.get(number)
        if descriptor is None:
            if self._root is None:
                raise MaildropUnavailable("the maildrop was released")
            opened = files.open_directory(self._root, number)
            if opened is None:
                raise FileNotFoundError
            descriptor = self._directories[number] = opened
        return files.open_file(descriptor, name)

    async def _open_elsewhere(self, index: int) -> tuple[int, os.stat_result]:
        """Open a message that is not where it was: it got other flags, or is gone."""
        if self._root is None:
            raise MaildropUnavailable("the maildrop was released")
        names = self._names or []
        bases = {files.base_name(name) for name in names}
        self._places = await self._worker.run(files.locate, self._root, bases)
        found = self._places.get(files.base_name(names[index]))
        if not found:
            raise MessageGone(index)
        try:
            return self._open_at(*found[0])
        except FileNotFoundError:
            raise MessageGone(index) from None

    async def _examine(self, index: int, descriptor: int, status: os.stat_result) -> Facts:
        if status.st_size <= READ_SIZE:
            facts = examine([await self._octets(index, descriptor, 0, status.st_size)])
        else:
            facts = await self._worker.run(lambda: examine(chunks(descriptor)))
        return facts._replace(version=files.content_version(status))

    async def _look_again(self, index: int, descriptor: int, status: os.stat_result, known: Facts) -> Facts:
        facts = await self._examine(index, descriptor, status)
        if (facts.size, facts.octets, facts.surrogate) != (known.size, known.octets, known.surrogate):
            raise self._altered(index)  # P3: what was listed is no longer what would be sent
        self._learned[index] = facts
        return facts

    def _altered(self, index: int) -> MessageGone:
        self._forgotten.add(index)
        self._close_file()
        return MessageGone(index, "altered by another program")

    async def _learn(self, index: int, descriptor: int, status: os.stat_result, hint: Facts) -> Facts:
        """The facts of a message whose file name told its sizes only."""
        facts = await self._examine(index, descriptor, status)
        self._learned[index] = facts
        # P4: some programs do not count the last line ending that is missing.
        expected = {facts.octets, facts.octets - 2} if int(facts.shape) & _UNTERMINATED else {facts.octets}
        if hint.size != facts.size or hint.octets not in expected:
            name = "" if self._names is None else self._names[index]
            text = f"{self._path}: {name!a} has {facts.size} octets, {facts.octets} in CRLF form; its name is wrong"
            self._shared.sink.emit(Warned(about="size-hint", text=text))
        return facts

    async def _octets(self, index: int, descriptor: int, start: int, length: int) -> bytearray:
        """Octets of an open message: what is in memory at once, the rest in a thread."""
        data = bytearray(length)
        got = 0
        if self._shared.nowait and length:
            try:
                got = os.preadv(descriptor, [data], start, os.RWF_NOWAIT)
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno not in _NO_NOWAIT:
                    raise MessageGone(index, os.strerror(error.errno or errno.EIO)) from error
                self._shared.nowait = False
        if got < length:
            try:
                got = await self._worker.run(_fill, descriptor, data, start, got)
            except OSError as error:
                raise MessageGone(index, os.strerror(error.errno or errno.EIO)) from error
        if got < length:
            raise self._altered(index)
        return data

    def _close_file(self) -> None:
        if self._file is not None:
            descriptor = self._file[1]
            self._file = None
            self._worker.when_idle(os.close, descriptor)

    # ---- UPDATE and the end -------------------------------------------------------------------------------------

    async def _enter_update(self, marked: Sequence[int], seen: Sequence[int]) -> int:
        victims = [self._place(at) for at in marked]
        kept = [self._place(at) for at in seen]
        root = self._root
        if root is None:
            raise MaildropUnavailable("the maildrop was released")
        return await self._worker.run(self._update_now, root, victims, kept)

    def _update_now(self, root: int, victims: Sequence[tuple[int, str]], seen: Sequence[tuple[int, str]]) -> int:
        """The UPDATE itself, in a thread."""
        self._check_not_replaced(root)
        outcome = update.Outcome()
        if victims:
            outcome = update.remove(root, victims, self.lease.session, self._shared.step)
        if seen:
            update.mark_seen(root, seen)
        if outcome.failed:
            raise PartlyCommitted(outcome.removed, outcome.failed, os.strerror(outcome.error))
        return outcome.removed

    def _check_not_replaced(self, root: int) -> None:
        """P20: the path must still lead to the directories that were opened."""
        reason = "the maildrop was removed or replaced during the session"
        try:
            status, held = os.stat(self._path), os.fstat(root)
            here = [files.examine(root, number)[0] for number in (NEW, CUR)]
        except (OSError, MaildropUnavailable) as error:
            raise MaildropReplaced(reason) from error
        if (status.st_dev, status.st_ino) != (held.st_dev, held.st_ino):
            raise MaildropReplaced(reason)
        for now, before in zip(here, self._index.stamps, strict=True):
            if before != files.MISSING and now[2:] != before[2:]:
                raise MaildropReplaced(reason)

    async def _save(self, root: int) -> None:
        """Keep what was learned for the next session."""
        save: Callable[[], bool] = lambda: indexes.save(  # noqa: E731 - called here or in a thread
            root, self._index.revised(self._learned, self._forgotten)
        )
        if len(self._index.raw) <= INLINE_INDEX:
            save()
        else:
            await self._worker.run(save)

    def _close(self, root: int | None, held: Held) -> None:
        self._close_file()
        for descriptor in self._directories.values():
            os.close(descriptor)
        self._directories.clear()
        self._shared.locks.release(held)
        if root is not None:
            os.close(root)


def _fill(descriptor: int, data: bytearray, start: int, got: int) -> int:
    """Read the rest of `data`; how many octets it has now."""
    while got < len(data):
        count = os.preadv(descriptor, [memoryview(data)[got:]], start + got)
        if not count:
            break
        got += count
    return got
