"""The journal's file: names, versions, what is refused."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pillarbox.fetch import Journal, JournalError, JournalLocked
from pillarbox.fetch.journal_file import file_name, lock, read_only


def test_names_are_readable_and_never_shared() -> None:
    names = ["ada@example.org", "ada/example", "ada_example", "../../etc", "Ada", "", "x" * 300, ".hidden", "ä", "ö"]
    files = [file_name(name) for name in names]
    assert files[0] == "ada@example.org.journal"
    assert len(set(files)) == len(names)
    for name in files:
        assert "/" not in name
        assert not name.startswith(".")
        assert len(name) < 128


def test_it_is_private(tmp_path: Path) -> None:
    with Journal(tmp_path / "deep" / "journals", "ada") as journal:
        assert journal.path.stat().st_mode & 0o077 == 0
        assert journal.path.parent.stat().st_mode & 0o077 == 0


def test_another_account_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, "ada") as journal:
        path = journal.path
    path.rename(tmp_path / file_name("bob"))
    with pytest.raises(JournalError, match="of the account 'ada'"):
        Journal(tmp_path, "bob")


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, "ada") as journal:
        path = journal.path
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match="newer version") as caught:
        Journal(tmp_path, "ada")
    assert not caught.value.temporary


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / file_name("ada")).write_bytes(b"this is no database, and long enough to be looked at" * 100)
    with pytest.raises(JournalError, match="move it away") as caught:
        Journal(tmp_path, "ada")
    assert not caught.value.temporary


def test_a_refused_journal_is_not_locked(tmp_path: Path) -> None:
    path = tmp_path / file_name("ada")
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(JournalError):
        Journal(tmp_path, "ada")
    os.close(lock(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError, match="make its directory writable"):
        Journal(tmp_path, "ada")


def test_a_file_in_place_of_the_directory_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError) as caught:
        Journal(tmp_path / "file", "ada")
    assert not caught.value.temporary


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pillarbox.fetch import Journal\n"
        "journal = Journal(sys.argv[1], 'ada')\nprint('go', flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"go\n"
        with pytest.raises(JournalLocked) as caught:
            Journal(tmp_path, "ada")
        assert caught.value.holder == process.pid
        process.kill()
        process.wait()
    Journal(tmp_path, "ada").close()


def test_it_can_be_looked_into_without_the_lock(tmp_path: Path) -> None:
    with Journal(tmp_path, "ada") as journal:
        journal.listed([(b"a", 1)])
        reader = read_only(journal.path)
        assert reader.execute("SELECT count(*) FROM message").fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError):
            reader.execute("DELETE FROM message")
        reader.close()
    with pytest.raises(JournalError):
        read_only(tmp_path / "none")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE account SET name = CAST(x'ff00fe' AS TEXT)",
        "INSERT INTO message (key, state, size, seen_at, changed_at) VALUES (x'61', 99, 1, 0, 0)",
    ],
)
def test_what_nobody_can_have_written_is_damage(tmp_path: Path, damage: str) -> None:
    with Journal(tmp_path, "ada") as journal:
        path = journal.path
    connection = sqlite3.connect(path)
    connection.execute(damage)
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="damaged"), Journal(tmp_path, "ada") as journal:
        journal.known()
