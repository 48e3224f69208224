"""The locks of an mbox: an fcntl lock and a lock file, both, as Debian's mail programs take them.

Rules: both are tried without waiting, and both are let go of before the next try, so that no order of two programs
can end in a deadlock; a lock file is taken over only when the process it names is gone, or when it names none and is
old; the locks are held for one append at a time, never while mail is fetched. A process loses its fcntl locks on a
file when it closes any descriptor of it, so threads of this process wait for each other before they open it.

Serves Debian Policy §11.6 and RFC 4155's demand for a lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pillarbox.fetch.destination import DestinationError
from pillarbox.fetch.destinations.problems import file_problem

OLD = 300.0
"""Seconds after which a lock file that names no process is taken for left behind, as liblockfile has it."""

RETRY = 0.1
"""Seconds between two tries."""

_threads: dict[Path, threading.Lock] = {}
_threads_lock = threading.Lock()


class MboxLock:
    """Opens an mbox with its locks held.

    Args:
        path: the mbox, absolute.
        lock_file: whether to use the lock file `path`.lock, too.
        wait: seconds to wait for other programs.
        clock: the time as UTC seconds, to tell a lock file's age.
        sleep: waits for some seconds.
    """

    def __init__(self, path: Path, *, lock_file: bool, wait: float, clock: Callable[[], float] = time.time,
                 sleep: Callable[[float], None] = time.sleep) -> None:  # fmt: skip
        self._path = path
        self._file = path.with_name(path.name + ".lock") if lock_file else None
        self._own = path.with_name(path.name + ".lock.pillarbox")
        self._wait, self._clock, self._sleep = wait, clock, sleep

    @contextlib.contextmanager
    def held(self) -> Iterator[int]:
        """A descriptor of the mbox, which is created if need be, for as long as the locks are held.

        Raises:
            DestinationError: the mbox or its lock file cannot be made, or others held the locks for too long.
        """
        with _threads_lock:
            mutex = _threads.setdefault(self._path, threading.Lock())
        if not mutex.acquire(timeout=self._wait):
            raise self._busy()
        try:
            descriptor = self._take()
            try:
                yield descriptor
            finally:
                self._release(descriptor)
        finally:
            mutex.release()

    def _take(self) -> int:
        tries = max(1, round(self._wait / RETRY))
        for _ in range(tries):
            descriptor = self._open()
            try:
                if self._try(descriptor):
                    return descriptor
            except OSError as error:
                os.close(descriptor)
                raise self._lock_problem(error) from None
            os.close(descriptor)
            self._sleep(RETRY)
        raise self._busy()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            # A file of ours is private; one that is there keeps its mode.
            descriptor = os.open(self._path, flags | os.O_CREAT, 0o600)
        except OSError as error:
            raise file_problem(error, self._path) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise DestinationError(f"{self._path}: this is not a regular file: name another one", temporary=False)
        return descriptor

    def _try(self, descriptor: int) -> bool:
        """Take both locks, or none."""
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        file = self._file
        if file is not None and not self._make(file) and not (self._remove_left_behind(file) and self._make(file)):
            return False
        try:
            ours, there = os.fstat(descriptor), os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            same = False
        else:
            same = (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
        if not same:  # another program put a new file in its place while we waited
            self._unlink()
        return same

    def _make(self, file: Path) -> bool:
        """Make the lock file, with our process id in it from its first moment on."""
        # The fcntl lock is held, so nobody else writes to this name.
        descriptor = os.open(self._own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb", buffering=0) as own:
                own.write(b"%d\n" % os.getpid())
            os.link(self._own, file)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            return self._make_without_link(file)  # a file system without hard links
        finally:
            os.unlink(self._own)
        return True

    def _make_without_link(self, file: Path) -> bool:
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return False
        with open(descriptor, "wb", buffering=0) as own:
            own.write(b"%d\n" % os.getpid())
        return True

    def _remove_left_behind(self, file: Path) -> bool:
        """Remove a lock file whose process is gone."""
        try:
            with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as found:
                before = os.fstat(found.fileno())
                words = found.read(64).split()
        except OSError:
            return False  # gone, or not ours to read: waiting is all that can be done
        process = int(words[0]) if words and words[0].isdigit() and len(words[0]) < 10 else 0
        # A process id of another machine ("pid:host") is no digit here, and is judged by its age.
        # Our own id is that of a process before us: the threads of this one wait for each other. In a container the
        # ids are the same at every start.
        if process and process != os.getpid() and _runs(process):
            return False
        if not process and self._clock() - before.st_mtime < OLD:
            return False
        with contextlib.suppress(OSError):
            now = os.stat(file, follow_symlinks=False)
            if (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns):
                os.unlink(file)
                return True
        return False

    def _release(self, descriptor: int) -> None:
        self._unlink()
        os.close(descriptor)

    def _unlink(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._file)

    def _lock_problem(self, error: OSError) -> DestinationError:
        if self._file is not None and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            text = f"{self._file}: the lock file cannot be made: let this user write in {self._path.parent}, or say "
            return DestinationError(
                text + "`lock_file = false` if every program that uses this mbox takes fcntl locks", temporary=False
            )
        return file_problem(error, self._file or self._path)

    def _busy(self) -> DestinationError:
        text = f"{self._path}: another program held its locks for {self._wait:g} seconds: it will be tried again"
        if self._file is not None:
            text += f"; if none is running, delete {self._file}"
        return DestinationError(text, temporary=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
