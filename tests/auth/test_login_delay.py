"""LOGIN-DELAY (RFC 2449 §6.5)."""

import os
import stat
from pathlib import Path

import pytest

from pillarbox.auth.login_delay import LoginDelay


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_an_account_waits_and_others_do_not(tmp_path: Path) -> None:
    """P44, P50."""
    clock = Clock()
    delay = LoginDelay(tmp_path / "state", seconds=60, clock=clock)
    assert delay.admit("alice")
    clock.now += 59
    assert not delay.admit("alice")
    assert delay.admit("bob")
    clock.now += 1
    assert delay.admit("alice")  # a refused attempt does not start the delay anew
    assert not delay.admit("alice")


def test_it_is_shared_by_processes_and_kept_over_restarts(tmp_path: Path) -> None:
    clock = Clock()
    assert LoginDelay(tmp_path / "state", seconds=60, clock=clock).admit("alice")
    assert not LoginDelay(tmp_path / "state", seconds=60, clock=clock).admit("alice")
    pid = os.fork()
    if pid == 0:
        os._exit(0 if LoginDelay(tmp_path / "state", seconds=60, clock=clock).admit("bob") else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert not LoginDelay(tmp_path / "state", seconds=60, clock=clock).admit("bob")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600


def test_a_clock_that_was_set_back_locks_nobody_out(tmp_path: Path) -> None:
    clock = Clock()
    delay = LoginDelay(tmp_path / "state", seconds=60, clock=clock)
    assert delay.admit("alice")
    clock.now -= 86_400
    assert delay.admit("alice")
    assert not delay.admit("alice")


def test_a_damaged_state_is_reported_once_and_made_anew(tmp_path: Path) -> None:
    delay = LoginDelay(tmp_path / "state", seconds=60, clock=Clock())
    (tmp_path / "state").write_bytes(b"not a database" * 100)
    with pytest.raises(OSError, match="not a database"):
        delay.admit("alice")
    assert delay.admit("alice")
    assert not delay.admit("alice")


def test_a_state_that_cannot_be_kept_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        LoginDelay(tmp_path / "missing" / "state", seconds=60, clock=Clock()).admit("alice")


def test_zero_is_not_a_delay(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        LoginDelay(tmp_path / "state", seconds=0, clock=Clock())
