"""LOGIN-DELAY: how soon after its last login an account may log in again (RFC 2449 §6.5).

Rules: one small SQLite file, shared by all workers and kept over restarts; asking and noting are one atomic statement,
so that two workers never both let in; a state that cannot be kept lets everybody in, because politeness to the server
must not lock an owner out. The file is written only where a delay is configured, without fsync: a lost record only
means one login too many after a power cut.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

_SCHEMA = "CREATE TABLE IF NOT EXISTS login (account TEXT NOT NULL PRIMARY KEY, at REAL NOT NULL) STRICT, WITHOUT ROWID"
# A time in the future means that the clock was set back: it must not close the account until it is reached again.
_NOTE = """
INSERT INTO login (account, at) VALUES (:account, :now)
ON CONFLICT (account) DO UPDATE SET at = excluded.at WHERE at > excluded.at OR at <= excluded.at - :delay
"""
_WAIT_SECONDS = 2.0


class LoginDelay:
    """Remembers each account's last login.

    Args:
        path: the state file; made when it is first needed, with mode 0600.
        seconds: the delay; more than 0.
        clock: UTC seconds.
    """

    def __init__(self, path: Path, *, seconds: float, clock: Callable[[], float]) -> None:
        if seconds <= 0:
            raise ValueError("a login delay is longer than 0 seconds")
        self._path = str(path)
        self._seconds = seconds
        self._clock = clock

    def admit(self, account: str) -> bool:
        """Whether the account may log in now; if so, this login is noted. Blocks on the disk.

        Raises:
            OSError: the state cannot be kept. The caller lets the account in.
        """
        try:
            return self._note(account)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
                os.unlink(self._path)  # nothing in it is worth repairing
            raise OSError(0, f"{self._path}: {error}") from error

    def _note(self, account: str) -> bool:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with contextlib.closing(sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None)) as state:
            state.execute("PRAGMA synchronous = OFF")
            state.execute(_SCHEMA)
            values = {"account": account, "now": self._clock(), "delay": self._seconds}
            return state.execute(_NOTE, values).rowcount == 1
