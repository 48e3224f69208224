"""Searching an archive: the newest first, or the most relevant.

Rules: a query is parsed and planned before the database is asked, and what the database says is never shown to a
person. What comes back is read from the index; nothing here opens a message.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any  # rows: SQLite's columns have no types of their own

from pillarbox.archive.archive import Archive
from pillarbox.archive.errors import MessageMissing, QueryError
from pillarbox.archive.query import parse
from pillarbox.archive.statement import Plan, plan

_COLUMNS = "m.id, m.sha256, m.size, m.date, m.sender, m.recipients, m.subject, m.attachments, m.message_id"
_MANY = 1000
_RELEVANT = 10_000
"""Matches that are weighed for relevance: the newest so many. More would take longer than anyone waits."""

_WEIGHTS = "4.0, 3.0, 1.0, 2.0, 1.0, 1.0"  # subject, sender, recipients, names, other, body


class Order(Enum):
    """What comes first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True)
class Origin:
    """One place a message came from. `received` is UTC seconds."""

    account: str
    unique_id: str
    received: float


@dataclass(frozen=True, slots=True)
class Found:
    """A message in a list of results.

    `size` is octets, `date` UTC seconds, `attachments` their number. The texts are decoded, at most 1,000 characters
    each, and not cleaned for a terminal.
    """

    sha256: bytes
    size: int
    date: int
    sender: str
    recipients: str
    subject: str
    attachments: int
    message_id: str
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What an archive holds: messages and their octets, origins by account, first and last date, files beside them."""

    messages: int
    octets: int
    accounts: tuple[tuple[str, int], ...]
    oldest: int | None
    newest: int | None
    attachments: int
    index_octets: int
    log_octets: int


def search(
    archive: Archive,
    text: str,
    *,
    limit: int = 50,
    offset: int = 0,
    order: Order = Order.NEWEST,
    clock: Callable[[], float] = time.time,
) -> list[Found]:
    """The messages that match a query (`query` describes the language), at most `limit` of them.

    Raises:
        QueryError: the query cannot be understood.
        ArchiveDamaged: the index cannot be read.
    """
    sql, values = _statement(plan(parse(text, clock())), order)
    with archive.reading() as reader:
        rows = _rows(reader, sql, (*values, limit, offset))
        return _with_origins(reader, rows)


def matching(archive: Archive, text: str, clock: Callable[[], float] = time.time) -> Iterator[Found]:
    """All messages that match a query, the oldest first; the archive may be used, and added to, in between.

    Raises:
        QueryError: the query cannot be understood.
        ArchiveDamaged: the index cannot be read.
    """
    sql, values = _statement(plan(parse(text, clock())), Order.OLDEST, ids_only=True)
    with archive.reading() as reader:
        numbers = [row[0] for row in _rows(reader, sql, (*values, -1, 0))]
    for start in range(0, len(numbers), _MANY):
        some = numbers[start : start + _MANY]
        with archive.reading() as reader:
            sql = f"SELECT {_COLUMNS} FROM messages AS m WHERE m.id IN ({_marks(some)}) ORDER BY m.id"  # noqa: S608 - marks
            found = _with_origins(reader, _rows(reader, sql, some))
        yield from found


def count(archive: Archive, text: str, *, most: int = 1 << 40, clock: Callable[[], float] = time.time) -> int:
    """How many messages match a query; counting stops at `most`.

    Raises:
        QueryError: the query cannot be understood.
        ArchiveDamaged: the index cannot be read.
    """
    sql, values = _statement(plan(parse(text, clock())), Order.NEWEST, ids_only=True)
    with archive.reading() as reader:
        return int(_rows(reader, f"SELECT count(*) FROM ({sql})", (*values, most, 0))[0][0])  # noqa: S608 - ours


def get(archive: Archive, digits: str) -> Found:
    """The one message whose SHA-256 begins with these hexadecimal digits (at least 4).

    Raises:
        MessageMissing: there is none, or more than one.
        QueryError: they are no such digits.
        ArchiveDamaged: the index cannot be read.
    """
    found = search(archive, f"id:{digits}", limit=2)
    if not found:
        raise MessageMissing(f"no message has an id that begins with {digits}; `pillarbox archive search` shows ids")
    if len(found) > 1:
        raise MessageMissing(f"more than one message has an id that begins with {digits}; write more of its digits")
    return found[0]


def statistics(archive: Archive) -> Statistics:
    """Count what is there.

    Raises:
        ArchiveDamaged: the index cannot be read.
    """
    layout = archive.layout
    with archive.reading() as reader:
        row = reader.execute(
            "SELECT count(*), coalesce(sum(size), 0), min(date), max(date), coalesce(sum(attachments), 0) FROM messages"
        ).fetchone()
        accounts = reader.execute("SELECT account, count(*) FROM origins GROUP BY account ORDER BY account").fetchall()
    return Statistics(
        messages=row[0],
        octets=row[1],
        accounts=tuple((str(name), int(number)) for name, number in accounts),
        oldest=row[2],
        newest=row[3],
        attachments=row[4],
        index_octets=layout.index.stat().st_size,
        log_octets=layout.log.stat().st_size,
    )


def _statement(planned: Plan, order: Order, *, ids_only: bool = False) -> tuple[str, tuple[object, ...]]:
    """The rows in their order, with two parameters left for LIMIT and OFFSET."""
    where = [f"({condition.text})" for condition in planned.conditions]
    values = tuple(value for condition in planned.conditions for value in condition.values)
    if planned.match is not None:
        where.insert(0, "words MATCH ?")
        values = (planned.match, *values)
    source = "messages" if planned.match is None else "words"
    inner = f"SELECT rowid AS id FROM {source}" + (f" WHERE {' AND '.join(where)}" if where else "")  # noqa: S608 - ours
    direction = "ASC" if order is Order.OLDEST else "DESC"
    ordered = f"{inner} ORDER BY rowid {direction}"
    if order is Order.RELEVANCE and planned.match is not None:
        # From the row on that has `_RELEVANT` newer ones; every row there is weighed.
        first = f"(SELECT coalesce(min(id), 0) FROM ({inner} ORDER BY rowid DESC LIMIT {_RELEVANT}))"  # noqa: S608
        ordered = f"{inner} AND rowid >= {first} ORDER BY bm25(words, {_WEIGHTS}), rowid DESC"
        values = (*values, *values)
    limited = f"{ordered} LIMIT ? OFFSET ?"
    if ids_only:
        return limited, values
    return f"SELECT {_COLUMNS} FROM ({limited}) AS f CROSS JOIN messages AS m ON m.id = f.id", values  # noqa: S608


def _rows(reader: sqlite3.Connection, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    try:
        return reader.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            raise QueryError("the query is too much for the index; ask for less at a time") from None
        raise


def _with_origins(reader: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> list[Found]:
    origins: dict[object, list[Origin]] = {row[0]: [] for row in rows}
    numbers = list(origins)
    for start in range(0, len(numbers), _MANY):
        some = numbers[start : start + _MANY]
        sql = f"SELECT message, account, unique_id, received FROM origins WHERE message IN ({_marks(some)})"  # noqa: S608
        for message, account, unique_id, received in reader.execute(sql, some):
            origins[message].append(Origin(account, unique_id, received))
    return [Found(*(*row[1:], tuple(origins[row[0]]))) for row in rows]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
