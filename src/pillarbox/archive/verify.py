"""Reads every octet of an archive, and says what is not as it was written, and where.

What is found, and how: a message by its SHA-256, and the place by the checksums of its blocks; the log by its chain;
the index by the sums of its pages, and by comparing it with the log; missing and stray files by their names. A single
flipped bit is named: the octet (0-based) and the bit (0 is the least significant), after trying that turning it back
makes the checksum right. More damage than that is named by its block.

Rules: nothing is mended here (`repair`), and nothing damaged stops the rest from being read. What a stopped writer left
half done is finished first, as any writer would. Others may go on adding meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pillarbox.archive import blocks, index, log, objects, pages
from pillarbox.archive.archive import Archive
from pillarbox.archive.errors import ArchiveDamaged, ArchiveError
from pillarbox.archive.layout import MARKER

_AT_ONCE = 500
_FAN = re.compile(r"[0-9a-f]{2}")
_NAME = re.compile(r"[0-9a-f]{62}\.eml")
_WAITING = re.compile(r"[0-9a-f]{64}\.eml|[0-9]+-[0-9a-f]{16}\.part")


class Kind(Enum):
    """What is wrong."""

    FLIPPED_BIT = "flipped bit"
    DAMAGED = "damaged"
    MISSING = "missing"
    UNRECORDED = "not in the log"
    STRAY = "stray"
    DISAGREES = "disagrees"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: what.
        path: the file, relative to the archive.
        start: the first wrong octet, or the first of the block that is wrong; None for all of it.
        end: the octet behind it.
        bit: of a flipped bit, which one of the octet.
        sha256: of a message, its id in hexadecimal; else "".
        note: what it means for the archive's owner.
    """

    kind: Kind
    path: str
    start: int | None = None
    end: int | None = None
    bit: int | None = None
    sha256: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What was read, and what was found; `sound` means nothing."""

    messages: int
    octets: int
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether everything is as it was written."""
        return not self.findings


Progress = Callable[[int, int], None]
"""Told now and then how many messages were read, and how many octets."""


def verify(archive: Archive, progress: Progress = lambda messages, octets: None) -> Report:
    """Read all of an archive.

    Raises:
        ArchiveError: it cannot be read at all.
        OSError: a file cannot be read for other reasons than damage.
    """
    checker = _Checker(archive, progress)
    findings = tuple(checker.run())
    return Report(checker.messages, checker.octets, findings)


