"""The message files: written once, octet for octet, and never changed.

Rules: a message is written under tmp/, made durable there under the name of its SHA-256, and only then recorded in the
log; it is moved to its place after that. So a message in tmp/ whose record is in the log belongs to the archive and is
moved by the next writer; one without a record was never acknowledged and is removed. No half file is ever in objects/,
and no message is held whole in memory. A file that is missing or damaged is replaced in the same order, when its octets
come again.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pillarbox.archive import blocks, log
from pillarbox.archive.errors import ArchiveDamaged, ArchiveError, ArchiveFull
from pillarbox.archive.layout import Layout
from pillarbox.files import sync_directory

CHUNK = 1 << 18
_READ_ONLY = 0o400
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A message under tmp/: its digest, octets, and the checksums of its blocks."""

    sha256: bytes
    size: int
    block: int
    sums: bytes


def stage(layout: Layout, source: Path | bytes, *, take: bool) -> Stored:
    """Bring one message under tmp/ by the name of its digest; not durable yet (`make_durable`).

    Args:
        layout: the archive.
        source: the octets, or the file that holds them.
        take: nobody writes to the file again, so that it may be linked where it lies on the same file system.

    Raises:
        ArchiveFull, ArchiveError: it cannot be written, or the source cannot be read.
    """
    waiting = layout.unfinished()
    try:
        if isinstance(source, Path):
            linked = take and _linked(source, waiting)
            with _reading(source) as found:
                stored = _examined(found) if linked else _written(waiting, found)
        else:
            stored = _written(waiting, _slices(source))
        waiting.chmod(_READ_ONLY)
        waiting.rename(layout.staged(stored.sha256))
    except OSError as error:
        with suppress(OSError):
            waiting.unlink()
        raise cannot_write(layout, error) from None
    return stored


