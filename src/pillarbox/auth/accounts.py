"""The embedded account store: one SQLite file that the command line writes and every server worker reads.

Rules: a reader sees each change at once and never waits; a writer's change is on the disk before its method returns; a
crash at any moment leaves the file as it was before or after the change, and the file itself appears complete or not at
all; no connection lives through a fork; whatever goes wrong is `AccountsUnavailable` with a sentence for people. Mail
is never touched here. Names arrive canonical (`names.normalise`), passwords hashed (`passwords`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pillarbox.auth import accounts_file
from pillarbox.auth.accounts_file import (
    AccountExists,
    AccountsBusy,
    AccountsError,
    AccountsMissing,
    AccountsUnavailable,
    NoSuchAccount,
)

__all__ = [
    "AccountExists",
    "AccountStore",
    "AccountsBusy",
    "AccountsError",
    "AccountsMissing",
    "AccountsUnavailable",
    "NoSuchAccount",
    "StoredAccount",
]

_COLUMNS = "name, password_hash, enabled, read_only, maildir, epoch, created, changed"
_LOOKUP = f"SELECT {_COLUMNS} FROM account WHERE name = ?"  # noqa: S608 - constants only


class StoredAccount(NamedTuple):
    """One account as it is stored. Times are UTC seconds; `maildir` is its own path or None."""

    name: str
    password_hash: str
    enabled: bool
    read_only: bool
    maildir: str | None
    epoch: int
    created: float
    changed: float

    def __repr__(self) -> str:
        # No hash in traces.
        return f"StoredAccount(name={self.name!r}, epoch={self.epoch})"


class AccountStore:
    """The accounts in one SQLite file.

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
        _stores.add(self)

    # ---- reading ----------------------------------------------------------------------------------------------

    def lookup(self, name: str) -> StoredAccount | None:
        """The account of that name, as of now; None if there is none. Some 10 µs, and never waits for a writer.

        Raises:
            AccountsBusy: another process holds the file for a moment.
            AccountsUnavailable: the file is missing, damaged, of a newer version or not readable.
        """
        with self._reader_lock:
            try:
                status = os.stat(self._path)
                reader = self._reader
                # A file that was replaced (restored from a backup, say) has another identity.
                if reader is None or self._reader_file != (status.st_dev, status.st_ino):
                    reader = self._open_reader(status)
                row = reader.execute(_LOOKUP, (name,)).fetchone()
            except (sqlite3.Error, OSError) as error:
                reason = accounts_file.translated(error, self._path)
                if not isinstance(reason, AccountsBusy):
                    self.close()  # start afresh, so that a repaired file is used at once
                raise reason from error
        return None if row is None else _account(row)

    def show(self, name: str) -> StoredAccount:
        """The account of that name; waits for writers as they do for each other.

        Raises:
            NoSuchAccount, AccountsUnavailable: as they say.
        """
        with self._connected() as connection:
            row = connection.execute(_LOOKUP, (name,)).fetchone()
        if row is None:
            raise NoSuchAccount(name)
        return _account(row)

    def list(self) -> list[StoredAccount]:
        """All accounts, by name.

        Raises:
            AccountsUnavailable: the file cannot be used.
        """
        with self._connected() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM account ORDER BY name").fetchall()  # noqa: S608
        return [_account(row) for row in rows]

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

    # ---- writing ----------------------------------------------------------------------------------------------

    def create(self) -> bool:
        """Make the file and its directory if they are not there yet; say whether they were made now.

        Raises:
            AccountsUnavailable: it cannot be made.
        """
        return accounts_file.create(self._path)

    def add(self, name: str, password_hash: str, *, read_only: bool = False, maildir: str | None = None) -> None:
        """Add an account.

        Raises:
            AccountExists, AccountsUnavailable: as they say.
        """
        with self._writing() as (connection, epoch, now):
            try:
                connection.execute(
                    f"INSERT INTO account ({_COLUMNS}) VALUES (?, ?, 1, ?, ?, ?, ?, ?)",  # noqa: S608
                    (name, password_hash, int(read_only), maildir, epoch, now, now),
                )
            except sqlite3.IntegrityError:
                raise AccountExists(name) from None

    def set_password(self, name: str, password_hash: str) -> None:
        """Replace the password.

        Raises:
            NoSuchAccount, AccountsUnavailable: as they say.
        """
        self._update(name, "password_hash = ?", password_hash)

    def enable(self, name: str) -> None:
        """Let the account in again. Raises as `set_password`."""
        self._update(name, "enabled = ?", 1)

    def disable(self, name: str) -> None:
        """Refuse the account from the next login on. Raises as `set_password`."""
        self._update(name, "enabled = ?", 0)

    def remove(self, name: str) -> None:
        """Forget the account; its mail stays. Raises as `set_password`."""
        with self._writing() as (connection, _, _):
            if connection.execute("DELETE FROM account WHERE name = ?", (name,)).rowcount == 0:
                raise NoSuchAccount(name)

    def replace_hash(self, name: str, old_hash: str, new_hash: str) -> bool:
        """Replace a hash by a stronger one of the same password, unless the password has changed meanwhile.

        Raises:
            AccountsUnavailable: it cannot be written.
        """
        with self._writing() as (connection, epoch, now):
            changed = connection.execute(
                "UPDATE account SET password_hash = ?, epoch = ?, changed = ? WHERE name = ? AND password_hash = ?",
                (new_hash, epoch, now, name, old_hash),
            ).rowcount
        return changed > 0

    def _update(self, name: str, assignment: str, value: str | int) -> None:
        with self._writing() as (connection, epoch, now):
            changed = connection.execute(
                f"UPDATE account SET {assignment}, epoch = ?, changed = ? WHERE name = ?",  # noqa: S608
                (value, epoch, now, name),
            ).rowcount
            if changed == 0:
                raise NoSuchAccount(name)

    # ---- connections ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _writing(self) -> Iterator[tuple[sqlite3.Connection, int, float]]:
        """One transaction: the connection, the epoch of this change, and now. An exception takes it all back."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            (epoch,) = connection.execute("UPDATE counter SET epoch = epoch + 1 RETURNING epoch").fetchone()
            try:
                yield connection, epoch, self._clock()
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


def _account(row: tuple[str, str, int, int, str | None, int, float, float]) -> StoredAccount:
    name, password_hash, enabled, read_only, maildir, epoch, created, changed = row
    return StoredAccount(name, password_hash, enabled == 1, read_only == 1, maildir, epoch, created, changed)


# SQLite: a connection, and the process-wide state behind it, must not be carried over a fork (its POSIX locks stay
# behind). So every store closes its reader before, and parent and child open their own at their next lookup.
_stores: weakref.WeakSet[AccountStore] = weakref.WeakSet()
_held: list[AccountStore] = []


def _before_fork() -> None:
    for store in list(_stores):
        store.hold()
        _held.append(store)


def _after_fork() -> None:
    while _held:
        _held.pop().release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
