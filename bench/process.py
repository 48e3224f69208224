"""Starts a server on its cores and in its cgroup, waits for its greeting, and stops all of it again.

Only processes of the server's own tree are ever signalled. The server gets a process group of its own, so that
Ctrl-C reaches the benchmark alone and it can stop everything in order.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.usage import Cgroup, CpuMeter, TreeMeter, living, proportional_memory

__all__ = ["Running", "ServerError", "free_port"]

# Joins the cgroup before the server exists, so that not one of its processes can be missed.
_LAUNCHER = 'if [ -n "$1" ]; then echo $$ >"$1/cgroup.procs"; fi; cores=$2; shift 2; exec taskset -c "$cores" "$@"'
_PATIENCE = 30.0
_STOPPING = 10.0


class ServerError(Exception):
    """A server did not start, or refused to work; the message says what its log says."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on.

    It lies below the range of ephemeral ports (ip_local_port_range), or a connection of the load generator could be
    given the same port while the server is being restarted.

    Raises:
        ServerError: a hundred ports tried are all taken.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerError("no free TCP port between 20000 and 32000")


class Running:
    """A running server; leave the context to stop it.

    `startup` is the time from the start of the first process to the first octet of a greeting, in seconds.

    Raises:
        ServerError: it ended, or did not greet within 30 seconds.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        cores: Sequence[int],
        port: int,
        log: Path,
        greets: bool = True,
    ) -> None:
        self.name = name
        self._log = log
        self._cgroup = Cgroup.create(f"pillarbox-bench-{os.getpid()}-{name}-{port}")
        where = str(self._cgroup.path) if self._cgroup else ""
        launcher = ["/bin/sh", "-c", _LAUNCHER, "sh", where, ",".join(map(str, cores)), *command]
        started = time.perf_counter()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                launcher, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
            )
        self._meter: CpuMeter = self._cgroup or TreeMeter(self._process.pid)
        try:
            self._wait_for_greeting(port, greets)
        except BaseException:
            self.stop()
            raise
        self.startup = time.perf_counter() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def cpu_source(self) -> str:
        """Where the CPU figures come from, for the report."""
        return self._meter.source

    def cpu(self) -> float:
        """CPU of the whole server so far, in seconds."""
        return self._meter.seconds()

    def memory(self) -> int:
        """Memory of the whole server now, in octets (PSS)."""
        return proportional_memory(self._process.pid)

    def log_tail(self) -> str:
        """The end of the server's log, for an error message."""
        if not self._log.exists():
            return "(no log)"
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-8:])

    def stop(self) -> None:
        """Ask it to end, then make it end, then remove its cgroup. May be called again."""
        tree = living(self._process.pid)
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOPPING)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._cgroup:
            tree = [int(pid) for pid in (self._cgroup.path / "cgroup.procs").read_text().split()]
        for pid in tree:
            if self._cgroup or _in_group(pid, self._process.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        if self._cgroup:
            self._cgroup.remove()
            self._cgroup = None

    def _wait_for_greeting(self, port: int, greets: bool) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"{self.name} ended with status {self._process.returncode}:\n{self.log_tail()}")
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as client:
                    if not greets or client.recv(1) == b"+":
                        return
            except OSError:
                pass
            time.sleep(0.005)
        raise ServerError(f"{self.name} did not greet within {_PATIENCE:.0f} s:\n{self.log_tail()}")


def _in_group(pid: int, group: int) -> bool:
    """Whether the pid, which may have been given to another process since, is still one of the server's."""
    try:
        return os.getpgid(pid) == group
    except ProcessLookupError:
        return False
