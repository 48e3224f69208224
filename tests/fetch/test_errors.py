"""Every error says what to do, and whether waiting may help."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from pillarbox.fetch.errors import JournalLocked, journal_problem, staging_problem

PATH = Path("/somewhere")


@pytest.mark.parametrize(
    ("number", "temporary", "text"),
    [
        (errno.ENOSPC, True, "no space left: free some"),
        (errno.EDQUOT, True, "no space left: free some"),
        (errno.EACCES, False, "make it writable"),
        (errno.EROFS, False, "make it writable"),
        (errno.EIO, True, "look at the disk"),
        (errno.EMFILE, True, "raise the hard limit"),
    ],
)
def test_staging(number: int, temporary: bool, text: str) -> None:
    problem = staging_problem(OSError(number, "x"), PATH)
    assert text in problem.text
    assert str(PATH) in problem.text
    assert problem.temporary is temporary
    assert problem.full == (number in (errno.ENOSPC, errno.EDQUOT))


def test_a_journal_on_a_full_disk(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "x")
    database.execute("CREATE TABLE t (x)")
    database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute("INSERT INTO t VALUES (zeroblob(100000))")
    problem = journal_problem(caught.value, PATH)
    assert "no space left" in problem.text
    assert problem.temporary
    database.close()


def test_a_journal_with_other_problems() -> None:
    assert not journal_problem(OSError(errno.EACCES, "x"), PATH).temporary
    assert journal_problem(OSError(errno.ENOSPC, "x"), PATH).temporary
    assert journal_problem(sqlite3.ProgrammingError("closed"), PATH).temporary
    assert "process 42" in JournalLocked(PATH, 42).text
    assert "another process" in JournalLocked(PATH, 0).text
