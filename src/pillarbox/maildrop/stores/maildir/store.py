"""The Maildir store: opens a Maildir, which takes its lock and fixes the snapshot.

Rules: where nothing changed since the last session, an opening reads one file and writes none. Where something did,
only the directories that changed are listed, and only files that are new are read. A Maildir that does not exist is
an empty one and is not made. Nothing is opened before it is needed, so a store may be made before a fork.

Serves RFC 1939 §4; the opened Maildir is in `opened`.
"""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.events import MessagesHidden, Sink, UpdateResumed, Warned
from pillarbox.maildrop.errors import MaildropUnavailable
from pillarbox.maildrop.maildrop import Lease
from pillarbox.maildrop.stores.maildir import directory as files
from pillarbox.maildrop.stores.maildir import imports, unique_ids, update
from pillarbox.maildrop.stores.maildir import index as indexes
from pillarbox.maildrop.stores.maildir.directory import CUR, NEW, Stamp
from pillarbox.maildrop.stores.maildir.imports import Source
from pillarbox.maildrop.stores.maildir.index import EMPTY, Index
from pillarbox.maildrop.stores.maildir.lock import Flock, Held, Identity, Locks
from pillarbox.maildrop.stores.maildir.opened import INLINE_INDEX, MaildirMaildrop, Shared
from pillarbox.maildrop.stores.maildir.scan import Scan, UniqueIdRule
from pillarbox.maildrop.stores.maildir.work import Threads, Worker

_INLINE_DIRECTORY = 64 * 1024  # octets of a directory that is listed on the loop: some hundred messages
_INLINE_FILES = 4  # new messages that are read on the loop: they were delivered a moment ago and are in memory
HINTS_FROM = 1000  # fewer new messages are read: exact, and quick, for they were delivered a moment ago
_BATCH = 256  # messages read in one piece of work, so that other sessions get their turn
_SAVED_EVERY = 4096  # messages read before an unfinished index is saved, so that a client that gives up costs nothing
_CACHED_OCTETS = 64 << 20  # of indexes that cannot be saved
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class _Rule:
    """Gives unique-ids (see `unique_ids`). `stored` is False where the imported ones could not be made durable."""

    imported: dict[bytes, bytes]
    taken: frozenset[bytes]
    stored: bool = True

    def __call__(self, base: str) -> bytes | None:
        if not self.stored and os.fsencode(base) not in self.imported:
            return None
        return unique_ids.unique_id(base, self.imported, self.taken)


