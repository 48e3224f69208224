"""The sidecar index: what is known of a Maildir's messages, so that an opening where nothing changed reads one file.

Rules: it is a cache and nothing else: deleting it costs time only, and what is not checked in full is not believed. It
is read with one system call into one `bytes` (a mapped file that its owner truncates would kill the process) and
decoded column by column, only where a column is asked for. It is replaced by renaming, under the Maildir's lock.

Layout, in the machine's byte order: magic, checksum of all that follows, byte order mark, counts, totals, the stamps
of `new` and `cur`; then the columns of `_WIDE` (8 octets each), `shape` and `directory` (1 octet each); then the file
names and, only where they are not what the names say, the unique-ids, both separated by NUL.
"""

from __future__ import annotations

import itertools
import os
import stat
import struct
import zlib
from array import array
from collections.abc import Collection, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from pillarbox.maildrop.maildrop import Facts
from pillarbox.maildrop.stores.maildir.directory import INDEX_FILE, MISSING, UNTRUSTED, Stamp, base_name, delivery_order
from pillarbox.maildrop.wire_form import SHAPES

T = TypeVar("T")

_MAGIC = b"PBXINDX2"
_ORDER = 0x01020304
_PREFIX = struct.Struct("=8sI")
# order mark, imported, count, octets, surrogate octets, stamps of new and cur, length of the names and of the ids
_HEADER = struct.Struct("=8sIIIQQQqqQQqqQQQQ")
_NUMBER = struct.Struct("=Q")
_FLAGS = b":2,"
_WIDE = ("octets", "surrogate", "size", "header", "version")
_TEMPORARY = INDEX_FILE + ".tmp"
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Rows:
    """The contents of an index, to be changed: columns of equal length, in the order of message numbers.

    Attributes:
        names: file names with flags, as `os.fsdecode` gives them.
        directories: `NEW` or `CUR` for each.
        unique_ids: None while all of them are the base names.
        stamps: of `new` and `cur`.
        imported: whether another server's unique-ids were taken over.
    """

    names: list[str] = field(default_factory=list)
    directories: bytearray = field(default_factory=bytearray)
    octets: array[int] = field(default_factory=lambda: array("Q"))
    surrogate: array[int] = field(default_factory=lambda: array("Q"))
    size: array[int] = field(default_factory=lambda: array("Q"))
    header: array[int] = field(default_factory=lambda: array("Q"))
    version: array[int] = field(default_factory=lambda: array("Q"))
    shape: bytearray = field(default_factory=bytearray)
    unique_ids: list[bytes] | None = None
    stamps: tuple[Stamp, Stamp] = (MISSING, MISSING)
    imported: bool = False

    def remove(self, positions: Collection[int]) -> None:
        """Take some messages out."""
        for at in sorted(positions, reverse=True):
            for column in self.columns():
                del column[at]

    def insert(self, at: Sequence[int], values: Sequence[tuple[str, int, Facts, bytes]]) -> None:
        """Put messages in: name, directory, facts and unique-id of each, before the rows with the positions `at`."""
        if self.unique_ids is None and any(value[3] != os.fsencode(base_name(value[0])) for value in values):
            self.unique_ids = [os.fsencode(base_name(name)) for name in self.names]
        _insert(self.names, at, [value[0] for value in values])
        _insert(self.directories, at, [value[1] for value in values])
        _insert(self.octets, at, [value[2].octets for value in values])
        _insert(self.surrogate, at, [value[2].surrogate for value in values])
        _insert(self.size, at, [value[2].size for value in values])
        _insert(self.header, at, [value[2].header for value in values])
        _insert(self.version, at, [value[2].version for value in values])
        _insert(self.shape, at, [int(value[2].shape) for value in values])
        if self.unique_ids is not None:
            _insert(self.unique_ids, at, [value[3] for value in values])

    def columns(self) -> list[MutableSequence[Any]]:  # Any: each column has its own type
        """All columns that are there."""
        ids: list[MutableSequence[Any]] = [] if self.unique_ids is None else [self.unique_ids]
        return [self.names, self.directories, *self._wide(), self.shape, *ids]

    def _wide(self) -> tuple[array[int], ...]:
        """The columns of `_WIDE`, in its order."""
        return self.octets, self.surrogate, self.size, self.header, self.version

    def encode(self) -> bytes:
        """The index as octets."""
        names = os.fsencode("\0".join(self.names))
        ids = b"\0".join(self.unique_ids) if self.unique_ids is not None else b""
        totals = (sum(self.octets), sum(self.surrogate))
        fixed = (_ORDER, self.imported, len(self.names), *totals, *self.stamps[0], *self.stamps[1])
        header = _HEADER.pack(_MAGIC, 0, *fixed, len(names), len(ids))[_PREFIX.size :]
        columns: tuple[array[int] | bytearray, ...] = (*self._wide(), self.shape, self.directories)
        parts = (header, *columns, names, ids)
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        return b"".join((_PREFIX.pack(_MAGIC, checksum), *parts))


