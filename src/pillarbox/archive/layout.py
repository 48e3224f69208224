"""Where everything of an archive lies, how one is made, and who may write.

    ARCHIVE/
      pillarbox-archive.json    says what this directory is; always the same octets
      log.jsonl                 what was added, when and from where (`log`)
      objects/ab/cdef….eml      the messages, octet for octet, named by their SHA-256, read-only
      index.sqlite, index.sums  for searching (`index`) and the checksums of its pages (`pages`); made from the others
      index.sqlite-wal, -shm    SQLite's, while somebody writes; empty, or of no meaning, otherwise
      lock                      held by whoever writes (flock)
      tmp/                      messages on their way into objects/
      incoming/                 for those who deliver: a place on the same file system; what lies there is theirs

Rules: the marker is written last, so that an archive is whole or not there; a directory with other things in it is
never made into an archive; one process writes at a time, and others wait for it. Reading takes no lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pillarbox.archive.errors import ArchiveBusy, ArchiveError, ArchiveMissing
from pillarbox.files import sync_directory, write_durably

MARKER = b'{"format":"pillarbox-archive","version":1}\n'

_PRIVATE = 0o700
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of the archive at `root`."""

    root: Path

    @property
    def marker(self) -> Path:
        """The file that says what the directory is."""
        return self.root / "pillarbox-archive.json"

    @property
    def log(self) -> Path:
        """The append-only log."""
        return self.root / "log.jsonl"

    @property
    def index(self) -> Path:
        """The SQLite database for searching."""
        return self.root / "index.sqlite"

    @property
    def wal(self) -> Path:
        """SQLite's write-ahead log of the index; gone or empty when nobody writes."""
        return self.root / "index.sqlite-wal"

    @property
    def shared_memory(self) -> Path:
        """SQLite's shared memory for it."""
        return self.root / "index.sqlite-shm"

    @property
    def sums(self) -> Path:
        """The checksums of the index's pages."""
        return self.root / "index.sums"

    @property
    def lock(self) -> Path:
        """The empty file that writers lock."""
        return self.root / "lock"

    @property
    def objects(self) -> Path:
        """Where the messages are."""
        return self.root / "objects"

    @property
    def tmp(self) -> Path:
        """Where messages are written."""
        return self.root / "tmp"

    @property
    def incoming(self) -> Path:
        """Where a deliverer may stage its files."""
        return self.root / "incoming"

    def object(self, digest: bytes) -> Path:
        """The file of the message with this SHA-256."""
        name = digest.hex()
        return self.objects / name[:2] / f"{name[2:]}.eml"

    def staged(self, digest: bytes) -> Path:
        """Where that message is before it is in its place."""
        return self.tmp / f"{digest.hex()}.eml"

    def unfinished(self) -> Path:
        """A file that nobody else has, for something on its way."""
        return self.tmp / f"{os.getpid()}-{os.urandom(8).hex()}.part"

    def check(self) -> None:
        """Make sure that this is an archive we can read.

        Raises:
            ArchiveMissing: it is none.
            ArchiveError: it cannot be read.
        """
        # What it says is for `verify` to compare; a later form of archive will have a marker of another name.
        try:
            self.marker.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ArchiveMissing(
                f"{self.root} is not an archive; `pillarbox archive add` makes one, and --archive names another place"
            ) from None
        except OSError as error:
            raise ArchiveError(f"{self.root} cannot be read: {error.strerror}") from None

    def create(self) -> None:
        """Make an empty archive; does nothing where there is one.

        Raises:
            ArchiveError: the directory holds something else, or cannot be written.
        """
        if self.marker.exists():
            return
        try:
            self._make()
        except OSError as error:
            raise ArchiveError(
                f"an archive cannot be made at {self.root}: {error.strerror}; choose a directory you may write"
            ) from None

    def _make(self) -> None:
        self.root.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        ours = {path.name for path in (self.log, self.lock, self.objects, self.tmp, self.incoming)}
        others = sorted(set(os.listdir(self.root)) - ours - {self.marker.name})
        if others:
            raise ArchiveError(
                f"{self.root} is not empty (it holds {others[0]!r}) and no archive; choose a new directory"
            )
        for directory in (self.objects, self.tmp, self.incoming):
            directory.mkdir(mode=_PRIVATE, exist_ok=True)
        for number in range(256):
            (self.objects / f"{number:02x}").mkdir(mode=_PRIVATE, exist_ok=True)
        for empty in (self.log, self.lock):
            os.close(os.open(empty, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync_directory(self.objects)
        new = self.unfinished()
        write_durably(new, MARKER)
        try:
            new.rename(self.marker)
        except FileNotFoundError:
            # Another process made the archive meanwhile, and has tidied up tmp/ as a writer does.
            if not self.marker.exists():
                raise
        sync_directory(self.root)
        with suppress(OSError):  # the directory above may be closed to us; then it is its owner's to keep
            sync_directory(self.root.parent)


class WriteLock:
    """Who may write: `flock` on the archive's lock file, released by the kernel whatever becomes of its holder."""

    def __init__(
        self,
        layout: Layout,
        wait: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`wait`: seconds to wait for another writer before giving up."""
        self._layout = layout
        self._wait = wait
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock while the block runs.

        Raises:
            ArchiveBusy: another process held it for longer than we wait.
            ArchiveError: it cannot be had here at all.
        """
        try:
            descriptor = os.open(self._layout.lock, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ArchiveError(f"{self._layout.root} cannot be written: {error.strerror}") from None
        try:
            self._acquire(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int) -> None:
        deadline = self._clock() + self._wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._clock() >= deadline:
                    raise ArchiveBusy(
                        f"another process is writing to {self._layout.root}; nothing was changed, try again later"
                    ) from None
                self._sleep(_POLL_SECONDS)
            else:
                return
