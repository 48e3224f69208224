"""How the accounts file comes to be, and which files are refused."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pillarbox.auth import accounts_file
from pillarbox.auth.accounts_file import AccountsBusy, AccountsMissing, AccountsUnavailable


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_file_and_directory_are_private(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "accounts.sqlite"
    before = os.umask(0)
    try:
        assert accounts_file.create(str(path))
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert os.listdir(path.parent) == ["accounts.sqlite"]
    assert not accounts_file.create(str(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_directory_s_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    path = tmp_path / "new" / "accounts.sqlite"
    accounts_file.create(str(path))
    assert {(made.stat().st_uid, made.stat().st_gid) for made in (path.parent, path)} == {(12345, 23456)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_sqlite_s_own_files_follow_the_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    path = tmp_path / "accounts.sqlite"
    accounts_file.create(str(path))
    connection = accounts_file.opened(str(path), 1.0)
    connection.execute("UPDATE counter SET epoch = 7")
    assert {(file.stat().st_uid, file.stat().st_gid) for file in tmp_path.iterdir()} == {(12345, 23456)}
    connection.close()


def test_writes_are_durable_and_the_journal_is_a_wal(tmp_path: Path) -> None:
    path = str(tmp_path / "accounts.sqlite")
    accounts_file.create(path)
    connection = accounts_file.opened(path, 1.0)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    connection.close()


def test_many_processes_make_one_file(tmp_path: Path) -> None:
    path = str(tmp_path / "state" / "accounts.sqlite")
    code = "import sys\nfrom pillarbox.auth import accounts_file\nprint(accounts_file.create(sys.argv[1]))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    answers = [process.communicate()[0].strip() for process in processes]
    assert sorted(answers) == ["False", "False", "False", "True"]
    assert os.listdir(tmp_path / "state") == ["accounts.sqlite"]


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "accounts.sqlite")
    accounts_file.create(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(AccountsUnavailable, match="newer Pillarbox"):
        accounts_file.opened(path, 0.0)


def test_another_program_s_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(AccountsUnavailable, match="not a Pillarbox accounts database"):
        accounts_file.opened(str(path), 0.0)
    assert path.read_bytes() == before


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    path.touch()
    with pytest.raises(AccountsUnavailable, match="not a Pillarbox accounts database"):
        accounts_file.opened(str(path), 0.0)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AccountsUnavailable, match="Not a directory"):
        accounts_file.create(str(tmp_path / "file" / "accounts.sqlite"))


def test_errors_become_sentences() -> None:
    def sqlite_error(code: int) -> sqlite3.OperationalError:
        error = sqlite3.OperationalError("text of SQLite")
        error.sqlite_errorcode = code
        return error

    def said(error: sqlite3.Error | OSError) -> str:
        return accounts_file.translated(error, "/p").reason

    assert isinstance(accounts_file.translated(sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), "/p"), AccountsBusy)
    assert isinstance(accounts_file.translated(FileNotFoundError(2, "x"), "/p"), AccountsMissing)
    assert said(sqlite_error(sqlite3.SQLITE_FULL)) == "/p: the disk is full"
    assert "cannot be written" in said(sqlite_error(sqlite3.SQLITE_READONLY_DIRECTORY))
    assert "disk reports an error" in said(sqlite_error(sqlite3.SQLITE_IOERR_WRITE))
    assert said(PermissionError(13, "Permission denied")) == "/p: Permission denied"
    assert said(sqlite3.OperationalError("no such table: account")) == "/p: no such table: account"
