"""The files of one Maildir, reached through descriptors of its directories and in no other way.

Rules: the root is opened once for each session and everything below it is opened relative to that descriptor, so that
a Maildir which is moved or replaced meanwhile is never touched. Below the root no symbolic link is followed, and only
regular files are messages. Names are `str` as `os.fsdecode` makes them: any octets go through unharmed.

Serves the Maildir convention (https://cr.yp.to/proto/maildir.html): `new`, `cur`, and flags after ":2,".
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable

from pillarbox.maildrop.errors import MaildropUnavailable

NEW, CUR = 0, 1
DIRECTORIES = ("new", "cur")
"""By their number. A message is moved from the first to the second, so they are always listed in this order."""

# No leading dots: Maildir++ takes every ".name" for a folder.
INDEX_FILE = "pillarbox.index"
INTENT_FILE = "pillarbox.intent"
LOCK_FILE = "pillarbox.lock"
UNIQUE_IDS_FILE = "pillarbox.uidl"

Stamp = tuple[int, int, int, int]
"""mtime and ctime in ns, inode, device: while they stay the same, so do the names in a directory."""

MISSING: Stamp = (0, 0, 0, 0)
UNTRUSTED = -1
"""Stands for the mtime of a directory that may still change without its stamp changing."""

SETTLED = 2.0
"""Seconds after which a time stamp can be relied on: the coarsest clock of a file system in use (FAT, HFS+)."""

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LISTINGS = 4  # how often a directory that changes while it is listed is listed again
_DELIVERED = re.compile(r"([0-9]{1,18})\.(?:[^.]*?[MH]([0-9]{1,9}))?")
_PERMANENT = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EROFS, errno.EINVAL}


def unavailable(error: OSError, what: str) -> MaildropUnavailable:
    """What a failed system call means for the maildrop. `what` is the file or directory, for the administrator."""
    return MaildropUnavailable(f"{what}: {os.strerror(error.errno or 0)}", permanent=error.errno in _PERMANENT)


def open_root(path: str) -> int | None:
    """A descriptor of the Maildir, or None when there is none yet. The path itself may be a symbolic link.

    Raises:
        MaildropUnavailable: it is no directory, or may not be opened.
    """
    if not path.startswith("/") or "\0" in path:
        raise MaildropUnavailable("the maildrop's path is not absolute", permanent=True)
    try:
        return os.open(path, _DIRECTORY_FLAGS)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unavailable(error, path) from error


def examine(root: int, directory: int) -> tuple[Stamp, int]:
    """The stamp and the size in octets of `new` or `cur`; `MISSING` and 0 where there is none.

    Raises:
        MaildropUnavailable: it is something else than a directory.
    """
    name = DIRECTORIES[directory]
    try:
        status = os.stat(name, dir_fd=root, follow_symlinks=False)
    except FileNotFoundError:
        return MISSING, 0
    except OSError as error:
        raise unavailable(error, name) from error
    if not stat.S_ISDIR(status.st_mode):
        raise MaildropUnavailable(f"{name} is not a directory", permanent=True)
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev), status.st_size


def open_directory(root: int, directory: int) -> int | None:
    """A descriptor of `new` or `cur`, or None where there is none.

    Raises:
        OSError: it is something else than a directory, or may not be opened.
    """
    try:
        return os.open(DIRECTORIES[directory], _DIRECTORY_FLAGS | os.O_NOFOLLOW, dir_fd=root)
    except FileNotFoundError:
        return None


def open_file(directory: int, name: str) -> tuple[int, os.stat_result]:
    """A descriptor of a message's file, and its status.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it may not be read; `ELOOP` where it is no regular file.
    """
    descriptor = os.open(name, _FILE_FLAGS, dir_fd=directory)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.ELOOP, "not a regular file")
    return descriptor, status


def content_version(status: os.stat_result) -> int:
    """A number that differs once a file was written to, or replaced by another: of its mtime and its inode.

    The ctime is left out: it changes with every flag.
    """
    return (status.st_mtime_ns ^ status.st_ino * 0x9E37_79B9_7F4A_7C15) & 0xFFFF_FFFF_FFFF_FFFF


def names_in(root: int, directory: int) -> tuple[list[str], Stamp]:
    """The names in `new` or `cur`, and the stamp under which they were all there.

    A directory that changes while it is read may hide a name that is being changed, so it is then read again.

    Raises:
        MaildropUnavailable: it cannot be read.
    """
    try:
        descriptor = open_directory(root, directory)
        if descriptor is None:
            return [], MISSING
        try:
            for _ in range(_LISTINGS):
                before = os.fstat(descriptor)
                names = os.listdir(descriptor)
                after = os.fstat(descriptor)
                if before.st_mtime_ns == after.st_mtime_ns and before.st_ctime_ns == after.st_ctime_ns:
                    break
            # When it never rested, the stamp of before makes the next opening look again.
            return names, (before.st_mtime_ns, before.st_ctime_ns, before.st_ino, before.st_dev)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unavailable(error, DIRECTORIES[directory]) from error


def settled(stamp: Stamp, started: float) -> Stamp:
    """The stamp to remember for a directory that was read at `started` (UTC seconds).

    One that had changed just before, or in the future, could change again under the same time stamp: it is not to be
    relied on, and the directory is read again next time.
    """
    if max(stamp[0], stamp[1]) > (started - SETTLED) * 1e9:
        return (UNTRUSTED, *stamp[1:])
    return stamp


def base_name(name: str) -> str:
    """What names a message for good: its file name without the flags, which other programs may change."""
    return name.partition(":2,")[0]


def delivery_order(name: str) -> tuple[int, int, str]:
    """The key that puts messages in the order they were delivered: seconds, microseconds, base name."""
    match = _DELIVERED.match(name)
    if match is None:
        return 0, 0, base_name(name)
    return int(match[1]), int(match[2] or 0), base_name(name)


def locate(root: int, bases: Iterable[str]) -> dict[str, list[tuple[int, str]]]:
    """Where the messages with these base names are now: directory and name, most often one of each.

    Raises:
        MaildropUnavailable: a directory cannot be read.
    """
    wanted = set(bases)
    found: dict[str, list[tuple[int, str]]] = {}
    for directory in (NEW, CUR):
        for name in names_in(root, directory)[0]:
            if (base := base_name(name)) in wanted:
                found.setdefault(base, []).append((directory, name))
    return found
