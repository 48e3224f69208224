"""Private files, and files that a power failure leaves whole: how they are made, replaced and read; and how many.

Rules: a file appears complete or not at all, and is durable, with its name, when the function returns; a new one is its
maker's only (0600) unless the caller says otherwise; nothing is written through a symbolic link in its place.

Elsewhere: what is written relative to an open directory (`maildrop.stores.maildir`), many files made durable at once
(`fetch.durable`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_PRIVATE = 0o600

_MANY = 1_048_576
"""Open files a process asks for at most: some systems allow a thousand times as many, and pay memory for it."""


class NotAFile(OSError):
    """There is something else: a directory, a pipe, a device."""


class OpenToOthers(OSError):
    """The mode lets others than the owner use the file."""


def allow_many_files() -> None:
    """Raise the limit of open files as far as this process may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY if hard == resource.RLIM_INFINITY else min(hard, _MANY)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def read_private(path: str | os.PathLike[str], most: int, *, follow: bool = True) -> bytes:
    """The first `most` octets of a file that is its owner's only. Never waits, whatever the path leads to.

    Args:
        path: of the file.
        most: octets.
        follow: take what a symbolic link at `path` leads to.

    Raises:
        FileNotFoundError: there is none.
        NotAFile, OpenToOthers: it is not read.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotAFile(errno.EINVAL, "not a file", os.fspath(path))
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise OpenToOthers(errno.EPERM, "open to other users", os.fspath(path))
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Make the names in a directory durable.

    Raises:
        OSError: that failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """Write a private file where it is to be, and make its octets durable; its name is the caller's to make durable.

    Raises:
        OSError: it cannot be written, or only in part; or there is a symbolic link.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, mode: int = _PRIVATE) -> None:
    """Replace a file, or make it: whoever reads it finds the old octets or these. One thread of a process at a time.

    Raises:
        OSError: it cannot be written; what was there is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)  # a killed process leaves one
    with DurableFile(path, mode, temporary) as file:
        file.write(data)
        file.commit()


class DurableFile:
    """A file that takes the place of `path` at `commit`. As a context manager it is given up if that was not called.

    Until then it is private and has another name in the same directory.

    Args:
        path: its name in the end.
        mode: its mode in the end.
        temporary: its name until then; by default one that nobody else has.

    Raises:
        OSError: from every method, when the disk is full or the directory cannot be written.
    """

    def __init__(self, path: Path, mode: int = _PRIVATE, temporary: Path | None = None) -> None:
        self._path = path
        self._mode = mode
        self._temporary = temporary or path.with_name(f".{os.urandom(8).hex()}.part")
        self._descriptor = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)

    def fileno(self) -> int:
        """The descriptor, for those who also read in it; it is closed here."""
        return self._descriptor

    def write(self, data: bytes) -> None:
        """Add octets."""
        _write_all(self._descriptor, data)

    def commit(self) -> Path:
        """Make it durable under its own name, and return that."""
        os.fchmod(self._descriptor, self._mode)
        os.fsync(self._descriptor)
        self._close()
        self._temporary.replace(self._path)
        sync_directory(self._path.parent)
        return self._path

    def abandon(self) -> None:
        """Leave nothing behind. After `commit`, nothing happens."""
        if self._descriptor >= 0:
            self._close()
        self._temporary.unlink(missing_ok=True)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextlib.contextmanager
def made_once(path: Path) -> Iterator[Path]:
    """An empty private file that becomes `path` when the block ends well. What is there already is never replaced.

    The block fills it, durably. Its directory is made (0700) where there is none. Made by root, each belongs to the
    owner of the directory it is in.

    Raises:
        FileExistsError: there is a file by now; of many processes that make it at once, the first one's stays.
        OSError: it cannot be made.
    """
    _make_directory(path.parent)
    scratch = path.with_name(f"{path.name}.new-{os.getpid()}")
    scratch.unlink(missing_ok=True)
    try:
        _make_owned(scratch)
        yield scratch
        os.link(scratch, path)  # not a rename, which would replace
    finally:
        scratch.unlink(missing_ok=True)
    sync_directory(path.parent)


def _make_directory(directory: Path) -> None:
    if directory.is_dir():
        return
    _make_directory(directory.parent)
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        if os.geteuid() == 0:
            above = directory.parent.stat()
            os.chown(directory, above.st_uid, above.st_gid, follow_symlinks=False)


def _make_owned(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE)
    try:
        os.fchmod(descriptor, _PRIVATE)
        if os.geteuid() == 0:
            # SQLite gives the files that it makes beside this one the same owner when it runs as root.
            directory = path.parent.stat()
            os.fchown(descriptor, directory.st_uid, directory.st_gid)
    finally:
        os.close(descriptor)
