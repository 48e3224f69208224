"""The mbox's locks: both are held, others are waited for, and what a dead process left is taken over."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pillarbox.fetch.destination import DestinationError
from pillarbox.fetch.destinations import mbox_lock
from pillarbox.fetch.destinations.mbox_lock import MboxLock


class Waits:
    """A sleep that takes no time and does something at one of its calls."""

    def __init__(self, at: int = -1, then: Callable[[], None] = lambda: None) -> None:
        self.count, self._at, self._then = 0, at, then

    def __call__(self, seconds: float) -> None:
        self.count += 1
        if self.count == self._at:
            self._then()


def lock(path: Path, waits: Waits | None = None, *, lock_file: bool = True, now: float = 0.0) -> MboxLock:
    return MboxLock(path, lock_file=lock_file, wait=1.0, clock=lambda: now, sleep=waits or Waits())


def fcntl_is_held(path: Path) -> bool:
    """Asked by another process: a process never sees its own fcntl locks."""
    code = "import fcntl, sys\nf = open(sys.argv[1], 'r+b')\nfcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False).returncode != 0


def dead_process() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


def test_both_locks_are_held_and_let_go(tmp_path: Path) -> None:
    path = tmp_path / "box"
    with lock(path).held() as descriptor:
        assert os.fstat(descriptor).st_ino == path.stat().st_ino
        assert (tmp_path / "box.lock").read_text() == f"{os.getpid()}\n"
        assert fcntl_is_held(path)
    assert [one.name for one in tmp_path.iterdir()] == ["box"]
    assert not fcntl_is_held(path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_the_locks_are_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock(tmp_path / "box").held():
        raise ZeroDivisionError
    with lock(tmp_path / "box").held():
        pass


def test_without_a_lock_file_there_is_none(tmp_path: Path) -> None:
    with lock(tmp_path / "box", lock_file=False).held():
        assert [one.name for one in tmp_path.iterdir()] == ["box"]
        assert fcntl_is_held(tmp_path / "box")


@pytest.mark.parametrize("content", [f"{os.getppid()}\n", "1\n", "", "0", "123:elsewhere"])
def test_a_lock_file_of_a_living_process_or_a_young_one_is_waited_for(content: str, tmp_path: Path) -> None:
    file = tmp_path / "box.lock"
    file.write_text(content)
    now = file.stat().st_mtime + mbox_lock.OLD - 1
    text = r"held its locks for 1 seconds.*delete .*box\.lock"
    with pytest.raises(DestinationError, match=text) as caught, lock(tmp_path / "box", now=now).held():
        pass
    assert caught.value.temporary
    assert file.read_text() == content
    waits = Waits(3, file.unlink)
    with lock(tmp_path / "box", waits, now=now).held():
        assert waits.count == 3


@pytest.mark.parametrize(
    ("content", "age"), [("dead", 0.0), ("self", 0.0), ("", 301.0), ("0", 301.0), ("1:host", 301.0)]
)
def test_a_lock_file_that_was_left_behind_is_taken_over_at_once(content: str, age: float, tmp_path: Path) -> None:
    file = tmp_path / "box.lock"
    file.write_text({"dead": f"{dead_process()}\n", "self": f"{os.getpid()}\n"}.get(content, content))
    waits = Waits()
    with lock(tmp_path / "box", waits, now=file.stat().st_mtime + age).held():
        assert file.read_text() == f"{os.getpid()}\n"
    assert waits.count == 0


def test_an_fcntl_lock_of_another_process_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.touch()
    code = "import fcntl, sys\nf = open(sys.argv[1], 'r+b')\nfcntl.lockf(f, fcntl.LOCK_EX)\n"
    code += "print(flush=True)\nsys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(DestinationError, match="held its locks"), lock(path).held():
            pass
        assert not (tmp_path / "box.lock").exists()
        waits = Waits(2, lambda: (other.communicate(), None)[1])
        with lock(path, waits).held():
            assert waits.count == 2


def test_a_new_file_in_the_place_of_the_old_one_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(b"old")
    file = tmp_path / "box.lock"
    file.write_text("1\n")

    def replace() -> None:
        (tmp_path / "new").write_bytes(b"new")
        (tmp_path / "new").rename(path)
        file.unlink()

    with lock(path, Waits(1, replace)).held() as descriptor:
        assert os.pread(descriptor, 9, 0) == b"new"


def test_threads_wait_for_each_other(tmp_path: Path) -> None:
    path, inside, most, done = tmp_path / "box", 0, 0, []

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with MboxLock(path, lock_file=False, wait=20.0).held():
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1
                done.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, len(done)) == (1, 20)


def test_a_file_system_without_hard_links_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with lock(tmp_path / "box").held():
        assert (tmp_path / "box.lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(FileExistsError):
            os.open(tmp_path / "box.lock", os.O_CREAT | os.O_EXCL)
    assert [one.name for one in tmp_path.iterdir()] == ["box"]


def test_a_lock_file_that_cannot_be_made_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith(".lock.pillarbox"):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DestinationError, match="`lock_file = false`") as caught, lock(tmp_path / "box").held():
        pass
    assert not caught.value.temporary
