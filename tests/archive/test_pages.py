"""The sums of the index's pages follow the index, whatever stops them; damage is proved in test_verify."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pillarbox.archive import index, pages


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(index.connect(tmp_path / "index", write=True)) as connection:
        yield connection


def write(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("INSERT INTO state VALUES (?, ?)", (f"n{number}", "x" * 5000))


def test_only_a_sealed_index_has_what_was_written(connection: sqlite3.Connection, tmp_path: Path) -> None:
    place, sums = tmp_path / "index", tmp_path / "sums"
    for number in range(20):
        before = place.read_bytes()
        write(connection, number)
        assert place.read_bytes() == before
        if number % 3 == 0:
            assert pages.seal(connection, place, sums)
            assert list(pages.check(place, sums)) == []
            assert place.read_bytes() != before
    assert pages.seal(connection, place, sums)
    assert list(pages.check(place, sums)) == []
    assert pages.seal(connection, place, sums)  # nothing to do


def test_a_reader_in_the_way_is_waited_out(connection: sqlite3.Connection, tmp_path: Path) -> None:
    place, sums = tmp_path / "index", tmp_path / "sums"
    pages.seal(connection, place, sums)
    with closing(index.connect(place, write=False)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM state").fetchone()
        write(connection, 1)
        connection.execute("PRAGMA busy_timeout = 10")
        assert not pages.seal(connection, place, sums)
        assert list(pages.check(place, sums)) == []  # as far as it came, it is right
        write(connection, 2)
        reader.execute("COMMIT")
    assert pages.seal(connection, place, sums)
    assert list(pages.check(place, sums)) == []


def test_stopped_between_the_pages_and_their_sums(connection: sqlite3.Connection, tmp_path: Path) -> None:
    place, sums = tmp_path / "index", tmp_path / "sums"
    pages.seal(connection, place, sums)
    write(connection, 1)
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert list(pages.check(place, sums))  # the sums are behind: but the WAL is there, and says of which pages
    assert pages.seal(connection, place, sums)
    assert list(pages.check(place, sums)) == []


def test_pages_without_sums(connection: sqlite3.Connection, tmp_path: Path) -> None:
    place, sums = tmp_path / "index", tmp_path / "sums"
    pages.seal(connection, place, sums)
    sums.write_bytes(sums.read_bytes()[:-4])
    assert list(pages.check(place, sums))
