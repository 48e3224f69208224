"""Delivers into an mbox file, exactly once, beside other programs that read, change and append to it.

Rules: a batch is one append and one fsync, behind a durable intent (`mbox_intent`); an append that a crash cut off is
found by comparing the tail with the very octets that were about to be written, and only octets of ours are ever cut;
a message counts as delivered only when all of its octets are there. The locks are those of `mbox_lock`, the format is
that of `mbox_format`.

A message is known again by its separator line, which carries its name. A header field would change the message; the
offset alone would be worth nothing once another program has rewritten the file.

Limits of the format, which octet-exact storing cannot mend: a reader that believes a false Content-Length field shows
messages cut wrongly; and where another program appended right behind an unfinished tail, that tail stays, as the
beginning of a message that then comes again whole.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pillarbox.fetch.destination import Delivered, Failed, LineEnds, Staged, Sure
from pillarbox.fetch.destinations.mbox_format import Reader, holds, marks, written
from pillarbox.fetch.destinations.mbox_intent import Entry, Intent, IntentFile
from pillarbox.fetch.destinations.mbox_lock import MboxLock
from pillarbox.fetch.destinations.problems import file_problem
from pillarbox.fetch.line_ends import CHUNK
from pillarbox.files import sync_directory

GATHERED = 1 << 20
"""Octets that are gathered before they are written: a batch of small messages is a handful of writes."""


class Mbox:
    """One mbox as a destination.

    Args:
        path: the file; it is created when it is missing, its directory is not.
        line_ends: how lines end in it; see `LineEnds`.
        lock_file: whether to use a lock file besides the fcntl lock. Switch it off only for a directory that this user
            cannot write in, and when every program that uses the mbox takes fcntl locks.
        lock_wait: seconds to wait for another program's locks.
        clock: the time as UTC seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        line_ends: LineEnds = LineEnds.LF,
        lock_file: bool = True,
        lock_wait: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = Path(os.path.abspath(path))
        self._line_ends = line_ends
        self._lock = MboxLock(self._path, lock_file=lock_file, wait=lock_wait, clock=clock)
        self._intents = IntentFile(self._path)
        self._known: tuple[tuple[int, ...], dict[str, list[int]]] | None = None

    @property
    def sure(self) -> Sure:
        """What is promised over a crash."""
        return Sure.EXACTLY_ONCE

    @property
    def line_ends(self) -> LineEnds:
        """How the lines of staged files shall end."""
        return self._line_ends

    def staging(self) -> Path | None:
        """Nothing is gained by staging beside the mbox: its messages are copied."""
        return None

    def open(self) -> None:
        """Make the mbox if it is missing, and put right what a crash left.

        Raises:
            DestinationError: it cannot be written.
        """
        with self._lock.held() as mbox:
            try:
                self._recover(mbox)
                if not os.fstat(mbox).st_size:
                    sync_directory(self._path.parent)
            except OSError as error:
                raise file_problem(error, self._path) from None

    def close(self) -> None:
        """Nothing is held between batches."""

    def find(self, staged: Staged) -> str | None:
        """The message's id if all of it is in the mbox, wherever other programs have moved it to.

        Raises:
            DestinationError: the mbox cannot be read.
        """
        with self._lock.held() as mbox:
            try:
                intent = self._recover(mbox)
                if intent and any(entry.name == staged.name for entry in intent.entries):
                    return self._id(staged)
                places = self._places(mbox).get(staged.name, [])
                if places and staged.path.exists():
                    read = _reader(mbox)
                    if any(holds(read, place, staged) for place in places):
                        return self._id(staged)
            except OSError as error:
                raise file_problem(error, self._path) from None
        return None

    def deliver(self, batch: Sequence[Staged]) -> list[Delivered | Failed]:
        """Append the messages; see `Destination.deliver`.

        Raises:
            DestinationError: nothing of the batch was appended, or that has to be found out by `find`.
        """
        missing = {staged.name: problem for staged in batch if (problem := _unreadable(staged))}
        good = [staged for staged in batch if staged.name not in missing]
        if good:
            with self._lock.held() as mbox:
                try:
                    self._recover(mbox)
                    self._append(mbox, good)
                except OSError as error:
                    raise file_problem(error, self._path) from None
        return [
            Failed(staged, missing[staged.name], temporary=True)
            if staged.name in missing
            else Delivered(staged, self._id(staged))
            for staged in batch
        ]

    def _append(self, mbox: int, batch: Sequence[Staged]) -> None:
        facts = os.fstat(mbox)
        offset = facts.st_size
        pad = _pad(os.pread(mbox, 2, max(0, offset - 2)))
        entries = [Entry(staged.name, str(staged.path), staged.received) for staged in batch]
        self._intents.begin(facts.st_dev, facts.st_ino, offset, pad, entries)
        try:
            os.lseek(mbox, offset, os.SEEK_SET)
            gathered = bytearray(pad)
            for staged in batch:
                for piece in written(staged.name, staged.received, staged.path):
                    gathered += piece
                    if len(gathered) >= GATHERED:
                        _write(mbox, gathered)
                        gathered.clear()
            _write(mbox, gathered)
            os.fsync(mbox)
        except OSError:
            # What a failed fsync has kept is unknown, so nothing of it may stay. If this fails, too, the next opening
            # does it: the intent stands.
            os.ftruncate(mbox, offset)
            os.fsync(mbox)
            raise
        self._intents.finish()

    def _recover(self, mbox: int) -> Intent | None:
        """Put right what a crash left of the last append; the intent whose messages are all in the mbox."""
        intent = self._intents.read()
        if intent is None or intent.done:
            return intent
        facts = os.fstat(mbox)
        whole: list[str] = []
        if (facts.st_dev, facts.st_ino) == (intent.device, intent.inode) and facts.st_size >= intent.offset:
            whole, cut = _compare(mbox, facts.st_size, intent)
            if cut is not None:
                os.ftruncate(mbox, cut)
            # What is there may stand in memory only: the crash may have come before the fsync.
            os.fsync(mbox)
        self._intents.settle(intent, whole)
        return self._intents.read()

    def _places(self, mbox: int) -> dict[str, list[int]]:
        """Where the messages of every name of ours start. The file is read only when it has changed."""
        facts = os.fstat(mbox)
        state = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if self._known is None or self._known[0] != state:
            places: dict[str, list[int]] = {}
            for name, offset in marks(_reader(mbox)):
                places.setdefault(name, []).append(offset)
            self._known = (state, places)
        return self._known[1]

    def _id(self, staged: Staged) -> str:
        return f"{self._path}:{staged.name}"


