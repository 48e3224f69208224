"""What can stop a fetch, apart from the server and the destination; each text says what to do.

Rules: `temporary` is True where waiting may be enough; whatever is raised here, nothing was lost, because mail is
deleted on the server only after it is durable elsewhere. The server's faults are `pillarbox.client` errors, the
destination's are `DestinationError`.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FOREVER = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}


class FetchError(Exception):
    """Base: the run of one account cannot go on. Other accounts are not concerned."""

    def __init__(self, text: str, *, temporary: bool) -> None:
        super().__init__(text)
        self.text = text
        self.temporary = temporary


class StagingError(FetchError):
    """A message could not be written to disk. `full`: for want of space."""

    def __init__(self, text: str, *, temporary: bool, full: bool = False) -> None:
        super().__init__(text, temporary=temporary)
        self.full = full


class JournalError(FetchError):
    """The journal cannot be read or written."""


class JournalLocked(JournalError):
    """Another run of the same account holds the journal. `holder` is its process id, or 0 when unknown."""

    def __init__(self, path: Path, holder: int) -> None:
        who = f"process {holder}" if holder else "another process"
        text = f"{path}: {who} is fetching this account just now: wait until it ends, or stop it"
        super().__init__(text, temporary=True)
        self.holder = holder


def staging_problem(error: OSError, path: Path | str) -> StagingError:
    """What a failed write, fsync or rename of a staged message means."""
    if error.errno in _FULL:
        text = f"{path}: no space left: free some; the mail stays on the server until then"
        return StagingError(text, temporary=True, full=True)
    advice = "make it writable for the user that fetches" if error.errno in _FOREVER else "look at the disk"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        advice = "fetch fewer accounts at the same time, or raise the hard limit (ulimit -n, systemd's LimitNOFILE=)"
    reason = os.strerror(error.errno) if error.errno else str(error)
    text = f"{path}: {reason}: {advice}; the mail stays on the server until then"
    return StagingError(text, temporary=error.errno not in _FOREVER)


def journal_problem(error: sqlite3.Error | OSError | ValueError, path: Path) -> JournalError:
    """What an error of SQLite, or of the file system below it, means; a ValueError: of what was read."""
    if isinstance(error, ValueError):
        return _damaged("it holds what nobody wrote", path)
    if isinstance(error, OSError):
        full, reason = error.errno in _FULL, os.strerror(error.errno) if error.errno else str(error)
        forever = error.errno in _FOREVER
    else:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # an error of the module itself has no code
        full, reason = code == sqlite3.SQLITE_FULL, str(error)
        forever = code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
        undecodable = "decode" in reason  # SQLite's module says so of text that is no UTF-8
        if undecodable or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return _damaged(reason, path)
    if full:
        return JournalError(
            f"{path}: no space left for the journal: free some; nothing is deleted until then", temporary=True
        )
    advice = "make its directory writable for the user that fetches" if forever else "look at the disk"
    return JournalError(f"{path}: {reason}: {advice}", temporary=not forever)


def _damaged(reason: str, path: Path) -> JournalError:
    text = (
        f"{path}: the journal is damaged ({reason}): put a copy from a backup there, or move it away; "
        "without it, what is still on the server is fetched once more"
    )
    return JournalError(text, temporary=False)
