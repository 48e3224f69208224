"""The file behind the account store: how it is made, opened and recognised, and what its errors mean.

Rules: the file appears complete or not at all; a file that is not ours, or that a newer version wrote, is refused with
a sentence for people; one of an older version is brought up to date when it is opened (`accounts_schema`). What is
stored, and when, is in `accounts`.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from pillarbox.auth import accounts_schema
from pillarbox.files import made_once

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_REASONS = {
    sqlite3.SQLITE_NOTADB: "it is not a database, or is damaged; restore it from a backup",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore it from a backup",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it, or its directory, cannot be written by this user",
    sqlite3.SQLITE_CANTOPEN: "it, or a file beside it, cannot be opened by this user",
    sqlite3.SQLITE_PERM: "it cannot be opened by this user",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
}


class AccountsError(Exception):
    """Base of everything the account store raises on purpose."""


class AccountExists(AccountsError):
    """There is an account of that name already."""


class NoSuchAccount(AccountsError):
    """There is no account of that name."""


class AccountsUnavailable(AccountsError):
    """The store cannot be used. `reason` is a sentence for the administrator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AccountsMissing(AccountsUnavailable):
    """There is no file yet."""


class AccountsBusy(AccountsUnavailable):
    """Another process holds the store for a moment; trying again will help."""


def create(path: str) -> bool:
    """Make the database, and its directory, if there is none yet; say whether it was made now.

    File 0600, directory 0700. Made by root, the file belongs to the owner of its directory, so that a server that runs
    as that user can use it.

    Raises:
        AccountsUnavailable: it cannot be made.
    """
    if os.path.exists(path):
        return False
    try:
        with made_once(Path(path)) as scratch:
            _write_schema(scratch)
    except FileExistsError:
        return False  # another process was quicker
    except (sqlite3.Error, OSError) as error:
        raise translated(error, path) from error
    return True


def opened(path: str, busy_seconds: float) -> sqlite3.Connection:
    """A connection to a database that is there, is ours and of the version of this program.

    One thread at a time may use it. `busy_seconds` is how long a statement waits for other processes.

    Raises:
        AccountsUnavailable: it is not ours, or newer.
        sqlite3.Error: for `translated`.
    """
    connection = sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?mode=rw",  # mode=rw: never makes an empty file
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        _check_identity(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def raise_epoch(connection: sqlite3.Connection, name: str, epoch: int, now: float) -> None:
    """Mark an account as changed.

    Raises:
        NoSuchAccount: there is none of that name.
    """
    if connection.execute("UPDATE account SET epoch = ?, changed = ? WHERE name = ?", (epoch, now, name)).rowcount == 0:
        raise NoSuchAccount(name)


def translated(error: sqlite3.Error | OSError, path: str) -> AccountsUnavailable:
    """What an error of SQLite or of the file system means to people."""
    if isinstance(error, FileNotFoundError):
        return AccountsMissing(f"{path}: there is no accounts database yet")
    if isinstance(error, OSError):
        return AccountsUnavailable(f"{path}: {error.strerror}")
    # Python sets the code only on errors that come from SQLite itself; the low octet is the primary code.
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return AccountsBusy(f"{path}: another process is using the accounts database; try again")
    return AccountsUnavailable(f"{path}: {_REASONS.get(code, str(error))}")


def _check_identity(connection: sqlite3.Connection, path: str) -> None:
    (identity,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if identity != accounts_schema.APPLICATION_ID:
        raise AccountsUnavailable(f"{path}: this is not a Pillarbox accounts database")
    if version > accounts_schema.VERSION:
        raise AccountsUnavailable(
            f"{path}: a newer Pillarbox wrote this accounts database (version {version}, "
            f"this one knows {accounts_schema.VERSION}); use that version"
        )
    if version < accounts_schema.VERSION:
        accounts_schema.bring_up_to_date(connection)


def _write_schema(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        accounts_schema.write(connection)
    finally:
        connection.close()
