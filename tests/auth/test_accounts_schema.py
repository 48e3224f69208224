"""Bringing older databases up to date. `accounts-v1.sqlite` was written by version 1 of the program."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pillarbox.auth import accounts_file, accounts_schema
from pillarbox.auth.accounts import AccountsBusy, AccountStore

VERSION_1 = Path(__file__).with_name("accounts-v1.sqlite")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.sqlite"
    shutil.copy(VERSION_1, path)
    assert version(path) == 1
    return path


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return int(found)


def schema(path: Path) -> list[tuple[str, str, str]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return [(kind, name, " ".join((sql or "").split())) for kind, name, sql in found]


def test_a_reader_brings_it_up_to_date_and_nothing_is_lost(path: Path) -> None:
    store = AccountStore(path, clock=lambda: 0.0)
    alice = store.lookup("alice@example.org")
    assert alice is not None
    assert alice[:8] == (
        "alice@example.org", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$hash", True, True, "/srv/{user}", 1, 1.7e9, 1.7e9,
    )  # fmt: skip
    assert (alice.mfa, alice.pop3, alice.pop3_idle_days, alice.primary_over_pop3) == (None, None, None, None)
    assert (alice.last_login, alice.totp, alice.password_epoch) == (None, False, 0)
    assert abs(alice.pop3_since - time.time()) < 60  # idle days begin now
    assert [account.name for account in store.list()] == ["alice@example.org", "bob@example.org", "carol"]
    bob, carol = store.show("bob@example.org"), store.show("carol")
    assert (bob.password_hash, bob.epoch, carol.enabled) == ("new hash of bob", 7, False)
    store.disable("alice@example.org")
    assert store.show("alice@example.org").epoch == 8  # the counter goes on
    assert version(path) == accounts_schema.VERSION


def test_old_and_new_files_have_one_schema(path: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.sqlite"
    accounts_file.create(str(new))
    accounts_file.opened(str(path), 1.0).close()
    assert schema(path) == schema(new)


def test_a_released_step_is_never_edited(path: Path) -> None:
    assert [statement for statement in accounts_schema._ACCOUNTS if statement.startswith("CREATE")] != []
    ours = {" ".join(statement.split()) for statement in accounts_schema._ACCOUNTS}
    assert {sql for kind, _, sql in schema(path) if kind == "table"} <= ours


def test_many_processes_at_once(path: Path) -> None:
    code = (
        "import sys\nfrom pillarbox.auth import accounts_file\n"
        "c = accounts_file.opened(sys.argv[1], 10.0)\nprint(c.execute('SELECT count(*) FROM totp').fetchone()[0])"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [(process.communicate()[0], process.returncode) for process in processes] == [("0\n", 0)] * 4


def test_a_reader_that_meets_another_at_work_tries_again(path: Path) -> None:
    """P44."""
    rival = sqlite3.connect(path, isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    store = AccountStore(path, clock=lambda: 0.0)
    with pytest.raises(AccountsBusy):
        store.lookup("carol")
    rival.execute("ROLLBACK")
    rival.close()
    assert store.lookup("carol")


@pytest.mark.parametrize("statement", range(0, len(accounts_schema._CREDENTIALS), 3))
def test_kill_9_in_the_middle_leaves_the_old_version(path: Path, statement: int) -> None:
    """The program is killed behind each third statement: the file is as before, and the next program finishes."""
    before = schema(path)
    code = (
        "import os, signal, sqlite3, sys\nfrom pillarbox.auth import accounts_schema\n"
        "class Killed(sqlite3.Connection):\n"
        "    done = 0\n"
        "    def execute(self, sql, *rest):\n"
        "        found = super().execute(sql, *rest)\n"
        "        if sql in accounts_schema._CREDENTIALS:\n"
        "            if Killed.done == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "            Killed.done += 1\n"
        "        return found\n"
        "c = sqlite3.connect(sys.argv[1], factory=Killed, isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1')\n"  # so that pages are written before the end
        "accounts_schema.bring_up_to_date(c)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path), str(statement)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert version(path) == 1
    assert schema(path) == before
    store = AccountStore(path, clock=lambda: 0.0)
    assert len(store.list()) == 3
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_failing_step_takes_everything_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = schema(path)
    broken = (*accounts_schema._CREDENTIALS, "CREATE TABLE account (x)")
    monkeypatch.setattr(accounts_schema, "_STEPS", (accounts_schema._ACCOUNTS, broken))
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        accounts_schema.bring_up_to_date(connection)
    connection.close()
    assert (version(path), schema(path)) == (1, before)