def make_durable(layout: Layout, staged: Iterable[bytes]) -> None:
    """Make staged messages durable, and their names.

    Raises:
        ArchiveFull, ArchiveError: the disk refuses them.
    """
    try:
        for digest in staged:
            descriptor = os.open(layout.staged(digest), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(layout.tmp)
    except OSError as error:
        raise cannot_write(layout, error) from None


def place(layout: Layout, digests: Iterable[bytes]) -> None:
    """Move recorded messages to where they belong, durably."""
    try:
        touched = set()
        for digest in digests:
            target = layout.object(digest)
            if not target.parent.is_dir():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                sync_directory(layout.objects)
            layout.staged(digest).rename(target)
            touched.add(target.parent)
        for directory in touched:
            sync_directory(directory)
    except OSError as error:
        raise cannot_write(layout, error) from None


def discard(layout: Layout, digests: Iterable[bytes]) -> None:
    """Remove staged messages that were not recorded."""
    for digest in digests:
        with suppress(OSError):
            layout.staged(digest).unlink()


def recover(layout: Layout, recorded: Callable[[bytes], bool]) -> None:
    """Finish, or undo, what a writer left behind that was stopped; only for who holds the lock.

    Args:
        layout: the archive.
        recorded: whether the log holds a message with this digest.
    """
    try:
        for name in os.listdir(layout.tmp):
            path = layout.tmp / name
            digest = named(layout, path) if path.suffix == ".eml" else None
            if digest is not None and recorded(digest) and _is_wanted(layout, digest):
                make_durable(layout, [digest])
                place(layout, [digest])
            else:
                path.unlink()
    except OSError as error:
        raise cannot_write(layout, error) from None


def _is_wanted(layout: Layout, digest: bytes) -> bool:
    """Whether a recorded message under tmp/ belongs in its place: never a damaged one over another."""
    if holds(layout, digest):
        return False
    return not layout.object(digest).exists() or whole(layout.staged(digest), digest)


def found(layout: Layout) -> Iterator[Path]:
    """All files that have a message's name, in their places and under tmp/."""
    for directory in sorted(layout.objects.iterdir()):
        if directory.is_dir():
            yield from sorted(directory.glob("*.eml"))
    yield from sorted(layout.tmp.glob("*.eml"))


def named(layout: Layout, path: Path) -> bytes | None:
    """The SHA-256 that such a file's name says, None if it says none."""
    stem = path.stem if path.parent == layout.tmp else path.parent.name + path.stem
    return bytes.fromhex(stem) if _DIGEST.fullmatch(stem) else None


def unrecorded(path: Path, digest: bytes) -> log.Record | None:
    """A record for a message that the log has lost; None if the file is not what its name says."""
    stored = _examined(pieces(path))
    if stored.sha256 != digest:
        return None
    return log.Record(digest.hex(), stored.size, "", "", path.stat().st_mtime, stored.block, stored.sums.hex())


def where(layout: Layout, digest: bytes) -> Path:
    """The file that holds a recorded message: also while a writer is about to move it to its place.

    Raises:
        ArchiveDamaged: there is none.
    """
    for path in (layout.object(digest), layout.staged(digest), layout.object(digest)):
        if path.exists():
            return path
    raise ArchiveDamaged(f"{layout.object(digest)} is missing; `pillarbox archive verify` says what else is")


def whole(path: Path, digest: bytes, turned: tuple[int, int] | None = None) -> bool:
    """Whether a file has this SHA-256, with one bit (octet, bit) turned if that is given.

    Raises:
        OSError: it cannot be read.
    """
    found, start = hashlib.sha256(), 0
    for piece in pieces(path):
        if turned is not None and start <= turned[0] < start + len(piece):
            changed = bytearray(piece)
            changed[turned[0] - start] ^= 1 << turned[1]
            piece = bytes(changed)
        found.update(piece)
        start += len(piece)
    return found.digest() == digest


def holds(layout: Layout, digest: bytes) -> bool:
    """Whether a message is in its place with the octets it was recorded with; every octet is read."""
    try:
        return whole(layout.object(digest), digest)
    except OSError:
        return False  # missing, or on a part of the disk that cannot be read any more


@contextmanager
def mapped(path: Path) -> Iterator[bytes | mmap.mmap]:
    """The octets of a message to look at, without reading all of them into memory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size <= CHUNK:
            yield os.read(descriptor, CHUNK)
            return
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as view:
            yield view
    finally:
        os.close(descriptor)


def pieces(path: Path) -> Iterator[bytes]:
    """The octets of a file in pieces of at most `CHUNK`."""
    with _reading(path) as found:
        yield from found


def cannot_write(layout: Layout, error: OSError) -> ArchiveError:
    """What to tell of a failed write."""
    if error.errno in _NO_ROOM:
        return ArchiveFull(
            f"{layout.root}: {error.strerror}; nothing that was acknowledged is lost. Make room and try again"
        )
    named = error.filename or layout.root
    return ArchiveError(f"{named}: {error.strerror}; nothing that was acknowledged is lost")


@contextmanager
def _reading(path: Path) -> Iterator[Iterator[bytes]]:
    with path.open("rb", buffering=0) as file:
        yield iter(lambda: file.read(CHUNK), b"")


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError as error:
        # Another file system, or one that has no links, or forbids them: then the octets are copied.
        if error.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES):
            return False
        raise
    return True


def _slices(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    for start in range(0, len(view), CHUNK):
        yield view[start : start + CHUNK]


def _written(target: Path, source: Iterable[bytes | memoryview]) -> Stored:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb", buffering=0) as file:

        def copied() -> Iterator[memoryview]:
            for piece in source:
                view = memoryview(piece)
                while view:
                    view = view[file.write(view) :]
                yield memoryview(piece)

        return _examined(copied())


def _examined(source: Iterable[bytes | memoryview]) -> Stored:
    digest, size = hashlib.sha256(), 0
    # Both kinds of sums are made until it is known which one the message gets.
    small, large = blocks.Summer(blocks.SMALL), blocks.Summer(blocks.LARGE)
    for piece in source:
        digest.update(piece)
        size += len(piece)
        large.feed(piece)
        if size <= blocks.MANY:
            small.feed(piece)
    block = blocks.block_size(size)
    return Stored(digest.digest(), size, block, (small if block == blocks.SMALL else large).finish())