def _insert(column: MutableSequence[T], at: Sequence[int], values: Sequence[T]) -> None:
    """Put values in before the given ascending positions, in one pass."""
    if not values:
        return
    start = at[0]
    tail = column[start:]
    del column[start:]
    done = start
    for position, value in zip(at, values, strict=True):
        column.extend(tail[done - start : position - start])
        column.append(value)
        done = position
    column.extend(tail[done - start :])


class Index:
    """A checked index. Immutable; 0-based. Keeps one `bytes` and decodes what is asked for."""

    __slots__ = ("_columns", "_names", "count", "imported", "raw", "stamps", "surrogate_total", "total")

    def __init__(self, raw: bytes) -> None:
        """Check and take the octets of an index.

        Raises:
            ValueError: they are not an index, or not a whole one.
        """
        if len(raw) < _HEADER.size:
            raise ValueError("too short")
        fields = _HEADER.unpack_from(raw)
        magic, checksum, order, imported = fields[:4]
        self.count: int = fields[4]
        self.total: int = fields[5]
        self.surrogate_total: int = fields[6]
        if magic != _MAGIC or order != _ORDER:
            raise ValueError("not an index of this version")
        names, ids = fields[15:]
        self._columns: int = _HEADER.size
        self._names: int = self._columns + (8 * len(_WIDE) + 2) * self.count
        if self._names + names + ids != len(raw):
            raise ValueError("wrong length")
        if zlib.crc32(memoryview(raw)[_PREFIX.size :]) != checksum:
            raise ValueError("wrong checksum")
        # No name leads out of its directory, whoever wrote this.
        if raw.find(b"/", self._names, self._names + names) >= 0:
            raise ValueError("a name with a slash")
        self.raw: bytes = raw
        self.imported = bool(imported)
        self.stamps: tuple[Stamp, Stamp] = (fields[7:11], fields[11:15])

    def column(self, name: str) -> memoryview:
        """One of the columns of 8 octets, as integers."""
        start = self._columns + _WIDE.index(name) * 8 * self.count
        return memoryview(self.raw)[start : start + 8 * self.count].cast("Q")

    def facts(self, at: int) -> Facts:
        """The facts of one message."""
        count, raw = self.count, self.raw
        start = self._columns + 8 * at
        octets, surrogate, size, header, version = (
            _NUMBER.unpack_from(raw, start)[0],
            _NUMBER.unpack_from(raw, start + 8 * count)[0],
            _NUMBER.unpack_from(raw, start + 16 * count)[0],
            _NUMBER.unpack_from(raw, start + 24 * count)[0],
            _NUMBER.unpack_from(raw, start + 32 * count)[0],
        )
        shape = SHAPES[raw[self._columns + 40 * count + at] & 63]
        return Facts(size, octets, header, surrogate, shape, version)

    def directory(self, at: int) -> int:
        """`NEW` or `CUR`."""
        return 1 if self.raw[self._columns + 41 * self.count + at] else 0

    def names(self) -> list[str]:
        """The file names. A new list every time."""
        return os.fsdecode(self._name_octets()).split("\0") if self.count else []

    def unique_ids(self) -> list[bytes]:
        """The unique-ids. A new list every time."""
        if not self.count:
            return []
        start, end, names = self.unique_id_octets()
        ids = self.raw[start:end].split(b"\0")
        return [name.partition(_FLAGS)[0] for name in ids] if names and self.raw.find(_FLAGS, start, end) >= 0 else ids

    def unique_id_octets(self) -> tuple[int, int, bool]:
        """Where in `raw` the unique-ids are, separated by NUL; and whether they are file names, which have flags."""
        start = self._names + int(_HEADER.unpack_from(self.raw)[15])
        return (start, len(self.raw), False) if start < len(self.raw) else (self._names, start, True)

    def rows(self) -> Rows:
        """A copy to be changed."""
        octets, surrogate, size, header, version = (array("Q", self.column(name).tobytes()) for name in _WIDE)
        shapes = self._columns + 40 * self.count
        own_ids = len(self.raw) > self._names + len(self._name_octets())
        return Rows(
            self.names(),
            bytearray(self.raw[shapes + self.count : shapes + 2 * self.count]),
            octets,
            surrogate,
            size,
            header,
            version,
            bytearray(self.raw[shapes : shapes + self.count]),
            self.unique_ids() if own_ids else None,
            self.stamps,
            self.imported,
        )

    def revised(self, learned: Mapping[int, Facts], forgotten: Collection[int]) -> Index:
        """This index with what was learned of some messages, and without those that have to be looked at again."""
        rows = self.rows()
        for at, facts in learned.items():
            rows.octets[at] = facts.octets
            rows.surrogate[at] = facts.surrogate
            rows.size[at] = facts.size
            rows.header[at] = facts.header
            rows.version[at] = facts.version
            rows.shape[at] = int(facts.shape)
        if forgotten:
            rows.remove(forgotten)
            rows.stamps = ((UNTRUSTED, *self.stamps[0][1:]), (UNTRUSTED, *self.stamps[1][1:]))
        return Index(rows.encode())

    def _name_octets(self) -> bytes:
        length = _HEADER.unpack_from(self.raw)[15]
        return self.raw[self._names : self._names + length]


