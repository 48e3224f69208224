"""The index: rows in the order of dates, kept with the place in the log they were made from."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pillarbox.archive import index
from pillarbox.archive.extract import Document
from pillarbox.archive.log import FIRST, Record


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(index.connect(tmp_path / "index", write=True)) as connection:
        yield connection


def found(number: int, date: float, account: str = "w") -> tuple[Record, Document]:
    document = Document(date, f"Subject {number}", "", "", "", "", "body\0\udcff", 0, "")
    return Record(f"{number:064x}", 1, account, "u", date), document


def test_rows_are_in_the_order_of_dates(connection: sqlite3.Connection) -> None:
    dates = [5.0, 1.0, 3.0, -7.0, 1e30, 3.5, 3.0]
    index.add(connection, [found(number, date) for number, date in enumerate(dates)], index.Position(1, b"c" * 64))
    rows = [row[0] for row in connection.execute("SELECT subject FROM messages ORDER BY id")]
    assert rows == [f"Subject {number}" for number in (3, 1, 2, 5, 6, 0, 4)]
    assert index.position(connection) == index.Position(1, b"c" * 64)


def test_an_origin_is_added_to_a_message_that_is_known(connection: sqlite3.Connection) -> None:
    assert index.position(connection) == index.Position(0, FIRST)
    record, document = found(1, 1.0)
    other, _ = found(1, 1.0, account="x")
    assert not index.contains(connection, record.digest)
    index.add(connection, [(record, document), (other, None), (other, None)], index.Position(9, FIRST))
    assert index.contains(connection, record.digest)
    assert index.has_origin(connection, record)
    assert index.has_origin(connection, other)
    assert not index.has_origin(connection, found(1, 1.0, account="y")[0])


def test_what_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    index.add(connection, [found(1, 1.0)], index.Position(1, FIRST))
    with pytest.raises(sqlite3.IntegrityError):
        index.add(connection, [found(2, 1.0), found(1, 1.0)], index.Position(2, FIRST))
    assert index.position(connection).octets == 1
    assert not index.contains(connection, found(2, 1.0)[0].digest)


def test_a_reader_cannot_write_and_leaves_the_wal(connection: sqlite3.Connection, tmp_path: Path) -> None:
    index.add(connection, [found(1, 1.0)], index.Position(1, FIRST))
    with closing(index.connect(tmp_path / "index", write=False)) as reader:
        assert index.contains(reader, found(1, 1.0)[0].digest)
        with pytest.raises(sqlite3.OperationalError):
            reader.execute("DELETE FROM messages")
        connection.close()
    assert (tmp_path / "index-wal").stat().st_size > 0


def test_text_that_sqlite_cannot_hold() -> None:
    assert index.storable("plain") == "plain"
    assert index.storable("a\0b\udc80") == "a b?"
