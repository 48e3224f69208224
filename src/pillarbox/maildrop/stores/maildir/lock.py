"""One session for each Maildir, across all processes (P48, P49).

Rules: the lock is `flock` on the Maildir's own directory, so that it leaves no file behind, works where nothing may be
written, never blocks a delivery, and ends with its process at the latest. File systems that do not lock directories
(NFS) get a lock on a file inside. Who holds a lock is told as well as the kernel knows it, for people only.

Serves RFC 1939 §4 (exclusive-access lock).
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.maildrop.errors import MaildropBusy
from pillarbox.maildrop.stores.maildir.directory import LOCK_FILE, unavailable

Flock = Callable[[int, int], None]
Identity = tuple[int, int]
"""Device and inode of a Maildir's directory."""

_REFUSED = {errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_EXCLUSIVE = fcntl.LOCK_EX | fcntl.LOCK_NB


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that is held by this process. `descriptor` is the lock file's, where one was needed."""

    identity: Identity
    descriptor: int | None


class Locks:
    """The locks this process holds."""

    def __init__(self, flock: Flock = fcntl.flock) -> None:
        self._flock = flock
        self._sessions: dict[Identity, tuple[str, float]] = {}

    def acquire(self, root: int, session: str, since: float) -> Held:
        """Lock the Maildir whose directory is open as `root`. It stays locked until `release` and `root` is closed.

        Raises:
            MaildropBusy: another session holds it.
            MaildropUnavailable: its file system cannot lock.
        """
        status = os.fstat(root)
        identity = (status.st_dev, status.st_ino)
        descriptor = None
        try:
            self._flock(root, _EXCLUSIVE)
        except BlockingIOError as error:
            raise self._busy(identity) from error
        except OSError as error:
            if error.errno not in _REFUSED:
                raise unavailable(error, "lock") from error
            descriptor = self._lock_file(root, identity)
        self._sessions[identity] = (session, since)
        return Held(identity, descriptor)

    def release(self, held: Held) -> None:
        """Forget a lock whose directory is about to be closed."""
        self._sessions.pop(held.identity, None)
        if held.descriptor is not None:
            os.close(held.descriptor)

    def _lock_file(self, root: int, identity: Identity) -> int:
        try:
            descriptor = os.open(LOCK_FILE, _LOCK_FLAGS, 0o600, dir_fd=root)
        except OSError as error:
            raise unavailable(error, LOCK_FILE) from error
        try:
            self._flock(descriptor, _EXCLUSIVE)
        except OSError as error:
            inode = os.fstat(descriptor).st_ino
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise self._busy(identity, inode) from error
            raise unavailable(error, LOCK_FILE) from error
        return descriptor

    def _busy(self, identity: Identity, inode: int | None = None) -> MaildropBusy:
        if identity in self._sessions:
            session, since = self._sessions[identity]
            return MaildropBusy(f"session {session}", since)
        pid = _holder(identity[0], identity[1] if inode is None else inode)
        return MaildropBusy(f"process {pid}" if pid else "")


def _holder(device: int, inode: int) -> int:
    """The process that holds a lock on a file, from /proc/locks; 0 when it cannot be told."""
    wanted = b"%02x:%02x:%d" % (os.major(device), os.minor(device), inode)
    try:
        with open("/proc/locks", "rb") as locks:
            for line in locks:
                fields = line.split()
                if b"->" not in fields and len(fields) > 5 and fields[1] == b"FLOCK" and fields[5] == wanted:
                    return max(int(fields[4]), 0)
    except (OSError, ValueError):
        pass
    return 0