class UniqueIds(Sequence[bytes]):
    """The unique-ids of an index: one is read where it stands, all of them by iterating, with a new list every time."""

    __slots__ = ("_ends", "_index", "_names", "_start")

    def __init__(self, index: Index) -> None:
        self._index = index
        self._start, _, self._names = index.unique_id_octets()
        self._ends: array[int] | None = None

    def __len__(self) -> int:
        return self._index.count

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._index.unique_ids())

    @overload
    def __getitem__(self, at: int) -> bytes: ...

    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...

    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return self._index.unique_ids()[at]
        raw = self._index.raw
        if self._ends is None:
            _, end, _ = self._index.unique_id_octets()
            # Once: whoever asks for one asks for more of them.
            self._ends = array("Q", itertools.accumulate(len(one) + 1 for one in raw[self._start : end].split(b"\0")))
        at = range(self._index.count)[at]
        start = self._start + (self._ends[at - 1] if at else 0)
        found = raw[start : self._start + self._ends[at] - 1]
        return found.partition(_FLAGS)[0] if self._names else found


class IndexSnapshot:
    """See `Snapshot`: the messages of an index, for a session with or without UTF8."""

    __slots__ = ("_index", "_octets", "_unique_ids", "_utf8", "count", "total")

    def __init__(self, index: Index, *, utf8: bool) -> None:
        self.count: int = index.count
        self.total: int = index.total if utf8 else index.surrogate_total
        self._index = index
        self._octets: memoryview | None = None
        self._unique_ids = UniqueIds(index)
        self._utf8 = utf8

    @property
    def octets(self) -> Sequence[int]:
        """See `Snapshot.octets`."""
        if self._octets is None:
            self._octets = self._index.column("octets" if self._utf8 else "surrogate")
        return self._octets

    @property
    def unique_ids(self) -> Sequence[bytes]:
        """See `Snapshot.unique_ids`."""
        return self._unique_ids

    @property
    def received(self) -> Sequence[float]:
        """See `Snapshot.received`: what the file names begin with. A new list every time."""
        return [float(delivery_order(name)[0]) for name in self._index.names()]


EMPTY = Index(Rows().encode())


def find(root: int) -> tuple[int, int] | None:
    """A descriptor of the index of a Maildir and its size in octets, or None when there is none to be believed."""
    try:
        descriptor = os.open(INDEX_FILE, _READ_FLAGS, dir_fd=root)
    except OSError:
        return None
    status = os.fstat(descriptor)
    # Only what this server wrote: somebody who may write here must not tell it what to believe.
    if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return None
    return descriptor, status.st_size


def load(descriptor: int, size: int) -> Index | None:
    """What `find` found, or None when it is damaged. Closes the descriptor."""
    try:
        return Index(os.read(descriptor, size))
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)


def save(root: int, index: Index) -> bool:
    """Replace the index of a Maildir. False when it cannot be written, which harms nothing."""
    try:
        try:
            descriptor = os.open(_TEMPORARY, _WRITE_FLAGS, 0o600, dir_fd=root)
        except FileExistsError:  # left by a process that was killed: the lock says that nobody writes it now
            os.unlink(_TEMPORARY, dir_fd=root)
            descriptor = os.open(_TEMPORARY, _WRITE_FLAGS, 0o600, dir_fd=root)
    except OSError:
        return False
    try:
        try:
            written = 0
            while written < len(index.raw):
                written += os.write(descriptor, memoryview(index.raw)[written:])
        finally:
            os.close(descriptor)
        os.rename(_TEMPORARY, INDEX_FILE, src_dir_fd=root, dst_dir_fd=root)
    except OSError:
        try:
            os.unlink(_TEMPORARY, dir_fd=root)
        except OSError:
            pass
        return False
    return True
