"""Runs fetches in processes that get killed: a small program that forks a fresh, warm process for each run.

Rules: the program reads one JSON object a line (what to fetch, where to die) and answers with one line (how it ended);
a process dies by SIGKILL, by its own hand at the n-th occurrence of a step, or after so many seconds.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pillarbox.client.settings import Timeout
from pillarbox.client.tls_rules import TlsRules
from pillarbox.fetch import AT_ONCE, KEEP, Destination, FetchAccount, run_account
from pillarbox.fetch.destinations.archive import ArchiveDestination
from pillarbox.fetch.destinations.maildir import MaildirDestination
from pillarbox.fetch.destinations.mbox import Mbox
from pillarbox.fetch.settings import Step

DESTINATIONS = ("maildir", "mbox", "archive")
KILLED = -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Fetch:
    """One run: from where to where, and when to die: at the `nth` occurrence of `step`, or after `seconds`."""

    url: str
    password: str
    directory: str
    destination: str = "maildir"
    delete: bool = True
    step: str = ""
    nth: int = 1
    seconds: float | None = None
    commit_messages: int = 1000


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended: `status` is 0 or the negative signal, `error` what the run said, `took` seconds."""

    status: int
    error: str
    took: float


def destination(kind: str, directory: Path) -> Destination:
    """A destination of a kind below a directory."""
    match kind:
        case "maildir":
            return MaildirDestination(directory / "in")
        case "mbox":
            return Mbox(directory / "in.mbox")
    return ArchiveDestination(directory / "archive")


def fetch(what: Fetch) -> str:
    """Run it in this process; returns the error's text, "" for none."""
    seen = itertools.count(1)
    guard = threading.Lock()

    def step(name: Step) -> None:
        with guard:
            if name.value == what.step and next(seen) == what.nth:
                os.kill(os.getpid(), signal.SIGKILL)

    directory = Path(what.directory)
    account = FetchAccount(
        name="ada",
        url=what.url,
        destination=destination(what.destination, directory),
        journals=directory / "journals",
        password=what.password,
        tls=TlsRules(cleartext=True, stls=False),
        timeout=Timeout(connect=10, command=10),
        delete_after=AT_ONCE if what.delete else KEEP,
        commit_messages=what.commit_messages,
        batch_messages=4,
    )
    result = run_account(account, step=step)
    return f"{type(result.error).__name__}: {result.error}" if result.error else ""


class Fetchers:
    """The program, as its user sees it. A context manager."""

    def __enter__(self) -> Self:
        root = Path(__file__).parents[2]
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.fetching"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._program.stdin
        assert self._program.stdout
        self._program.stdin.close()
        self._program.wait(20)
        self._program.stdout.close()

    def run(self, what: Fetch) -> End:
        """One run, to its end."""
        assert self._program.stdin
        assert self._program.stdout
        fields = {name: getattr(what, name) for name in Fetch.__slots__}
        self._program.stdin.write(json.dumps(fields) + "\n")
        self._program.stdin.flush()
        return End(*json.loads(self._program.stdout.readline()))


def _fork(what: Fetch) -> End:
    results, answer = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.close(results)
            os.write(answer, fetch(what).encode())
            os._exit(0)
        os._exit(1)
    os.close(answer)
    if what.seconds is not None:
        time.sleep(what.seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    text = b""
    while piece := os.read(results, 65_536):
        text += piece
    os.close(results)
    _, status = os.waitpid(child, 0)
    return End(os.waitstatus_to_exitcode(status), text.decode(), time.monotonic() - started)


def main() -> None:
    """Serve requests from standard input until it ends."""
    for line in sys.stdin:
        fields: dict[str, Any] = json.loads(line)
        end = _fork(Fetch(**fields))
        print(json.dumps([end.status, end.error, end.took]), flush=True)


if __name__ == "__main__":
    main()
