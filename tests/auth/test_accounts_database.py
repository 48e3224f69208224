"""The connections to the accounts database, across processes, threads, forks and crashes."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pillarbox.auth.accounts import (
    AccountsBusy,
    AccountsMissing,
    AccountStore,
    AccountsUnavailable,
)


def another_process(path: Path, code: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom pillarbox.auth.accounts import AccountStore\n"
        f"store = AccountStore(Path(sys.argv[1]), clock=time.time)\n{code}"
    )
    return subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)


def in_child(work: Callable[[], bool]) -> bool:
    """Whether `work` is true in a forked child."""
    pid = os.fork()
    if pid == 0:
        done = False
        try:
            done = work()
        finally:
            os._exit(0 if done else 1)
    return os.waitpid(pid, 0)[1] == 0


def test_a_reader_sees_the_changes_of_another_process_at_once(store: AccountStore, path: Path) -> None:
    assert store.lookup("a") is None
    another_process(path, "store.add('a', 'x')")
    found = store.lookup("a")
    assert found is not None
    assert found.enabled
    another_process(path, "store.disable('a')")
    found = store.lookup("a")
    assert found is not None
    assert not found.enabled


def test_a_reader_does_not_wait_for_a_writer(store: AccountStore, path: Path) -> None:
    store.add("a", "old")
    assert store.lookup("a")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE account SET password_hash = 'new'")
    found = store.lookup("a")
    assert found is not None
    assert found.password_hash == "old"
    with pytest.raises(AccountsBusy):  # but a second writer gives up after its time
        store.set_password("a", "other")
    writer.execute("COMMIT")
    writer.close()
    found = store.lookup("a")
    assert found is not None
    assert found.password_hash == "new"


def test_a_locked_file_is_busy_and_recovers(store: AccountStore, path: Path) -> None:
    """P44: nobody can tell, so the peer is told to try again."""
    store.add("a", "x")
    store.close()
    owner = sqlite3.connect(path, isolation_level=None)
    owner.execute("PRAGMA locking_mode = EXCLUSIVE")
    owner.execute("BEGIN IMMEDIATE")
    owner.execute("UPDATE counter SET epoch = epoch")
    with pytest.raises(AccountsBusy):
        store.lookup("a")
    owner.execute("COMMIT")
    owner.close()
    assert store.lookup("a")


def test_a_missing_file_is_unavailable_and_comes_back(store: AccountStore, path: Path) -> None:
    """P44: a missing backend is never "unknown user"."""
    store.add("a", "x")
    assert store.lookup("a")
    store.close()
    away = path.with_name("away")
    path.rename(away)
    for attempt in (store.lookup, store.show, store.disable):
        with pytest.raises(AccountsMissing):
            attempt("a")
    with pytest.raises(AccountsMissing):
        store.list()
    assert not path.exists()  # asking does not make an empty one
    away.rename(path)
    assert store.lookup("a")


def test_an_open_reader_notices_that_the_file_is_gone_or_replaced(store: AccountStore, path: Path) -> None:
    store.add("a", "x")
    assert store.lookup("a")
    backup = AccountStore(path.with_name("backup"), clock=lambda: 0.0)
    backup.create()
    backup.add("restored", "x")
    for beside in path.parent.glob("accounts.sqlite-*"):
        beside.unlink()
    path.unlink()
    with pytest.raises(AccountsMissing):
        store.lookup("a")
    path.with_name("backup").rename(path)
    assert store.lookup("a") is None
    assert store.lookup("restored")


def test_a_damaged_file_is_unavailable_and_a_restored_one_is_used(store: AccountStore, path: Path) -> None:
    store.add("a", "x")
    store.close()
    good = path.read_bytes()
    path.write_bytes(os.urandom(5000))
    for attempt in (store.lookup, store.disable):
        with pytest.raises(AccountsUnavailable, match="not a database"):
            attempt("a")
    path.write_bytes(good)
    assert store.lookup("a")


def test_damage_inside_the_file_is_unavailable(store: AccountStore, path: Path) -> None:
    for number in range(500):
        store.add(f"user{number}", "x" * 100)
    store.close()
    content = bytearray(path.read_bytes())
    content[8192 : len(content)] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(AccountsUnavailable, match="damaged"):
        store.list()
    with pytest.raises(AccountsUnavailable, match="damaged"):
        store.lookup("user250")


def test_no_connection_lives_through_a_fork(store: AccountStore) -> None:
    """Parent and children read and write side by side after a fork, each with connections of its own."""
    store.add("a", "0")
    assert store.lookup("a")

    def child() -> bool:
        assert store._reader is None
        before = store.lookup("a")
        store.add("by-child", "x")
        return before is not None and store.lookup("by-child") is not None

    assert in_child(child)
    assert store.lookup("by-child")
    assert in_child(lambda: store.lookup("by-child") is not None)
    store.remove("by-child")
    assert store.lookup("by-child") is None


def test_a_lookup_does_not_wait_for_a_writing_thread(store: AccountStore, path: Path) -> None:
    store.add("a", "x")
    patient = AccountStore(path, clock=lambda: 0.0, busy_seconds=30.0)
    assert patient.lookup("a")
    owner = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    owner.execute("BEGIN IMMEDIATE")
    started = threading.Event()

    def write() -> None:
        started.set()
        patient.set_password("a", "y")

    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    assert patient.lookup("a")  # would hang for 30 seconds behind a shared lock
    owner.execute("COMMIT")
    owner.close()
    writer.join()
    found = patient.lookup("a")
    assert found is not None
    assert found.password_hash == "y"


def test_two_writing_processes_are_safe(store: AccountStore, path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom pillarbox.auth.accounts import AccountStore\n"
        "store = AccountStore(Path(sys.argv[1]), clock=time.time)\nstore.create()\n"
        "for number in range(30): store.add(f'{sys.argv[2]}{number}', 'x')\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path), who]) for who in ("a", "b")]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(store.list()) == 60
    assert sorted(account.epoch for account in store.list()) == list(range(1, 61))


def test_kill_9_while_writing_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """Each number that the killed process printed had been added; the file stays whole."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom pillarbox.auth.accounts import AccountStore\n"
        "store = AccountStore(Path(sys.argv[1]), clock=time.time)\nstore.create()\n"
        "start = len(store.list())\n"
        "for number in range(start, start + 100000): store.add(f'u{number}', 'x'); print(number, flush=True)\n"
    )
    last = -1
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(10):
                last = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split("\n")
            last = max([last, *(int(line) for line in rest[:-1])])
        store = AccountStore(path, clock=lambda: 0.0)
        names = {account.name for account in store.list()}
        assert {f"u{number}" for number in range(last + 1)} <= names
        assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
