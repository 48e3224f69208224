"""CPU time and memory of a whole server: every process of it, the ones that have ended included.

The best source is a cgroup of the server's own: exact to the microsecond, and it forgets no process. Where none can
be made (no right to, or no cgroup v2), /proc is read: the times of the processes that live, plus the times of the
children that they have reaped. Those count in ticks of 10 ms, so short rows are coarse; the report names the source.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Cgroup", "CpuMeter", "Stat", "TreeMeter", "members", "parse_stat", "proportional_memory", "tree_ticks"]

_PROC = Path("/proc")


class CpuMeter(Protocol):
    """A running counter of one server's CPU."""

    source: str

    def seconds(self) -> float:
        """User plus system time so far, in seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Stat:
    """What is needed of one /proc/PID/stat: the parent, and CPU in ticks with and without reaped children."""

    parent: int
    own: int
    reaped: int


def parse_stat(text: str) -> Stat:
    """Read the line of /proc/PID/stat (proc(5)); the name in it may hold spaces and brackets.

    Raises:
        ValueError: the line is not such a line.
    """
    _, closing, rest = text.rpartition(")")
    fields = rest.split()
    if not closing or len(fields) < 15:
        raise ValueError("not a /proc/PID/stat line")
    user, system, reaped_user, reaped_system = (int(field) for field in fields[11:15])
    return Stat(parent=int(fields[1]), own=user + system, reaped=reaped_user + reaped_system)


def members(stats: Mapping[int, Stat], root: int) -> list[int]:
    """The process `root` and all its descendants that are in `stats`."""
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    found, open_ends = [], [root] if root in stats else []
    while open_ends:
        pid = open_ends.pop()
        found.append(pid)
        open_ends += children.get(pid, [])
    return found


def tree_ticks(stats: Mapping[int, Stat], root: int) -> int:
    """CPU of the tree below and with `root`, in ticks; nothing counts twice, for only ended processes are reaped."""
    return sum(stats[pid].own + stats[pid].reaped for pid in members(stats, root))


def _read_stats() -> dict[int, Stat]:
    stats: dict[int, Stat] = {}
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            try:
                stats[int(entry.name)] = parse_stat((_PROC / entry.name / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
    return stats


def living(root: int) -> list[int]:
    """The pids of the tree below and with `root` at this moment."""
    return members(_read_stats(), root)


def proportional_memory(root: int) -> int:
    """Memory of the tree in octets, pages shared by n processes counted as 1/n (PSS)."""
    total = 0
    for pid in living(root):
        try:
            rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total * 1024


class TreeMeter:
    """CPU of a process tree, from /proc."""

    source = "/proc, in ticks of 10 ms"

    def __init__(self, root: int) -> None:
        self._root = root
        self._tick = os.sysconf("SC_CLK_TCK")

    def seconds(self) -> float:
        """User plus system time so far, in seconds."""
        return tree_ticks(_read_stats(), self._root) / self._tick


class Cgroup:
    """A cgroup v2 of our own for one server. Needs no controller: every cgroup counts its CPU."""

    source = "cgroup v2"

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, name: str) -> Cgroup | None:
        """Make a child of our own cgroup; None where that is not possible."""
        for mount in _mounts():
            own = next(
                (line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line[:3] == "0::"), "/"
            )
            path = mount / own.strip("/") / name
            try:
                path.mkdir()
            except OSError:
                continue
            if (path / "cpu.stat").exists() and os.access(path / "cgroup.procs", os.W_OK):
                return cls(path)
            path.rmdir()
        return None

    def seconds(self) -> float:
        """User plus system time so far, in seconds."""
        first = (self.path / "cpu.stat").read_text().split(maxsplit=2)
        return int(first[1]) / 1e6  # "usage_usec N" is the first line

    def remove(self, patience: float = 5.0) -> None:
        """Remove it; processes that have just been killed may take a moment to leave."""
        deadline = time.monotonic() + patience
        while True:
            try:
                self.path.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return


def _mounts() -> Iterator[Path]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            yield Path(where)
