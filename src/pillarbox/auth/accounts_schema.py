"""The tables of the accounts database, as the steps by which each version grew out of the one before.

Rules: a step that was released is never edited, a change is a new step; bringing a file up to date is one transaction,
so that a crash leaves the old version or the new one, and of two programs that begin at once one finds the work done.
A file is never brought back: the program that knows an older version refuses it with a sentence. What the columns mean
is in `accounts`, `app_passwords` and `totp`.
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x50425841
"""\"PBXA\": tells our file from any other SQLite database."""

_ACCOUNTS = (
    """CREATE TABLE account (
        name TEXT NOT NULL PRIMARY KEY,
        password_hash TEXT NOT NULL,
        enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
        read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)),
        maildir TEXT,
        epoch INTEGER NOT NULL,
        created REAL NOT NULL,
        changed REAL NOT NULL
    ) STRICT, WITHOUT ROWID""",
    # One counter for all accounts: a removed and re-added account never meets an epoch of its former self.
    "CREATE TABLE counter (epoch INTEGER NOT NULL) STRICT",
    "INSERT INTO counter (epoch) VALUES (0)",
)
_CREDENTIALS = (
    # NULL: as the account's domain has it.
    "ALTER TABLE account ADD COLUMN mfa TEXT CHECK (mfa IN ('required', 'optional', 'off'))",
    "ALTER TABLE account ADD COLUMN pop3 INTEGER CHECK (pop3 IN (0, 1))",
    "ALTER TABLE account ADD COLUMN pop3_idle_days INTEGER CHECK (pop3_idle_days >= 0)",
    "ALTER TABLE account ADD COLUMN primary_over_pop3 INTEGER CHECK (primary_over_pop3 IN (0, 1))",
    "ALTER TABLE account ADD COLUMN password_epoch INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE account ADD COLUMN last_login REAL",
    # Idle days count from here at the earliest. Nothing is known of logins before this step: they count as just now.
    "ALTER TABLE account ADD COLUMN pop3_since REAL NOT NULL DEFAULT 0",
    "UPDATE account SET pop3_since = CAST(strftime('%s', 'now') AS REAL)",
    "CREATE INDEX account_epoch ON account (epoch)",
    # Removed accounts, so that a worker can end their sessions.
    "CREATE TABLE removed (name TEXT NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE app_password (
        account TEXT NOT NULL,
        id TEXT NOT NULL,
        tag BLOB NOT NULL,
        key_id TEXT NOT NULL,
        stored_key BLOB NOT NULL,
        server_key BLOB NOT NULL,
        sealed BLOB,
        name TEXT NOT NULL,
        read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)),
        networks TEXT NOT NULL,
        expires REAL,
        idle_days INTEGER CHECK (idle_days > 0),
        newer_than REAL,
        minted TEXT NOT NULL CHECK (minted IN ('mfa', 'administrator', 'unverified')),
        created REAL NOT NULL,
        last_used REAL,
        last_address TEXT NOT NULL DEFAULT '',
        last_client TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (account, id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE totp (
        account TEXT NOT NULL PRIMARY KEY,
        sealed BLOB NOT NULL,
        key_id TEXT NOT NULL,
        last_step INTEGER NOT NULL,
        created REAL NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE recovery_code (
        account TEXT NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (account, tag)
    ) STRICT, WITHOUT ROWID""",
)
_STEPS = (_ACCOUNTS, _CREDENTIALS)
VERSION = len(_STEPS)
"""The version this program reads and writes."""


def write(connection: sqlite3.Connection) -> None:
    """Make an empty file a database of the newest version."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    _apply_steps_after(connection, 0)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Bring a database of an older version to the newest; nothing happens if it is that already."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again inside the transaction: another process may have been quicker.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        _apply_steps_after(connection, version)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has rolled back already after some errors
            connection.execute("ROLLBACK")
        raise


def _apply_steps_after(connection: sqlite3.Connection, version: int) -> None:
    if version >= VERSION:
        return
    for step in _STEPS[version:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")
