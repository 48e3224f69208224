"""Complete messages, in files: from the octets that arrive to what a destination can take and a crash cannot harm.

Rules: a message is staged whole or not at all; it is hashed once, while it passes; a small one is written in one go
from memory, a large one in constant memory. Nothing is durable before `make_durable`. Part files carry the account in
their names, so that many accounts may stage in one directory, and each clears away only what is its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pillarbox.fetch.destination import LineEnds
from pillarbox.fetch.errors import StagingError, staging_problem
from pillarbox.fetch.line_ends import LineEndCheck, to_lf, wire_form
from pillarbox.fetch.records import Content, header_hash

SMALL = 1024 * 1024
"""Octets up to which a message is held in memory; of larger ones, so much is written at a time."""

HEADER = 256 * 1024
"""Octets of a header that count for its hash, and that a filter is shown."""

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Part:
    """A whole message in a file that is still open: `descriptor` is closed by `make_durable` or `drop`."""

    path: Path
    descriptor: int
    content: Content
    stored: int
    line_ends: LineEnds


class Staging:
    """The part files of one account in one directory.

    Args:
        directory: exists; on the file system where the messages are to end up, if that is possible.
        account: whose mail it is.
        line_ends: what the destination wants; see `LineEnds`.
    """

    def __init__(self, directory: Path, account: str, line_ends: LineEnds) -> None:
        self.directory = directory
        self._line_ends = line_ends
        self._prefix = f"pillarbox.{hashlib.sha256(account.encode()).hexdigest()[:16]}."
        self._numbers = itertools.count()
        self._run = os.urandom(6).hex()

    def sweep(self) -> None:
        """Remove what earlier runs of this account left behind.

        Raises:
            StagingError: the directory cannot be read or written.
        """
        try:
            for name in os.listdir(self.directory):
                if name.startswith(self._prefix):
                    os.unlink(self.directory / name)
        except OSError as error:
            raise staging_problem(error, self.directory) from error

    def receive(self, chunks: Iterable[bytes], sha256: Callable[[], bytes | None] | None = None) -> Part:
        """Write a message that arrives in pieces, cut anywhere, CRLF line ends.

        Args:
            chunks: the pieces.
            sha256: gives its hash after the last piece, where it is hashed on its way here.

        Raises:
            StagingError: it could not be written; nothing of it is left. What `chunks` raises passes through, and
                nothing of the message is left then, either.
        """
        path = self.directory / f"{self._prefix}{self._run}.{next(self._numbers)}"
        if sha256 is None:
            hashed = hashlib.sha256()
            chunks, sha256 = _through(hashed.update, chunks), hashed.digest
        pieces: list[bytes] = []
        held = 0
        arriving = iter(chunks)
        for piece in arriving:
            pieces.append(piece)
            held += len(piece)
            if held > SMALL:
                return self._large(path, itertools.chain(pieces, arriving), sha256)
        return self._small(path, b"".join(pieces), sha256)

    def _small(self, path: Path, data: bytes, sha256: Callable[[], bytes | None]) -> Part:
        stored, line_ends = data, LineEnds.CRLF
        if self._line_ends is LineEnds.LF:
            shorter = data.replace(b"\r\n", b"\n")
            # Lossless: each LF that is there now was a CRLF, and no CR is left over.
            if len(data) - len(shorter) == shorter.count(b"\n") and b"\r" not in shorter:
                stored, line_ends = shorter, LineEnds.LF
        content = _content(len(data), sha256, data)
        with self._opened(path) as descriptor:
            _write(descriptor, stored)
        return Part(path, descriptor, content, len(stored), line_ends)

    def _large(self, path: Path, pieces: Iterator[bytes], sha256: Callable[[], bytes | None]) -> Part:
        check = LineEndCheck()
        head = b""
        octets = stored = 0
        with self._opened(path) as descriptor:
            for piece in pieces:
                check.feed(piece)
                if len(head) < HEADER:
                    head += piece
                octets += len(piece)
                _write(descriptor, piece)
        content = _content(octets, sha256, head)
        if self._line_ends is LineEnds.CRLF or not check.convertible:
            return Part(path, descriptor, content, octets, LineEnds.CRLF)
        # Whether nothing is lost by LF is only known now, so a large message is written a second time.
        os.close(descriptor)
        wire = path.with_name(path.name + ".wire")
        try:
            os.rename(path, wire)
            with self._opened(path) as descriptor:
                for piece in to_lf(wire):
                    _write(descriptor, piece)
                    stored += len(piece)
        except OSError as error:
            raise staging_problem(error, self.directory) from error
        finally:
            with contextlib.suppress(OSError):  # what stays is swept away by the next run
                os.unlink(wire)
        return Part(path, descriptor, content, stored, LineEnds.LF)

    @contextlib.contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        """A new file; it stays open when all went well, and is removed when not."""
        try:
            descriptor = os.open(path, _FLAGS, 0o600)
        except OSError as error:
            raise staging_problem(error, self.directory) from error
        try:
            yield descriptor
        except BaseException as error:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                os.unlink(path)
            if isinstance(error, _WriteFailed):
                raise staging_problem(error.error, self.directory) from error.error
            raise


def _through(take: Callable[[bytes], None], chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        take(chunk)
        yield chunk


def _content(octets: int, sha256: Callable[[], bytes | None], head: bytes) -> Content:
    digest = sha256()
    assert digest is not None  # all of it has come
    return Content(octets, digest, header_hash(head[:HEADER]))


class _WriteFailed(Exception):
    """An octet could not be written: told apart from an `OSError` of where the octets come from."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise _WriteFailed(error) from error


def make_durable(parts: Sequence[Part]) -> dict[int, StagingError]:
    """Let the messages survive a power failure, and close their files. Returns what went wrong, by index."""
    failed: dict[int, StagingError] = {}
    for part in parts:
        # A hint that begins to write all of them, so that the first fsync's journal commit serves the others, too.
        with contextlib.suppress(OSError):
            os.posix_fadvise(part.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    for index, part in enumerate(parts):
        try:
            os.fsync(part.descriptor)
        except OSError as error:
            failed[index] = staging_problem(error, part.path)
        finally:
            os.close(part.descriptor)
    return failed


def drop(part: Part) -> None:
    """Close and remove a message that nobody wants any more."""
    with contextlib.suppress(OSError):
        os.close(part.descriptor)
    remove(part.path)


def remove(path: Path) -> None:
    """Remove a staged file if it is still there; what cannot be removed is swept away by the next run."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def clear(directory: Path, names: Sequence[str]) -> None:
    """Remove those of these staged files that are still there. Most destinations have taken them."""
    # One look at the directory: to try each would hold up whoever writes the next messages into it.
    with contextlib.suppress(OSError):
        for name in set(names).intersection(os.listdir(directory)):
            remove(directory / name)


def is_whole(path: Path, content: Content, stored: int, line_ends: LineEnds) -> bool:
    """Whether a staged file is there and holds the message that was received, octet by octet."""
    try:
        if path.stat().st_size != stored:
            return False
        hashed = hashlib.sha256()
        for piece in wire_form(path, line_ends):
            hashed.update(piece)
    except OSError:
        return False
    return hashed.digest() == content.sha256
