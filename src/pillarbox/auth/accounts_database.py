"""The connections to the accounts database: one that reads, one for each change, none across a fork.

Rules: a reader sees each change at once and never waits for a writer; a change is one transaction and on the disk
before it returns; a crash at any moment leaves the file as it was before or after the change; whatever goes wrong is
`AccountsUnavailable`. What is asked and changed is in `accounts`, `app_passwords` and `totp`; the file itself in
`accounts_file`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pillarbox.auth import accounts_file
from pillarbox.auth.accounts_file import AccountsBusy

T = TypeVar("T")
_first: Callable[[sqlite3.Cursor], tuple[Any, ...] | None] = sqlite3.Cursor.fetchone
_all: Callable[[sqlite3.Cursor], list[tuple[Any, ...]]] = sqlite3.Cursor.fetchall


class AccountsDatabase:
    """One database file.

    Args:
        path: the file. `create` makes it, everything else wants it to be there.
        clock: UTC seconds.
        busy_seconds: how long a writer waits for another one.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float], busy_seconds: float = 10.0) -> None:
        self._path = str(path)
        self._clock = clock
        self._busy_seconds = busy_seconds
        # Two locks, so that a lookup on the event loop never waits for a writing thread.
        self._reader_lock = threading.RLock()
        self._writer_lock = threading.RLock()
        self._reader: sqlite3.Connection | None = None
        self._reader_file = (0, 0)
        _databases.add(self)

    def create(self) -> bool:
        """Make the file and its directory if they are not there yet; say whether they were made now.

        Raises:
            AccountsUnavailable: it cannot be made.
        """
        return accounts_file.create(self._path)

    # ---- reading ----------------------------------------------------------------------------------------------

    def row(self, question: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """The first row of an answer, as of now. `Any`: columns have the types that the schema gives them.

        Raises:
            AccountsBusy: another process holds the file for a moment.
            AccountsUnavailable: the file is missing, damaged, of a newer version or not readable.
        """
        return self._asked(question, values, _first)

    def rows(self, question: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of an answer, as of now. Raises as `row`; `Any` too."""
        return self._asked(question, values, _all)

    def _asked(self, question: str, values: Sequence[Any], fetch: Callable[[sqlite3.Cursor], T]) -> T:
        with self._reader_lock:
            try:
                status = os.stat(self._path)
                reader = self._reader
                # A file that was replaced (restored from a backup, say) has another identity.
                if reader is None or self._reader_file != (status.st_dev, status.st_ino):
                    reader = self._open_reader(status)
                return fetch(reader.execute(question, values))
            except (sqlite3.Error, OSError) as error:
                reason = accounts_file.translated(error, self._path)
                if not isinstance(reason, AccountsBusy):
                    self.close()  # start afresh, so that a repaired file is used at once
                raise reason from error

    def close(self) -> None:
        """Close the reading connection; the next lookup opens it anew."""
        with self._reader_lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def hold(self) -> None:
        """Finish what is under way, close, and begin nothing until `release`: for the moment of a fork."""
        self._writer_lock.acquire()
        self._reader_lock.acquire()
        self.close()

    def release(self) -> None:
        """The end of `hold`, by the same thread (in parent or child)."""
        self._reader_lock.release()
        self._writer_lock.release()

    # ---- changing ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def change(self) -> Iterator[tuple[sqlite3.Connection, int, float]]:
        """One transaction that changes accounts: its connection, a new epoch, and now.

        An exception takes it all back. Raises `AccountsUnavailable`.
        """
        with self.transaction() as connection:
            (epoch,) = connection.execute("UPDATE counter SET epoch = epoch + 1 RETURNING epoch").fetchone()
            yield connection, epoch, self._clock()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction that changes nothing a session or a cached login rests on. As `change`."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # SQLite has rolled back already after some errors
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._writer_lock:
            try:
                os.stat(self._path)  # says "missing" where SQLite would only say "cannot open"
                with contextlib.closing(accounts_file.opened(self._path, self._busy_seconds)) as connection:
                    yield connection
            except (sqlite3.Error, OSError) as error:
                raise accounts_file.translated(error, self._path) from error

    def _open_reader(self, status: os.stat_result) -> sqlite3.Connection:
        self.close()
        self._reader = accounts_file.opened(self._path, 0.0)
        self._reader.execute("PRAGMA query_only = ON")
        self._reader_file = (status.st_dev, status.st_ino)
        return self._reader


# SQLite: a connection, and the process-wide state behind it, must not be carried over a fork (its POSIX locks stay
# behind). So every database closes its reader before, and parent and child open their own at their next lookup.
_databases: weakref.WeakSet[AccountsDatabase] = weakref.WeakSet()
_held: list[AccountsDatabase] = []


def _before_fork() -> None:
    for database in list(_databases):
        database.hold()
        _held.append(database)


def _after_fork() -> None:
    while _held:
        _held.pop().release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