class _Checker:
    def __init__(self, archive: Archive, progress: Progress) -> None:
        self._archive = archive
        self._layout = archive.layout
        self._progress = progress
        self._recorded: set[bytes] = set()
        self.messages = 0
        self.octets = 0

    def run(self) -> Iterator[Finding]:
        """Everything that is wrong."""
        yield from self._fixed_files()
        yield from self._index_file()
        yield from self._finished()
        yield from self._log_and_messages()
        yield from self._files()

    def _fixed_files(self) -> Iterator[Finding]:
        for path, expected in ((self._layout.marker, MARKER), (self._layout.lock, b"")):
            try:
                found = path.read_bytes()
            except FileNotFoundError:
                yield Finding(Kind.MISSING, path.name)
                continue
            self.octets += len(found)
            if found != expected:
                yield _differing(path.name, found, expected)

    def _index_file(self) -> Iterator[Finding]:
        """The index, page by page, before anybody writes to it."""
        with ExitStack() as held:
            try:
                held.enter_context(self._archive.locked())
            except ArchiveError:
                pass  # a medium that cannot be written: nobody else writes, either
            if not self._layout.index.exists():
                return  # made again below, from the log
            wal = self._layout.wal
            try:
                if not self._layout.sums.exists() or (wal.exists() and wal.stat().st_size):
                    # A writer was stopped: what it wrote is sealed as it would have been.
                    with closing(index.connect(self._layout.index, write=True)) as writer:
                        pages.seal(writer, self._layout.index, self._layout.sums)
            except sqlite3.DatabaseError as error:
                yield Finding(Kind.DAMAGED, self._layout.index.name, note=f"SQLite says: {error}")
            try:
                bad = list(pages.check(self._layout.index, self._layout.sums))
            except FileNotFoundError:
                yield Finding(Kind.MISSING, self._layout.sums.name)
                return
        self.octets += self._layout.index.stat().st_size + self._layout.sums.stat().st_size
        for page in bad:
            name = self._layout.sums.name if page.in_sums else self._layout.index.name
            if page.bit is not None:
                yield Finding(Kind.FLIPPED_BIT, name, page.bit[0], page.bit[0] + 1, page.bit[1], note=_INDEX_NOTE)
            else:
                yield Finding(Kind.DAMAGED, name, page.start, page.start + pages.PAGE, note=_INDEX_NOTE)

    def _finished(self) -> Iterator[Finding]:
        """What a stopped writer left is finished, so that it is not taken for damage."""
        try:
            with self._archive.writing():
                pass
        except ArchiveDamaged as error:
            yield Finding(Kind.DISAGREES, self._layout.index.name, note=str(error))
        except ArchiveError:
            pass

    def _log_and_messages(self) -> Iterator[Finding]:
        waiting: list[log.Record] = []
        try:
            size = self._layout.log.stat().st_size
            for item in log.read(self._layout.log):
                if isinstance(item, log.Flaw):
                    if not item.torn:
                        yield _of_log(self._layout.log.name, item)
                    continue
                waiting.append(item.record)
                if item.record.block:
                    self._recorded.add(item.record.digest)
                    yield from self._message(item.record)
                if len(waiting) == _AT_ONCE:
                    yield from self._indexed(waiting)
                    waiting.clear()
                if item.end >= size:
                    break  # what is added from now on is the next run's
        except FileNotFoundError:
            yield Finding(Kind.MISSING, self._layout.log.name, note="where the messages came from is known no more")
            return
        self.octets += size
        yield from self._indexed(waiting)

    def _message(self, record: log.Record) -> Iterator[Finding]:
        self.messages += 1
        try:
            path = objects.where(self._layout, record.digest)
            findings, octets = check_message(path, record)
        except ArchiveDamaged:
            yield self._of_message(Kind.MISSING, record)
            return
        self.octets += octets
        self._progress(self.messages, self.octets)
        for kind, start, end, bit in findings:
            yield self._of_message(kind, record, start, end, bit)

    def _of_message(
        self, kind: Kind, record: log.Record, start: int | None = None, end: int | None = None, bit: int | None = None
    ) -> Finding:
        path = self._layout.object(record.digest).relative_to(self._layout.root)
        known = f"{record.account or 'an unnamed account'}, unique-id {record.unique_id or 'unknown'}"
        return Finding(kind, str(path), start, end, bit, record.sha256, f"from {known}")

    def _indexed(self, records: list[log.Record]) -> Iterator[Finding]:
        """What the index does not say as the log does."""
        try:
            with self._archive.reading() as reader:
                for record in records:
                    row = reader.execute("SELECT size FROM messages WHERE sha256 = ?", (record.digest,)).fetchone()
                    if row is None or row[0] != record.size or not index.has_origin(reader, record):
                        note = f"it lacks a message; {_INDEX_NOTE}"
                        yield Finding(Kind.DISAGREES, self._layout.index.name, sha256=record.sha256, note=note)
        except ArchiveError as error:
            yield Finding(Kind.DAMAGED, self._layout.index.name, note=str(error))

    def _files(self) -> Iterator[Finding]:
        layout = self._layout
        known = {layout.marker, layout.log, layout.index, layout.sums, layout.lock, layout.wal, layout.shared_memory}
        for name in sorted(os.listdir(layout.root)):
            path = layout.root / name
            if path == layout.objects:
                yield from self._object_files()
            elif path == layout.tmp:
                for left in sorted(os.listdir(path)):
                    if not _WAITING.fullmatch(left):
                        yield Finding(Kind.STRAY, f"{name}/{left}")
            elif path not in known and path != layout.incoming:
                yield Finding(Kind.STRAY, name)

    def _object_files(self) -> Iterator[Finding]:
        unknown: list[tuple[Path, bytes]] = []
        for fan in sorted(os.listdir(self._layout.objects)):
            directory = self._layout.objects / fan
            if not _FAN.fullmatch(fan) or not directory.is_dir():
                yield Finding(Kind.STRAY, f"objects/{fan}")
                continue
            for name in sorted(os.listdir(directory)):
                if not _NAME.fullmatch(name):
                    yield Finding(Kind.STRAY, f"objects/{fan}/{name}")
                elif (digest := bytes.fromhex(fan + name[:-4])) not in self._recorded:
                    unknown.append((directory / name, digest))
        if unknown:
            # Those that others have added since we read the log: a message's line is there before its file.
            since = {item.record.digest for item in log.read(self._layout.log) if isinstance(item, log.Entry)}
            for path, digest in unknown:
                if digest not in since:
                    yield self._unrecorded(path, digest)

    def _unrecorded(self, path: Path, digest: bytes) -> Finding:
        name = str(path.relative_to(self._layout.root))
        if objects.whole(path, digest):
            return Finding(
                Kind.UNRECORDED, name, sha256=digest.hex(), note="the message is whole; --rebuild records it again"
            )
        return Finding(Kind.STRAY, name, note="its octets are not those its name says")