def _compare(mbox: int, size: int, intent: Intent) -> tuple[list[str], int | None]:
    """The names of the messages that are there whole, and where the mbox has to be cut, or None.

    It is cut only where everything behind that place is the beginning of what was about to be written, or NUL octets,
    which some file systems leave after a power cut.
    """
    whole: list[str] = []
    start = intent.offset
    pad = intent.pad.encode("ascii")
    for entry in intent.entries:
        place = start
        try:
            for piece in itertools.chain((pad,), written(entry.name, entry.received, Path(entry.path))):
                found = os.pread(mbox, len(piece), place)
                if found != piece:
                    return whole, start if _is_nul(mbox, place + _shared(found, piece), size) else None
                place += len(piece)
        except FileNotFoundError:
            return whole, None  # what was staged is gone: nothing can be said of this place and those behind it
        whole.append(entry.name)
        start, pad = place, b""
    return whole, None


def _shared(found: bytes, piece: bytes) -> int:
    """How many octets at the start of both are the same."""
    pairs = zip(found, piece, strict=False)
    return next((count for count, (one, other) in enumerate(pairs) if one != other), min(len(found), len(piece)))


def _is_nul(mbox: int, place: int, size: int) -> bool:
    """Whether nothing but NUL octets, or nothing at all, is behind a place."""
    while place < size:
        piece = os.pread(mbox, CHUNK, place)
        if piece.strip(b"\0"):
            return False
        place += len(piece)
    return True


def _pad(last: bytes) -> bytes:
    """What has to stand between the last octets of an mbox and the next separator line: one empty line."""
    if not last or last == b"\n\n":
        return b""
    return b"\n" if last.endswith(b"\n") else b"\n\n"


def _reader(mbox: int) -> Reader:
    return lambda octets, offset: os.pread(mbox, octets, offset)


def _write(mbox: int, data: bytearray) -> None:
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.write(mbox, view[done:])


def _unreadable(staged: Staged) -> str:
    """Why a staged file cannot be delivered, or ""."""
    try:
        size = staged.path.stat().st_size
        with open(staged.path, "rb"):
            pass
    except OSError as error:
        return file_problem(error, staged.path).text
    return "" if size == staged.stored else f"{staged.path}: {size} octets are there, and {staged.stored} were staged"
