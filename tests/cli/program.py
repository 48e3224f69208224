"""The `pillarbox` program as a user starts it: a process group of its own, with Ctrl-C for all of the group."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAM = (sys.executable, "-m", "pillarbox.cli")
PATIENCE = 60.0


def run(*arguments: str, cwd: Path | None = None, given: str = "", **environment: str) -> tuple[int, str, str]:
    """Run a command to its end: exit status, standard output, standard error."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr


class Quickstart:
    """A command that prints the card of `pillarbox quickstart` and then serves."""

    def __init__(self, command: Sequence[str], cwd: Path | None = None) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._errors: list[str] = []
        self._reader = threading.Thread(target=self._read_errors)
        self._reader.start()
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("Deliver a message of your own"):
                break
        self.card = "".join(lines)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors += self.process.stderr

    @property
    def password(self) -> str:
        found = re.search(r"^  Password  (.*)$", self.card, re.MULTILINE)
        assert found, self.card
        return found[1]

    def command(self, label: str) -> str:
        """The command line printed behind a label, exactly as it is printed."""
        found = re.search(rf"^  {label} +(\S.*)$", self.card, re.MULTILINE)
        assert found, self.card
        return found[1]

    def output(self, label: str) -> bytes:
        """What the printed command prints when a shell runs it."""
        return shell(self.command(label))

    def message(self, number: int) -> bytes:
        """Read a message with the printed command for the first one."""
        return shell(re.sub(r"/1$", f"/{number}", self.command("Read message 1")))

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C, as a terminal sends it: to the whole group. Returns the exit status and standard error."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.end()

    def end(self) -> tuple[int, str]:
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status, "".join(self._errors)


def shell(command: str) -> bytes:
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


@contextlib.contextmanager
def started(command: Sequence[str], cwd: Path | None = None) -> Iterator[Quickstart]:
    """Run a quickstart; at the end of the block it is interrupted if it still runs."""
    running = Quickstart(command, cwd)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)
        running.end()
        for stream in (running.process.stdout, running.process.stderr):
            if stream:
                stream.close()
