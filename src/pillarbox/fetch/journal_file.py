"""The file a journal lives in: its name, its lock, its schema and the steps from one version of that to the next.

Rules: one file an account, named by the account and not by its host, so that a server which is renamed is still known;
one process at a time; SQLite in WAL mode with `synchronous=FULL`: a commit that returned survives a power failure;
a file made by a newer version is refused, never guessed at. Readers need no lock (`read_only`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import sqlite3
from pathlib import Path

from pillarbox.fetch.errors import JournalError, JournalLocked, journal_problem
from pillarbox.files import sync_directory

_APPLICATION = 0x50426A6C
"""SQLite's application_id of a journal: what `file` and we know it by."""

_VERSION_1 = """
CREATE TABLE account (
    name TEXT NOT NULL,
    mechanism TEXT NOT NULL DEFAULT ''  -- what let us in last time
);
CREATE TABLE message (
    key BLOB PRIMARY KEY,          -- the unique-id, or a hash of the content
    state INTEGER NOT NULL,
    size INTEGER NOT NULL,         -- as LIST said
    octets INTEGER,                -- as received
    sha256 BLOB,
    headers BLOB,                  -- hash of the header
    file TEXT,                     -- in the staging directory, while staged
    stored INTEGER,
    line_ends TEXT,
    received REAL,                 -- UTC seconds, as all times here
    destination TEXT,              -- what the destination calls it; NULL until it has it
    delete_at REAL,                -- NULL: never
    tries INTEGER NOT NULL DEFAULT 0,     -- that counted towards quarantine
    failures INTEGER NOT NULL DEFAULT 0,  -- of any kind: those with the fewest come first
    why INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    seen_at REAL NOT NULL,
    changed_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX message_by_state ON message (state) WHERE state IN (2, 4);
CREATE INDEX message_by_content ON message (sha256) WHERE sha256 IS NOT NULL;
"""

_STEPS = (_VERSION_1,)
"""What leads from version n to n + 1. Only ever added to."""

_UNSAFE = re.compile(r"[^A-Za-z0-9@._-]+")


def file_name(account: str) -> str:
    """The name of an account's journal: readable, and its own also where two names look alike as a file name."""
    readable = _UNSAFE.sub("_", account).lstrip(".")[:80] or "account"
    if readable == account:
        return f"{readable}.journal"
    return f"{readable}-{hashlib.sha256(account.encode()).hexdigest()[:12]}.journal"


def lock(path: Path) -> int:
    """Lock a journal for this run; returns the descriptor that holds the lock until it is closed.

    Raises:
        JournalLocked: another run has it, in this process or another one.
        JournalError: it cannot be locked.
    """
    # A file of its own: SQLite's locks on the database would end whenever any descriptor of it is closed.
    lock_path = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise journal_problem(error, lock_path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).strip()
        os.close(descriptor)
        raise JournalLocked(path, int(holder) if holder.isdigit() else 0) from None
    except OSError as error:
        os.close(descriptor)
        raise journal_problem(error, lock_path) from error
    with contextlib.suppress(OSError):  # who holds it is a kindness to people; a full disk must not matter here
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def connect(path: Path, account: str) -> sqlite3.Connection:
    """Open a locked journal, make it where it is missing, bring it to the newest version.

    Raises:
        JournalError: it cannot be used, or it is another account's.
    """
    connection: sqlite3.Connection | None = None
    try:
        fresh = not path.exists()
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        if fresh:
            path.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -8192")
        _upgrade(connection, path, account)
        if fresh:
            sync_directory(path.parent)
        return connection
    except (sqlite3.Error, OSError, ValueError) as error:
        if connection is not None:
            connection.close()
        raise journal_problem(error, path) from error
    except JournalError:
        if connection is not None:
            connection.close()
        raise


def read_only(path: Path) -> sqlite3.Connection:
    """Open a journal to look into it, also while a run writes it.

    Raises:
        JournalError: it is not there, or is none.
    """
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10)
        connection.execute("SELECT count(*) FROM account")
        return connection
    except sqlite3.Error as error:
        raise journal_problem(error, path) from error


def _upgrade(connection: sqlite3.Connection, path: Path, account: str) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_STEPS):
        text = f"{path}: made by a newer version of Pillarbox (journal version {version}): upgrade this one"
        raise JournalError(text, temporary=False)
    if version < len(_STEPS):
        # One script in one transaction: a crash leaves the old version or the new one.
        script = "".join(_STEPS[version:])
        connection.executescript(
            f"BEGIN IMMEDIATE;{script}PRAGMA application_id = {_APPLICATION};"
            f"PRAGMA user_version = {len(_STEPS)};COMMIT;"
        )
    row = connection.execute("SELECT name FROM account").fetchone()
    if row is None:
        connection.execute("INSERT INTO account (name) VALUES (?)", (account,))
    elif row[0] != account:
        text = f"{path}: this is the journal of the account {row[0]!r}, not of {account!r}: name another file"
        raise JournalError(text, temporary=False)
