"""Bounds of a client program: each is seen when it is passed, and nothing is left running."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from pillarbox.testing.torture.run import Bounds, Program, Ran, used

FAR = Bounds(seconds=60.0)


def ran(tmp_path: Path, program: str, bounds: Bounds = FAR) -> Ran:
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-S", "-c", program]
    return Program(command, home, tmp_path / "output", dict(os.environ), bounds).wait()


def runs(process: int) -> bool:
    """Whether a process is there, and no mere entry that nobody has waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_that_keeps_to_its_bounds(tmp_path: Path) -> None:
    found = ran(tmp_path, "import os, sys; print(os.getcwd()); sys.stderr.write('x' * 100_000); sys.exit(3)")
    assert (found.status, found.exceeded, found.killed) == (3, "", False)
    assert found.output.startswith(str(tmp_path / "home").encode())
    assert len(found.output) <= 65_536


@pytest.mark.parametrize(
    ("program", "bounds", "exceeded"),
    [
        ("import time; time.sleep(60)", Bounds(seconds=0.3), "time"),
        ("import time; x = bytearray(90_000_000); time.sleep(60)", Bounds(memory=50 << 20, seconds=50), "memory"),
        ("import time; open('x', 'wb').write(bytes(9_000_000)); time.sleep(60)", Bounds(disk=4 << 20), "disk"),
        ("open('x', 'wb').write(bytes(5_000_000))", Bounds(disk=4 << 20), "disk"),
    ],
)
def test_a_bound_that_is_passed_ends_it(tmp_path: Path, program: str, bounds: Bounds, exceeded: str) -> None:
    begun = time.monotonic()
    found = ran(tmp_path, program, bounds)
    assert found.exceeded == exceeded
    assert time.monotonic() - begun < 45


def test_the_kernel_stops_what_writes_too_much_at_once(tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); f = open('x', 'wb'); f.truncate(1 << 30)"
    assert ran(tmp_path, program, Bounds(disk=4 << 20)).status < 0


def test_children_count_and_are_ended_too(tmp_path: Path) -> None:
    program = (
        "import os, time\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    x = bytearray(90_000_000)\n"
        "    time.sleep(60)\n"
        "open('child', 'w').write(str(child))\n"
        "time.sleep(60)\n"
    )
    found = ran(tmp_path, program, Bounds(memory=50 << 20, seconds=50))
    assert found.exceeded == "memory"
    child = int((tmp_path / "home" / "child").read_text())
    end = time.monotonic() + 30
    while runs(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not runs(child)


def test_a_kill_is_told_apart(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    program = Program(["/bin/sh", "-c", "sleep 60"], home, tmp_path / "output", dict(os.environ), FAR)
    program.kill()
    program.kill()
    found = program.wait()
    assert (found.status, found.killed, found.exceeded) == (-9, True, "")


def test_used_counts_octets(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    assert used(tmp_path) == 5
