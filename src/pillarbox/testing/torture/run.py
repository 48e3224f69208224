"""Starts a client program and measures it: time, memory, disk; and ends it where a bound is passed.

Rules: a program has a process group of its own, and nothing outside that group is ever signalled; RLIMIT_AS and
RLIMIT_FSIZE stand behind what is measured, as a net; its output is kept in a file and read up to a bound.
Linux only: memory is read from /proc.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LOOK = 0.03  # seconds between looks at memory
_DISK_LOOKS = 10  # looks at memory for one at the disk, which costs more
_SHOWN = 65_536  # octets of output that are read
_NET = 4  # times the cap: where the kernel stops what the measuring missed
_START = 'ulimit -c 0; ulimit -v "$1"; ulimit -f "$2"; shift 2; exec "$@"'


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a client may take: seconds, octets of memory (resident), octets on disk."""

    seconds: float = 30.0
    memory: int = 128 << 20
    disk: int = 192 << 20


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a run.

    Attributes:
        seconds: how long it took.
        status: the exit status; negative for a signal.
        memory: the highest resident memory seen, in octets.
        disk: by how much its directory had grown at most, in octets.
        output: what it printed, cut.
        exceeded: "time", "memory" or "disk" where it had to be ended, or "".
        killed: whether the suite itself killed it, as the case says.
    """

    seconds: float
    status: int
    memory: int
    disk: int
    output: bytes
    exceeded: str = ""
    killed: bool = False


class Program:
    """A client program in a process group of its own."""

    def __init__(
        self, command: Sequence[str], directory: Path, output: Path, environment: Mapping[str, str], bounds: Bounds
    ) -> None:
        self._directory = directory
        self._output = output
        self._bounds = bounds
        self._killed = threading.Event()
        self._before = used(directory)  # what an earlier run has left is not this one's
        limits = [str(max(bounds.memory * _NET, 1 << 30) // 1024), str(bounds.disk * 2 // 512)]
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _START, "sh", *limits, *command],
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL for all of it; from any thread, once."""
        if not self._killed.is_set():
            self._killed.set()
            self._signal()

    def wait(self) -> Ran:
        """Wait until it is over, looking at its bounds."""
        begun = time.monotonic()
        memory = disk = looks = 0
        exceeded = ""
        while True:
            try:
                self._process.wait(_LOOK)
                break
            except subprocess.TimeoutExpired:
                pass
            memory = max(memory, self._resident())
            looks += 1
            if looks % _DISK_LOOKS == 0:
                disk = max(disk, used(self._directory) - self._before)
            if not exceeded and (exceeded := self._exceeded(time.monotonic() - begun, memory, disk)):
                self._signal()
        self._signal()  # what it has left behind
        disk = max(disk, used(self._directory) - self._before)
        seconds = time.monotonic() - begun
        with self._output.open("rb") as file:
            said = file.read(_SHOWN)
        exceeded = exceeded or self._exceeded(0, memory, disk)
        return Ran(seconds, self._process.returncode, memory, disk, said, exceeded, self._killed.is_set())

    def _exceeded(self, seconds: float, memory: int, disk: int) -> str:
        bounds = self._bounds
        if seconds > bounds.seconds:
            return "time"
        if memory > bounds.memory:
            return "memory"
        return "disk" if disk > bounds.disk else ""

    def _signal(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # the group is empty

    def _resident(self) -> int:
        """Octets of memory of the whole group: each process's own peak."""
        total = 0
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            try:
                if os.getpgid(int(entry.name)) == self._process.pid:
                    total += _peak(Path(entry.path, "status").read_bytes())
            except (OSError, ValueError):
                continue  # it has just ended
        return total


def _peak(status: bytes) -> int:
    for line in status.split(b"\n"):
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def used(directory: Path) -> int:
    """Octets of all files below a directory."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                continue
    return total