_INDEX_NOTE = "no message is touched; --rebuild makes the index again"


def check_message(path: Path, record: log.Record) -> tuple[list[tuple[Kind, int | None, int | None, int | None]], int]:
    """What is wrong with a message's file (kind, first octet, octet behind, bit), and the octets read.

    Raises:
        OSError: it cannot be read.
    """
    digest, summer, size = hashlib.sha256(), blocks.Summer(record.block), 0
    for piece in objects.pieces(path):
        digest.update(piece)
        summer.feed(piece)
        size += len(piece)
    if digest.digest() == record.digest:
        return [], size
    found: list[tuple[Kind, int | None, int | None, int | None]] = []
    wanted = list(blocks.split(bytes.fromhex(record.sums)))
    have = list(blocks.split(summer.finish()))
    wrong = [number for number, (one, two) in enumerate(zip(wanted, have, strict=False)) if one != two]
    if size == record.size and len(wrong) == 1:
        start = wrong[0] * record.block
        bit = blocks.flipped_bit(min(record.block, size - start), wanted[wrong[0]] ^ have[wrong[0]])
        if bit is not None and objects.whole(path, record.digest, turned=(start + bit[0], bit[1])):
            return [(Kind.FLIPPED_BIT, start + bit[0], start + bit[0] + 1, bit[1])], size
    for number in wrong:
        end = min((number + 1) * record.block, max(size, record.size))
        found.append((Kind.DAMAGED, number * record.block, end, None))
    if size != record.size:
        found.append((Kind.DAMAGED, min(size, record.size), max(size, record.size), None))
    return found or [(Kind.DAMAGED, None, None, None)], size


def _differing(name: str, found: bytes, expected: bytes) -> Finding:
    if len(found) == len(expected):
        wrong = [at for at in range(len(found)) if found[at] != expected[at]]
        difference = found[wrong[0]] ^ expected[wrong[0]]
        if len(wrong) == 1 and difference.bit_count() == 1:
            return Finding(Kind.FLIPPED_BIT, name, wrong[0], wrong[0] + 1, difference.bit_length() - 1)
        return Finding(Kind.DAMAGED, name, wrong[0], wrong[-1] + 1)
    return Finding(Kind.DAMAGED, name, 0, len(found))


def _of_log(name: str, flaw: log.Flaw) -> Finding:
    if flaw.bit is not None:
        return Finding(Kind.FLIPPED_BIT, name, flaw.bit[0], flaw.bit[0] + 1, flaw.bit[1], note="--repair turns it back")
    return Finding(
        Kind.DAMAGED, name, flaw.start, flaw.end, note="where these messages came from is not known for sure any more"
    )
