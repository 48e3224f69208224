"""Runs `supervised.py` as a program, and talks to it as its clients, its terminal and its service manager do."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

PROGRAM = Path(__file__).with_name("supervised.py")
PATIENCE = 15.0  # seconds: a bound for a stuck test, never a duration that is waited for

Wanted = dict[str, Any]  # settings as JSON


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


class Running:
    """A supervised server in a process of its own."""

    def __init__(
        self,
        directory: Path,
        wanted: Wanted,
        environ: dict[str, str] | None = None,
        handed: socket.socket | None = None,
        under: Sequence[str] = (),
    ) -> None:
        self.settings, self.behaviour = directory / "settings.json", directory / "behaviour"
        self.write(wanted)
        command = [*under, sys.executable, str(PROGRAM), str(self.settings), str(self.behaviour)]
        if handed is not None:  # as systemd does it: descriptor 3, and the process id of whoever it is for
            activate = f"os.dup2({handed.fileno()}, 3); os.environ['LISTEN_PID'] = str(os.getpid())"
            command = [
                sys.executable,
                "-c",
                f"import os, sys; {activate}; os.execv(sys.argv[1], sys.argv[1:])",
                *command,
            ]
        self.process = subprocess.Popen(
            command,
            pass_fds=() if handed is None else (handed.fileno(),),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environ or {})},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.seen: list[dict[str, Any]] = []

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def write(self, wanted: Wanted) -> None:
        self.settings.write_text(json.dumps(wanted))

    def event(self, *kinds: str) -> dict[str, Any]:
        """The next event of one of these kinds; those before it are kept in `seen`."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                event = json.loads(self._lines.get(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"no {kinds}; seen: {self.seen}") from None
            self.seen.append(event)
            if event["event"] in kinds:
                return dict(event)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for the end: the exit status, and what was written to standard error."""
        assert self.process.stderr is not None
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status, self.process.stderr.read()

    def clean_up(self) -> None:
        self.process.kill()
        self.end()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


class Client:
    """One session. Those that a test leaves open are closed at its end."""

    opened: ClassVar[list[Client]] = []

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self.socket.makefile("rb")
        self.opened.append(self)
        greeting = self._file.readline().decode().split()
        if not greeting:
            raise ConnectionError("closed without a greeting")
        self.greeting, self.limit = greeting[2:]
        self.worker, self.pid = int(greeting[0]), int(greeting[1])

    def ask(self, line: str) -> str:
        self.socket.sendall(line.encode() + b"\n")
        return self._file.readline().decode().strip()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def settings(port: int, greeting: str = "hello", workers: int = 2, **more: Any) -> Wanted:
    user = {"user": "root"} if os.geteuid() == 0 else {}
    return {
        "server": {"workers": workers, "greeting": greeting, **user, **more.pop("server", {})},
        "listener": [{"name": "pop3", "tls": "starttls", "address": ["127.0.0.1"], "port": port}],
        "timeouts": {"shutdown": 0.5},
        **more,
    }


def gone(pid: int) -> bool:
    """Wait until a process that is not our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], PATIENCE)[0])
    finally:
        os.close(descriptor)


def refuses(port: int) -> bool:
    """Whether a port is closed, at the latest when the workers that may still hold it have let go."""
    for _ in range(500):
        try:
            Client(port).close()
        except ConnectionRefusedError:
            return True
        except ConnectionError:
            pass  # it was accepted, or waited, just before the end
    return False


def meet_all(port: int, workers: int, accept: Callable[[Client], bool] = lambda _: True) -> dict[int, Client]:
    """A session with each worker; which worker answers is the kernel's choice."""
    met: dict[int, Client] = {}
    for _ in range(500):
        client = Client(port)
        if accept(client) and client.worker not in met:
            met[client.worker] = client
        else:
            client.close()
        if len(met) == workers:
            return met
    raise AssertionError(f"only met {met}")


Start = Callable[..., Running]


@contextlib.contextmanager
def starting(directory: Path) -> Iterator[Start]:
    """Start servers by settings and what else `Running` takes; at the end none of them, and no session, is left."""
    started: list[Running] = []

    def begin(wanted: Wanted, **more: Any) -> Running:
        started.append(Running(directory, wanted, **more))
        return started[-1]

    yield begin
    for one in started:
        one.clean_up()
    while Client.opened:
        Client.opened.pop().close()
