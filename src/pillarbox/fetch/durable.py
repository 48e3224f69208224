"""Many new files made durable at once: one `syncfs` for a batch where that is safe and fast, else an fsync for each.

Rules: where it is not certain that `syncfs` waits for the data and reports what could not be written, it is not used:
on other systems than Linux from 5.8 on, on file systems that are not known for it, for a few or large files. It writes
out what other programs have in memory, too; where that takes long, the next batches do without it.

A hundred fsyncs of small files each wait for the file system's own journal; one `syncfs` waits for it once. On ext4
this is two to five times faster.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pillarbox.fetch.errors import StagingError
from pillarbox.fetch.staging import Part, make_durable

FEWEST = 8
"""Files of a batch from which on one `syncfs` costs less than their fsyncs."""

LONGEST = 3.0
"""Seconds: a `syncfs` that took longer was busy with other programs' data."""

PAUSE = 8
"""Batches after such a one for which it is not used."""

_REPORTS_ERRORS = (5, 8)
"""The version of Linux from which on `syncfs` tells what could not be written (syncfs(2))."""

_KNOWN = {0xEF53: "ext4", 0x58465342: "xfs", 0x9123683E: "btrfs", 0xF2F52010: "f2fs", 0x01021994: "tmpfs"}
"""File systems by their number in statfs(2)."""


class Durable:
    """Makes batches of files in one directory durable. A context manager; open before the files are written.

    Args:
        directory: where the files are.
        syncfs: takes a descriptor; raises OSError. None to use fsync only.
    """

    def __init__(self, directory: Path, syncfs: Callable[[int], None] | None = None) -> None:
        self._directory = directory
        self._syncfs = syncfs
        self._pause = 0
        # What is reported are errors since this descriptor was opened.
        self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if syncfs else -1

    @classmethod
    def best(cls, directory: Path) -> Self:
        """With `syncfs` where that is safe.

        Raises:
            OSError: the directory cannot be opened.
        """
        return cls(directory, _syncfs(directory))

    def __call__(self, parts: Sequence[Part]) -> dict[int, StagingError]:
        """Let the messages survive a power failure, and close their files. Returns what went wrong, by index."""
        if self._syncfs is None or len(parts) < FEWEST or self._pause:
            self._pause = max(self._pause - 1, 0)
            return make_durable(parts)
        began = time.monotonic()
        try:
            self._syncfs(self._descriptor)
        except OSError:
            # Perhaps of another program's file: each of ours can tell.
            return make_durable(parts)
        if time.monotonic() - began > LONGEST:
            self._pause = PAUSE
        for part in parts:
            os.close(part.descriptor)
        return {}

    def close(self) -> None:
        """Let go of the directory. Safe to repeat."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _syncfs(directory: Path) -> Callable[[int], None] | None:
    """The system call, or None where it is not to be trusted."""
    version = re.match(r"(\d+)\.(\d+)", os.uname().release) if sys.platform == "linux" else None
    if version is None or (int(version[1]), int(version[2])) < _REPORTS_ERRORS:
        return None
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None, use_errno=True)
        # `struct statfs` begins with the file system's number, a long; the rest is not looked at.
        answer = (ctypes.c_long * 64)()
        if library.statfs(os.fsencode(directory), answer) or answer[0] & 0xFFFFFFFF not in _KNOWN:
            return None
        call = library.syncfs

        def syncfs(descriptor: int) -> None:
            if call(descriptor):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))

        return syncfs
    return None
