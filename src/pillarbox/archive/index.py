"""The index: one SQLite file with a row a message, a row for each place it came from, and the words of all (FTS5).

Rules: everything in it can be made again from the log and the messages, and it only ever follows the log: it remembers
the octet of the log it has read to, and reads on from there. The words are folded (`fold`) before SQLite sees them and
their text is not kept (contentless FTS5): what is shown is read from the messages.

A message's row number is made of its date, so that the order of rows is the order of dates: the newest come first, and
a range of dates is a range of rows, without sorting. 256 messages fit into one second; further ones of the same second
are put a little later. Writing is for who holds the archive's lock.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pillarbox.archive.extract import Document
from pillarbox.archive.fold import fold
from pillarbox.archive.log import Record
from pillarbox.archive.pages import PAGE

_SHOWN = 1000
"""Characters of a header field that are kept for lists of results."""

_PER_SECOND = 8  # bits of a row number below its second
_LAST_SECOND = 1 << 45
_CACHE_KIB = 32_768

_SCHEMA = """
CREATE TABLE state (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, date INTEGER NOT NULL,
    sender TEXT NOT NULL, recipients TEXT NOT NULL, subject TEXT NOT NULL, attachments INTEGER NOT NULL,
    message_id TEXT NOT NULL
);
CREATE INDEX by_size ON messages (size);
CREATE INDEX by_message_id ON messages (message_id) WHERE message_id <> '';
CREATE INDEX with_attachments ON messages (id) WHERE attachments > 0;
CREATE TABLE origins (
    message INTEGER NOT NULL, account TEXT NOT NULL, unique_id TEXT NOT NULL, received REAL NOT NULL,
    PRIMARY KEY (message, account, unique_id)
) WITHOUT ROWID;
CREATE INDEX by_account ON origins (account, message);
CREATE VIRTUAL TABLE words USING fts5(
    subject, sender, recipients, names, other, body, content='', prefix='2',
    tokenize="unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
);
INSERT INTO words (words, rank) VALUES ('hashsize', 16777216);
INSERT INTO state VALUES ('version', 1), ('octets', 0), ('chain', printf('%064d', 0));
"""


@dataclass(frozen=True, slots=True)
class Position:
    """How far the index has read the log: the octet behind the last line, and that line's chain."""

    octets: int
    chain: bytes


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open the index; to write, it is made if it is not there.

    Raises:
        sqlite3.Error: it cannot be opened, or is none.
    """
    if write:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # private; SQLite would follow the umask
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        # The log is what must be durable; after a crash the index reads it again.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # `pages.seal` does that
        if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    else:
        connection = _read_only(path)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def _read_only(path: Path) -> sqlite3.Connection:
    # Never a plain connection: when the last of those is closed it brings the WAL into the index, past `pages.seal`.
    name = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(name, uri=True, isolation_level=None, check_same_thread=False, timeout=30.0)
    try:
        connection.execute("SELECT 1 FROM state").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        # On a medium that cannot be written there is no shared memory for the WAL; there are no writers either.
        connection = sqlite3.connect(f"{name}&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
        connection.execute("SELECT 1 FROM state").fetchone()
    return connection


def position(connection: sqlite3.Connection) -> Position:
    """How far the index has read the log."""
    state = dict(connection.execute("SELECT name, value FROM state"))
    return Position(int(state["octets"]), str(state["chain"]).encode("ascii"))


def contains(connection: sqlite3.Connection, digest: bytes) -> bool:
    """Whether the message with this SHA-256 is in the index."""
    return connection.execute("SELECT 1 FROM messages WHERE sha256 = ?", (digest,)).fetchone() is not None


def has_origin(connection: sqlite3.Connection, record: Record) -> bool:
    """Whether it is known that this message came from this account under this unique-id."""
    return (
        connection.execute(
            "SELECT 1 FROM messages JOIN origins ON message = id WHERE sha256 = ? AND account = ? AND unique_id = ?",
            (record.digest, record.account, record.unique_id),
        ).fetchone()
        is not None
    )


def add(connection: sqlite3.Connection, found: Sequence[tuple[Record, Document | None]], read_to: Position) -> None:
    """Take records of the log, and the documents of those messages that are new, and remember how far it was read.

    Raises:
        sqlite3.Error: it cannot be written; nothing has changed.
    """
    with _transaction(connection):
        taken: set[int] = set()
        fresh = [
            (_row_number(connection, document.date, taken), record, document)
            for record, document in found
            if document is not None
        ]
        fresh.sort(key=lambda row: row[0])
        # In the order of their numbers, or FTS5 writes what it has gathered at every step back.
        for number, record, document in fresh:
            _insert(connection, number, record, document)
        for record, _ in found:
            connection.execute(
                "INSERT OR IGNORE INTO origins SELECT id, ?, ?, ? FROM messages WHERE sha256 = ?",
                (record.account, record.unique_id, record.received, record.digest),
            )
        connection.executemany(
            "UPDATE state SET value = ? WHERE name = ?",
            ((read_to.octets, "octets"), (read_to.chain.decode("ascii"), "chain")),
        )


def _row_number(connection: sqlite3.Connection, date: float, taken: set[int]) -> int:
    second, step = _second(date), 1
    while True:
        first = second << _PER_SECOND
        last = first + (1 << _PER_SECOND) - 1
        used = connection.execute("SELECT max(id) FROM messages WHERE id BETWEEN ? AND ?", (first, last)).fetchone()[0]
        number = first if used is None else used + 1
        while number in taken:
            number += 1
        if number <= last:
            taken.add(number)
            return number
        # Steps that grow: a hundred thousand messages of one second must not take a look at every second each.
        second += step
        step *= 2


def _second(date: float) -> int:
    return int(max(-_LAST_SECOND, min(_LAST_SECOND, date)))


def _insert(connection: sqlite3.Connection, number: int, record: Record, document: Document) -> None:
    connection.execute(
        "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            record.digest,
            record.size,
            _second(document.date),
            storable(document.sender[:_SHOWN]),
            storable(document.recipients[:_SHOWN]),
            storable(document.subject[:_SHOWN]),
            document.attachments,
            storable(document.message_id),
        ),
    )
    fields = (document.subject, document.sender, document.recipients, document.names, document.other, document.body)
    connection.execute(
        "INSERT INTO words (rowid, subject, sender, recipients, names, other, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (number, *(storable(fold(field)) for field in fields)),
    )


def storable(text: str) -> str:
    """Text without what SQLite's UTF-8 cannot hold, or would end at: lone surrogates and NUL."""
    if "\0" in text:
        text = text.replace("\0", " ")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
