"""Checksums of the index's pages, so that a flipped bit in the index is found as surely as in a message.

SQLite does not check its pages. In WAL mode every page that changes is first written to the WAL, and nothing goes into
the database until a checkpoint, which here is only ever made by `seal`: it copies the pages, then stores the checksums
of just those pages, then lets the WAL go. The WAL stays until the sums are durable, so a crash at any point
leaves it there, and sealing again makes everything right.

The file: a line that names it, then 4 octets for each page, most significant first.

Rules: only for who holds the archive's lock.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pillarbox.archive import blocks

PAGE = 4096
HEADER = b"pillarbox-archive sums of index.sqlite, CRC-32 of each 4096\n"

_WAL_HEADER = 32
_FRAME_HEADER = 24
_SUM = 4
_READ = 256 * PAGE


@dataclass(frozen=True, slots=True)
class BadPage:
    """A page (1-based) that is not as it was sealed: its first octet, its flipped bit if it is one.

    `in_sums` says that the flipped bit is not in the index but in the file of sums.
    """

    number: int
    start: int
    bit: tuple[int, int] | None
    in_sums: bool = False


def seal(connection: sqlite3.Connection, index: Path, sums: Path) -> bool:
    """Bring the WAL into the database and the sums up to date; False if a reader is in the way, and it stays for later.

    Raises:
        OSError, sqlite3.Error: it cannot be written. Nothing is lost: the WAL is still there.
    """
    wal = Path(f"{index}-wal")
    changed = _pages_in(wal)
    known = sums.exists()
    if not changed and known:
        return True
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    _store(index, sums, changed if known else None)
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def check(index: Path, sums: Path) -> Iterator[BadPage]:
    """All pages of a sealed index that are not as they were.

    Raises:
        OSError: a file cannot be read.
    """
    stored = sums.read_bytes()
    if stored[: len(HEADER)] != HEADER:
        at = next((i for i, pair in enumerate(zip(stored, HEADER, strict=False)) if pair[0] != pair[1]), len(stored))
        difference = stored[at] ^ HEADER[at] if at < min(len(stored), len(HEADER)) else 0
        bit = (at, difference.bit_length() - 1) if difference.bit_count() == 1 else None
        yield BadPage(0, 0, bit, in_sums=True)
    count = 0
    for number, crc, length in _pages(index):
        count = number
        place = len(HEADER) + _SUM * (number - 1)
        difference = crc ^ int.from_bytes(stored[place : place + _SUM].rjust(_SUM, b"\0"), "big")
        if not difference:
            continue
        if difference.bit_count() == 1:
            wrong = difference.bit_length() - 1
            yield BadPage(number, place, (place + _SUM - 1 - wrong // 8, wrong % 8), in_sums=True)
        else:
            start = (number - 1) * PAGE
            found = blocks.flipped_bit(length, difference)
            yield BadPage(number, start, (start + found[0], found[1]) if found else None)
    if len(stored) != len(HEADER) + _SUM * count:
        yield BadPage(count + 1, count * PAGE, None)


def _pages(index: Path) -> Iterator[tuple[int, int, int]]:
    number = 0
    with index.open("rb", buffering=0) as file:
        while piece := file.read(_READ):
            view = memoryview(piece)
            for start in range(0, len(piece), PAGE):
                page = view[start : start + PAGE]
                number += 1
                yield number, zlib.crc32(page), len(page)


def _pages_in(wal: Path) -> set[int]:
    """The pages that the WAL holds, without those of an older one. Too many do no harm: their sums are made anew."""
    found: set[int] = set()
    try:
        with wal.open("rb", buffering=0) as file:
            header = file.read(_WAL_HEADER)
            size = os.fstat(file.fileno()).st_size
            for place in range(_WAL_HEADER, size - _FRAME_HEADER, _FRAME_HEADER + PAGE):
                frame = os.pread(file.fileno(), _FRAME_HEADER, place)
                if frame[8:16] == header[16:24]:  # the salts, which tell this WAL's frames from those of the one before
                    found.add(int.from_bytes(frame[:4], "big"))
    except FileNotFoundError:
        pass
    return found


def _store(index: Path, sums: Path, changed: set[int] | None) -> None:
    """Write the sums of the changed pages, of all pages if that is None."""
    pages = os.stat(index).st_size // PAGE
    descriptor = os.open(sums, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        stored = bytearray(os.pread(descriptor, len(HEADER) + _SUM * pages, 0))
        stored[: len(HEADER)] = HEADER
        stored.extend(bytes(len(HEADER) + _SUM * pages - len(stored)))
        with index.open("rb", buffering=0) as file:
            for number in range(1, pages + 1) if changed is None else sorted(changed - {0}):
                page = os.pread(file.fileno(), PAGE, (number - 1) * PAGE)
                if page:
                    place = len(HEADER) + _SUM * (number - 1)
                    stored[place : place + _SUM] = zlib.crc32(page).to_bytes(_SUM, "big")
        view, offset = memoryview(stored), 0
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
        os.ftruncate(descriptor, len(stored))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
