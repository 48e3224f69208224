"""Builds popload.c when it is newer than its program, runs it on its own core, and reads its one line of JSON."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

__all__ = ["PASSWORD", "Generator", "Job", "LoadError", "Outcome", "build"]

PASSWORD = "secret-pass-1"
_SOURCE = Path(__file__).with_name("popload.c")
_PROGRAM = _SOURCE.with_suffix("")


class LoadError(Exception):
    """The load generator could not be built or run, or a session of it failed."""


class Outcome(msgspec.Struct, frozen=True):
    """What one run of popload did. `octets` is everything received; latencies are of whole sessions."""

    sessions: int
    errors: int
    seconds: float
    messages: int = 0
    octets: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """What to ask of a server; the names are those of popload's options."""

    mode: str
    port: int
    tls: bool = False
    threads: int = 8
    users: int = 100
    first: int = 0
    prefix: str = "u"
    seconds: float = 0.4
    sessions: int = 0
    files: int = 50
    password: str = PASSWORD

    def arguments(self) -> list[str]:
        """Popload's command line."""
        named = {
            "threads": min(self.threads, self.users),
            "users": self.users,
            "first": self.first,
            "prefix": self.prefix,
            "seconds": self.seconds,
            "sessions": self.sessions,
            "files": self.files,
            "password": self.password,
        }
        options = [f"--{name}={value}" for name, value in named.items()]
        return [*options, *(["--tls"] if self.tls else []), str(self.port), self.mode]


def build(source: Path = _SOURCE) -> Path:
    """Compile popload, or another load generator, if its source is newer; return the program.

    Raises:
        LoadError: there is no C compiler, or no OpenSSL to build with.
    """
    program = source.with_suffix("")
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return program
    compiler = shutil.which("cc")
    if compiler is None:
        raise LoadError("the load generator is written in C and there is no cc: apt install gcc libc6-dev libssl-dev")
    command = [compiler, "-O2", "-Wall", "-o", str(program), str(source), "-lssl", "-lcrypto", "-lpthread"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode and "openssl/ssl.h" in result.stderr:
        raise LoadError("the load generator needs OpenSSL's headers: apt install libssl-dev")
    if result.returncode:
        raise LoadError(f"cc could not build {source.name}:\n{result.stderr}")
    return program


class Generator:
    """Runs popload on the given cores."""

    def __init__(self, cores: Sequence[int]) -> None:
        self._prefix = ["taskset", "-c", ",".join(map(str, cores)), str(_PROGRAM)]

    def run(self, job: Job) -> Outcome:
        """Run one job to its end.

        Raises:
            LoadError: a session failed, or nothing was finished.
        """
        process = subprocess.run(
            [*self._prefix, *job.arguments()], capture_output=True, text=True, timeout=job.seconds + 120, check=False
        )
        return _read(process.stdout, process.stderr)

    @contextmanager
    def beside(self, job: Job) -> Iterator[None]:
        """Keep a job running while the block runs; a failure of it is raised at the end.

        Raises:
            LoadError: a session of the job failed.
        """
        with self._start(job) as process:
            try:
                yield
            finally:
                if (early := process.poll()) is None:
                    process.terminate()
            if early is not None:
                raise LoadError(f"the load beside it ended early: {process.communicate()[1]}")

    @contextmanager
    def hold(self, job: Job) -> Iterator[Outcome]:
        """Log all the job's users in and keep the sessions while the block runs.

        Raises:
            LoadError: not every user could be logged in.
        """
        with self._start(job) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                if '"errors":0' not in line:
                    process.kill()
                    raise LoadError(process.communicate()[1] or "popload ended")
                yield _read(line, "")
            finally:
                process.terminate()

    def _start(self, job: Job) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._prefix, *job.arguments()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _read(line: str, errors: str) -> Outcome:
    try:
        outcome = msgspec.json.decode(line, type=Outcome)
    except msgspec.MsgspecError as error:
        raise LoadError(errors or f"popload printed no result: {line!r}") from error
    if outcome.errors or not outcome.sessions:
        raise LoadError(f"{outcome.errors} sessions failed, {outcome.sessions} finished:\n{errors}")
    return outcome
