"""Hands each message to a program on its standard input: a mail delivery agent such as procmail or maildrop.

Rules: a message counts as delivered only when the program ended with status 0 and had read all of it; a program that is
killed, or takes too long, has failed for now only; what it writes is kept for the error text, a little of it, and never
fills memory; it is started in a group of its own, which is ended with it when its time is up.

Its standard input is the staged file itself, no pipe: when the fetcher is killed, the program still reads the whole
message to its end, where a pipe would end early and look like a whole, shorter message.

A program cannot be asked whether it has a message, so a crash between its end and our record delivers it again: at
least once. `name` is the same each time, for programs that look for duplicates themselves.

Elsewhere: arguments, environment and exit statuses (`pipe_command`).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from io import FileIO
from pathlib import Path

from pillarbox.fetch.destination import Delivered, DestinationError, Failed, LineEnds, Staged, Sure
from pillarbox.fetch.destinations.envelope import checked_recipient, sender_of
from pillarbox.fetch.destinations.pipe_command import (
    check_arguments,
    check_environment,
    environment,
    filled,
    outcome,
)
from pillarbox.fetch.destinations.problems import file_problem, said

SAID_OCTETS = 4096
"""Of a program's output that are kept; the rest is read and thrown away, so that it never waits for us."""


class Pipe:
    """One program as a destination.

    Args:
        command: the program and its arguments; with `shell` one text for /bin/sh.
        line_ends: how lines end in what it reads.
        time_limit: seconds for one message.
        shell: let /bin/sh read the command. Values are then in the environment only.
        sender: the envelope sender for `{sender}`: an address, "" for none, None for the message's Return-Path.
        recipient: for `{recipient}`; "" when the program does not need it.
        variables: for its environment.
        directory: where it runs; "/" unless it needs another one.
        clock: seconds that never go back.
    """

    sure = Sure.AT_LEAST_ONCE

    def __init__(
        self,
        command: Sequence[str] | str,
        *,
        line_ends: LineEnds = LineEnds.LF,
        time_limit: float = 300.0,
        shell: bool = False,
        sender: str | None = None,
        recipient: str = "",
        variables: Mapping[str, str] | None = None,
        directory: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = (command,) if isinstance(command, str) else tuple(command)
        check_arguments(self._command, shell=shell)
        check_environment(variables or {})
        self.line_ends = line_ends
        self._limit, self._shell, self._directory, self._clock = time_limit, shell, directory, clock
        self._sender = sender_of(sender)
        self._recipient = checked_recipient(recipient) if recipient else ""
        self._variables = dict(variables or {})

    def staging(self) -> Path | None:
        """A program reads its input from anywhere."""
        return None

    def open(self) -> None:
        """Look whether the program is there.

        Raises:
            DestinationError: it is not, or may not be run.
        """
        path = environment({}, self._variables).get("PATH")
        if not self._shell and shutil.which(self._command[0], path=path) is None:
            text = f"{self._command[0]}: there is no such program that this user may run: install it, or name its path"
            raise DestinationError(text, temporary=False)
        if not self._directory.is_dir():
            raise DestinationError(f"{self._directory}: there is no such directory: make it", temporary=False)

    def close(self) -> None:
        """Nothing is held between messages."""

    def find(self, staged: Staged) -> str | None:
        """A program cannot be asked."""
        return None

    def deliver(self, batch: Sequence[Staged]) -> list[Delivered | Failed]:
        """Run the program once for each message; see `Destination.deliver`.

        Raises:
            DestinationError: the program cannot be started.
        """
        return [self._deliver(staged) for staged in batch]

    def _deliver(self, staged: Staged) -> Delivered | Failed:
        try:
            values = {
                "sender": self._sender(staged.path),
                "recipient": self._recipient,
                # The name of an account is the owner's own text, but no NUL can go to a program.
                "account": staged.account.replace("\0", ""),
                "name": staged.name,
                "size": str(staged.size),
            }
            with open(staged.path, "rb", buffering=0) as message:
                program = self._start(values, message)
                try:
                    return self._attend(program, staged, message)
                finally:
                    _end(program)
        except OSError as error:
            return Failed(staged, file_problem(error, staged.path).text, temporary=True)

    def _start(self, values: Mapping[str, str], message: FileIO) -> subprocess.Popen[bytes]:
        arguments = ["/bin/sh", "-c", self._command[0]] if self._shell else filled(self._command, values)
        try:
            return subprocess.Popen(
                arguments,
                stdin=message,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env=environment(values, self._variables),
                start_new_session=True,
            )
        except OSError as error:
            raise file_problem(error, arguments[0]) from None

    def _attend(self, program: subprocess.Popen[bytes], staged: Staged, message: FileIO) -> Delivered | Failed:
        """Wait for the end of the program, reading what it says."""
        end = self._clock() + self._limit
        output = bytearray()
        try:
            self._listen(program, output, end)
            status = program.wait(max(0.0, end - self._clock()))
        except (subprocess.TimeoutExpired, TimeoutError):
            text = f"{self._command[0]}: it took longer than {self._limit:g} seconds and was ended{_quote(output)}"
            return Failed(staged, text, temporary=True)
        result = outcome(status)
        if result.reason:
            text = f"{self._command[0]}: {result.reason}{_quote(output)}"
            return Failed(staged, text, temporary=result.temporary, message_is_bad=not result.temporary)
        # Both have one position in the file: what the program did not read, it cannot have kept.
        if message.tell() < staged.stored:
            text = f"{self._command[0]}: it ended without an error, but did not read the whole message{_quote(output)}"
            return Failed(staged, text)
        return Delivered(staged, staged.name)

    def _listen(self, program: subprocess.Popen[bytes], output: bytearray, end: float) -> None:
        """Read the program's output until it closes it, or has ended."""
        assert program.stdout is not None
        source = program.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(source, selectors.EVENT_READ)
            while (remaining := end - self._clock()) > 0:
                if selector.select(min(remaining, 1.0)):
                    data = os.read(source, 65536)
                    if not data:
                        return
                    output += data[: SAID_OCTETS - len(output)]
                elif program.poll() is not None:
                    return  # it has ended, and a child that it left behind holds its output open
        raise TimeoutError


def _end(program: subprocess.Popen[bytes]) -> None:
    """End the program and everything that it has started, and let go of its pipes."""
    if program.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()
    if program.stdout is not None:
        program.stdout.close()


def _quote(output: bytearray) -> str:
    words = said(bytes(output))
    return f": {words}" if words else ""
