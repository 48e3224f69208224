"""The archive as a whole: adding messages so that none is lost or doubled, and finding them again.

Adding, in this order: each message is written under tmp/ and made durable; its line goes to the log, durably: from
here on it is in the archive, whatever happens; its file is moved to its place; the index reads the log. Whoever writes
next finishes what a stopped writer left: a recorded message in tmp/ is moved, an unrecorded one removed, and the index
reads on.

Rules: an `Archive` may be used by several threads, one gets on at a time; several processes may write, one after the
other. Searching is in `search`, checking in `verify`, taking out in `export`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from pillarbox.archive import follow, index, log, objects, pages
from pillarbox.archive.errors import ArchiveDamaged, ArchiveError, ArchiveFull
from pillarbox.archive.layout import Layout, WriteLock

WAIT = 30.0
"""Seconds to wait for another writer, unless the caller says otherwise."""

_SEAL_OCTETS = 8 << 20  # of WAL
_FAR = 3.2e12  # seconds
_REBUILD = "`pillarbox archive verify --rebuild` makes the index again"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message to add.

    Attributes:
        source: its octets, or the file that holds them; they are kept exactly.
        account: where it came from, as the owner calls it; "" if that is not known.
        unique_id: what that place calls it (POP3's unique-id, a file name); "" if nothing.
        received: when it came in, in UTC seconds.
        take: nobody will write to the source file again, so that the archive may keep it with a link instead of a copy.
            It is left where it is.
    """

    source: Path | bytes
    account: str
    unique_id: str
    received: float
    take: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one.

    Attributes:
        sha256: by this the archive knows it.
        duplicate: its octets were there before; they were read and compared.
        restored: it was known, but its file was missing or damaged; now it is whole again.
    """

    sha256: bytes
    duplicate: bool
    restored: bool = False


class Archive:
    """A verifiable archive of messages in a directory. Use it as a context manager, or `close` it."""

    def __init__(self, layout: Layout, wait: float) -> None:
        """See `Archive.open`."""
        self.layout = layout
        self._lock = WriteLock(layout, wait)
        self._own = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._file = 0  # the index's inode: another process may have made a new one

    @classmethod
    def open(cls, path: str | Path, *, create: bool = False, wait: float = WAIT) -> Self:
        """Open the archive at `path`; with `create`, make it if there is none.

        Args:
            path: its directory.
            create: whether to make an empty one.
            wait: seconds to wait for another process that writes.

        Raises:
            ArchiveMissing: there is none.
            ArchiveError: it cannot be made or read.
        """
        layout = Layout(Path(path))
        if create:
            layout.create()
        layout.check()
        return cls(layout, wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything. What was acknowledged is durable in any case."""
        with self._own:
            if self._writer is not None:
                self._seal_if_possible()
            self._forget()

    @property
    def staging(self) -> Path:
        """A directory on the archive's file system for files to be added with `take`; they stay their makers'."""
        return self.layout.incoming

    def add(self, incoming: Incoming) -> Added:
        """Add one message; see `add_batch`, which costs much less for each."""
        return self.add_batch([incoming])[0]

    def add_batch(self, batch: Sequence[Incoming]) -> list[Added]:
        """Add messages: when this returns all of them are durable.

        Adding what is there already changes nothing; the same octets from another place are stored once, and both
        places are remembered. What is there already is read: where it is missing or damaged, the new octets take its
        place. After an exception some may have been added; adding all of them again is right.

        Raises:
            ArchiveBusy: another process went on writing.
            ArchiveFull: there is no room.
            ArchiveDamaged: the log or the index is not as it was left.
            ArchiveError: a source cannot be read, or the archive cannot be written.
        """
        if not batch:
            return []
        with self._own, self._writing() as writer:
            staged: list[bytes] = []
            try:
                records, added = self._staged(writer, batch, staged)
                fresh = {one.sha256 for one in added if not one.duplicate}
                objects.make_durable(self.layout, fresh)
                self._append(writer, records)
            except BaseException:
                objects.discard(self.layout, staged)
                raise
            objects.place(self.layout, fresh)
            objects.discard(self.layout, set(staged) - fresh)
            follow.catch_up(self.layout, writer)
            self._seal_if_large(writer)
            return added

    def contains(self, sha256: bytes) -> bool:
        """Whether a message with this SHA-256 is here and whole: its octets are read and compared.

        Raises:
            ArchiveDamaged: the index cannot be read.
        """
        with self.reading() as reader:
            return index.contains(reader, sha256) and objects.holds(self.layout, sha256)

    def path(self, sha256: bytes) -> Path:
        """The file that holds a message that is here; it is not to be changed.

        Raises:
            ArchiveDamaged: there is none.
        """
        return objects.where(self.layout, sha256)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The index to read from, up to date with the log unless another process is writing.

        Raises:
            ArchiveDamaged: it cannot be read.
        """
        with self._own:
            try:
                self._bring_up()
                yield self._opened_reader()
            except sqlite3.DatabaseError as error:
                raise _unusable(self.layout, error) from None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The index, with the archive's lock held, recovered and up to date.

        Raises:
            ArchiveError: as `add_batch`.
        """
        with self._own, self._writing() as writer:
            yield writer

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the archive's lock, without looking at the index.

        Raises:
            ArchiveError: it cannot be had.
        """
        with self._own, self._lock.held():
            yield

    def rebuild(self) -> int:
        """Make the index again, from the log and the messages; record whole messages that the log has lost.

        Searching finds less until it is done. If it is interrupted, whoever uses the archive next goes on with it.

        Returns:
            How many messages were recorded again. Where they came from is not known any more; the time of their file
            counts as when they came in.

        Raises:
            ArchiveError: as `add_batch`.
        """
        with self._own, self._lock.held():
            self._forget()
            for path in (self.layout.index, self.layout.wal, self.layout.shared_memory, self.layout.sums):
                path.unlink(missing_ok=True)
            try:
                writer = self._opened_writer()
                follow.catch_up(self.layout, writer, past_damage=True)
                records = self._lost(writer)
                self._append(writer, records)
                follow.catch_up(self.layout, writer)
                writer.execute("INSERT INTO words (words) VALUES ('optimize')")
                pages.seal(writer, self.layout.index, self.layout.sums)
            except sqlite3.DatabaseError as error:
                raise _unusable(self.layout, error) from None
            return len(records)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock.held():
            try:
                writer = self._opened_writer()
                follow.catch_up(self.layout, writer)
                objects.recover(self.layout, lambda digest: index.contains(writer, digest))
                yield writer
            except sqlite3.DatabaseError as error:
                raise _unusable(self.layout, error) from None

    def _opened_writer(self) -> sqlite3.Connection:
        self._notice_new_index()
        if self._writer is None:
            try:
                self._writer = index.connect(self.layout.index, write=True)
            except OSError as error:
                raise objects.cannot_write(self.layout, error) from None
            self._opened_reader()
        return self._writer

    def _opened_reader(self) -> sqlite3.Connection:
        self._notice_new_index()
        if self._reader is None:
            self._reader = index.connect(self.layout.index, write=False)
            self._file = self.layout.index.stat().st_ino
        return self._reader

    def _notice_new_index(self) -> None:
        if self._reader is not None and (
            not self.layout.index.exists() or self.layout.index.stat().st_ino != self._file
        ):
            self._forget()

    def _forget(self) -> None:
        # The reader goes last: see `index.connect`.
        reader, writer = self._reader, self._writer
        self._reader = self._writer = None
        for connection in (writer, reader):
            if connection is not None:
                connection.close()

    def _bring_up(self) -> None:
        """Let the index read the log, if it can be written and nobody is writing."""
        try:
            if self.layout.index.exists() and not self._is_behind(self._opened_reader()):
                return
        except sqlite3.OperationalError:
            pass  # half made: writing makes it whole
        try:
            with self._writing():
                pass
        except ArchiveDamaged:
            raise
        except ArchiveError:
            if not self.layout.index.exists():
                raise

    def _is_behind(self, connection: sqlite3.Connection) -> bool:
        return index.position(connection).octets != self.layout.log.stat().st_size

    def _staged(
        self, writer: sqlite3.Connection, batch: Sequence[Incoming], staged: list[bytes]
    ) -> tuple[list[log.Record], list[Added]]:
        """Bring all under tmp/ (their digests go to `staged`); the records the log lacks, and what to tell of each."""
        records: dict[tuple[str, str, str], log.Record] = {}
        added: list[Added] = []
        fresh: set[bytes] = set()
        for item in batch:
            stored = objects.stage(self.layout, item.source, take=item.take)
            staged.append(stored.sha256)
            known = index.contains(writer, stored.sha256)
            # Who hears "duplicate" deletes the message elsewhere: so the octets are looked at, not only the index.
            duplicate = stored.sha256 in fresh or (known and objects.holds(self.layout, stored.sha256))
            added.append(Added(stored.sha256, duplicate, restored=known and not duplicate))
            account, unique_id = index.storable(item.account), index.storable(item.unique_id)
            record = log.Record(stored.sha256.hex(), stored.size, account, unique_id, _moment(item.received))
            if not (known or duplicate):
                record = msgspec.structs.replace(record, block=stored.block, sums=stored.sums.hex())
            if not duplicate:
                fresh.add(stored.sha256)
            if not (known and index.has_origin(writer, record)):
                records.setdefault((record.sha256, account, unique_id), record)
        return list(records.values()), added

    def _lost(self, writer: sqlite3.Connection) -> list[log.Record]:
        """Records for the whole messages that the log does not know."""
        records: dict[str, log.Record] = {}
        for path in objects.found(self.layout):
            digest = objects.named(self.layout, path)
            if digest is not None and not index.contains(writer, digest):
                record = objects.unrecorded(path, digest)
                if record is not None:
                    records[record.sha256] = record
        return list(records.values())

    def _append(self, writer: sqlite3.Connection, records: Sequence[log.Record]) -> None:
        if not records:
            return
        place = index.position(writer)
        lines, chain = bytearray(), place.chain
        for record in records:
            line, chain = log.encode(record, chain)
            lines += line
        try:
            log.append(self.layout.log, bytes(lines), place.octets)
        except OSError as error:
            raise objects.cannot_write(self.layout, error) from None

    def _seal_if_large(self, writer: sqlite3.Connection) -> None:
        wal = self.layout.wal
        if wal.exists() and wal.stat().st_size >= _SEAL_OCTETS:
            pages.seal(writer, self.layout.index, self.layout.sums)

    def _seal_if_possible(self) -> None:
        try:
            with self._lock.held():
                self._notice_new_index()
                if self._writer is not None:
                    pages.seal(self._writer, self.layout.index, self.layout.sums)
        except (ArchiveError, OSError, sqlite3.Error):
            pass  # the WAL stays, and whoever writes next seals it


def _moment(seconds: float) -> float:
    """A moment that JSON and calendars can hold: within a hundred thousand years, or 0."""
    return seconds if abs(seconds) < _FAR else 0.0  # also for what is no number


def _unusable(layout: Layout, error: sqlite3.DatabaseError) -> ArchiveError:
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
        return ArchiveFull(f"{layout.index}: no room; nothing that was acknowledged is lost. Make room and try again")
    return ArchiveDamaged(f"{layout.index} cannot be used ({error}); {_REBUILD}")