class MaildirStore:
    """See `Store`. The name of a maildrop is the absolute path of its Maildir."""

    def __init__(
        self,
        sink: Sink,
        *,
        clock: Callable[[], float],
        mark_seen: bool = False,
        must_exist: bool = False,
        source: Source | None = None,
        dovecot_format: str = "%08Xu%08Xv",
        threads: int = 4,
        hints_from: int = HINTS_FROM,
        flock: Flock | None = None,
        step: update.Step = update.no_step,
    ) -> None:
        """Make a store; nothing is opened yet.

        Args:
            sink: takes `MessagesHidden`, `UpdateResumed` and `Warned`.
            clock: UTC seconds.
            must_exist: whether a Maildir that is not there is an error instead of an empty maildrop.
            mark_seen: whether UPDATE gives retrieved messages the flag S (P24).
            source: whose unique-ids to take over once from each Maildir (P29).
            dovecot_format: Dovecot's `pop3_uidl_format` of that time.
            threads: at most so many, for what may wait for a disk.
            hints_from: sizes in file names are believed when more messages than this are new.
            flock: instead of `fcntl.flock`.
            step: told each step of an UPDATE.

        Raises:
            ValueError: `dovecot_format` has something that is not known here.
        """
        imports.check_dovecot_format(dovecot_format)
        self._sink = sink
        self._clock = clock
        self._source = source
        self._dovecot_format = dovecot_format
        self._hints_from = hints_from
        self._must_exist = must_exist
        locks = Locks() if flock is None else Locks(flock)
        self._shared = Shared(sink, locks, Threads(threads), mark_seen, step)
        self._unsaved: OrderedDict[Identity, Index] = OrderedDict()
        self._told_of_lock = False

    async def open(
        self, maildrop: str, session: str, *, utf8: bool = False, read_only: bool = False
    ) -> MaildirMaildrop:
        """See `Store.open`."""
        now = self._clock()
        lease = Lease(f"process {os.getpid()}", session, now)
        worker = Worker(self._shared.threads)
        root = files.open_root(maildrop)
        held = None
        index = EMPTY
        if root is None and self._must_exist:
            raise MaildropUnavailable(f"{maildrop}: there is no Maildir (is its disk mounted?)")
        if root is not None:
            try:
                held = self._shared.locks.acquire(root, session, now)
            except BaseException:
                os.close(root)
                raise
            try:
                index = await self._index(maildrop, root, held, worker, now)
            except BaseException:
                worker.when_idle(self._close, root, held)
                raise
        return MaildirMaildrop(self._shared, maildrop, root, held, worker, index, lease, utf8=utf8, read_only=read_only)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._shared.threads.close()
        self._unsaved.clear()

    def _close(self, root: int, held: Held | None) -> None:
        if held is not None:
            self._shared.locks.release(held)
        os.close(root)

    async def _index(self, path: str, root: int, held: Held, worker: Worker, now: float) -> Index:
        """The index of a Maildir as it is now."""
        if held.descriptor is not None and not self._told_of_lock:
            self._told_of_lock = True
            text = f"{path}: this file system cannot lock a directory; a lock file is used (is it NFS?)"
            self._sink.emit(Warned(about="lock", text=text))
        if os.access(files.INTENT_FILE, os.F_OK, dir_fd=root):
            removed = await worker.run(update.resume, root)
            if removed is not None:
                self._sink.emit(UpdateResumed(maildrop=path, removed=removed))
        new, new_size = files.examine(root, NEW)
        cur, cur_size = files.examine(root, CUR)
        old = await self._known(root, held.identity, worker)
        if old is not None and (old.imported or self._source is None):
            if old.stamps == (new, cur):
                return old
        elif self._source is not None:
            old = None  # its unique-ids are ours, not yet the other server's
        size = max(new_size, cur_size, 0 if old is None else len(old.raw) >> 1)
        return await self._scan(path, root, held, worker, (old, (new, cur), size), now)

    async def _known(self, root: int, identity: Identity, worker: Worker) -> Index | None:
        """What was known after the last session."""
        found = indexes.find(root)
        if found is not None:
            index = indexes.load(*found) if found[1] <= INLINE_INDEX else await worker.run(indexes.load, *found)
            if index is not None:
                return index
        return self._unsaved.get(identity)

    async def _scan(
        self,
        path: str,
        root: int,
        held: Held,
        worker: Worker,
        known: tuple[Index | None, tuple[Stamp, Stamp], int],
        started: float,
    ) -> Index:
        """Look at what changed."""
        old, stamps, size = known
        inline = size <= _INLINE_DIRECTORY
        rule, imported = self._rule(root) if inline and self._source is None else await worker.run(self._rule, root)
        scan = Scan(root, old, stamps, rule, self._hints_from)
        if imported:
            scan.mark_imported()
        if inline:
            scan.look()
        else:
            await worker.run(scan.look)
        if 0 < scan.pending <= _INLINE_FILES:
            scan.read(scan.pending)
        read = 0
        while scan.pending:
            await worker.run(scan.read, _BATCH)
            read += _BATCH
            if read % _SAVED_EVERY == 0 and scan.pending:
                await worker.run(lambda: indexes.save(root, scan.result(started)))
        index = scan.result(started) if inline else await worker.run(scan.result, started)
        if stamps == (files.MISSING, files.MISSING):
            return index  # no `new` and no `cur`: nothing is written into what may be no Maildir at all
        if scan.changed or old is None or index.stamps != old.stamps:
            saved = (
                indexes.save(root, index)
                if len(index.raw) <= INLINE_INDEX
                else await worker.run(indexes.save, root, index)
            )
            self._remember(held.identity, None if saved else index)
        self._report(path, scan.hidden)
        return index

    def _rule(self, root: int) -> tuple[UniqueIdRule, bool]:
        """How messages get their unique-ids here, and whether another server's were looked for."""
        imported = unique_ids.load(root)
        stored = True
        if imported is None and self._source is not None:
            try:
                imported = imports.read_list(root, self._source, self._dovecot_format)
            except OSError as error:
                raise files.unavailable(error, self._source.file) from error
            try:
                unique_ids.save(root, imported)
            except OSError:
                stored = False
        found = imported or {}
        return _Rule(found, frozenset(found.values()), stored), imported is not None and stored

    def _remember(self, identity: Identity, index: Index | None) -> None:
        """Keep an index that could not be saved: a read-only Maildir, a full disk."""
        self._unsaved.pop(identity, None)
        if index is not None:
            self._unsaved[identity] = index
        while self._unsaved and sum(len(each.raw) for each in self._unsaved.values()) > _CACHED_OCTETS:
            self._unsaved.popitem(last=False)

    def _report(self, path: str, hidden: list[tuple[str, str]]) -> None:
        for reason, count in Counter(reason for _, reason in hidden).items():
            examples = [ascii(name)[1:-1] for name, why in hidden if why == reason][:_EXAMPLES]
            self._sink.emit(MessagesHidden(maildrop=path, count=count, examples=examples, reason=reason))
