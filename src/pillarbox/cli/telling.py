"""How the commands tell what is no result: failures, remarks and progress, on standard error; and how they write times.

Rules: a failure is one line and an exit code (1 failed or found something wrong, 2 wrong usage); what came from a peer
or a file is cleaned before a terminal sees it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import typer

from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pillarbox.config import Problem

FAILED = 1
WRONG_USE = 2


def note(text: str) -> None:
    """Say something that is no result."""
    typer.echo(clean(text), err=True)


def fail(text: str, code: int = FAILED) -> NoReturn:
    """Say what went wrong, and end."""
    typer.echo(f"error: {clean(text)}", err=True)
    raise typer.Exit(code)


def fail_with(problems: Sequence[Problem]) -> NoReturn:
    """Print the problems to stderr and end the command with exit code 1."""
    print_problems(problems, "error", typer.colors.RED)
    typer.secho(f"{plural(len(problems), 'problem')} found; nothing was changed.", err=True)
    raise typer.Exit(FAILED)


def print_problems(problems: Iterable[Problem], word: str, colour: str) -> None:
    """Print what is wrong with a configuration, each behind a word in a colour."""
    for problem in problems:
        label = typer.style(f"{word}:", fg=colour, bold=True)
        first, *rest = (clean(line) for line in str(problem).split("\n"))
        typer.echo("\n".join([f"{label} {first}", *rest]), err=True)


def plural(number: int, name: str) -> str:
    """`1 message`, `1,234 messages`."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def when(seconds: float) -> str:
    """A time in UTC seconds, as RFC 3339 has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Progress:
    """A line on the terminal that is written over, now and then; nothing where there is no terminal."""

    def __init__(self, seconds: float = 0.5) -> None:
        """`seconds`: how long a line stands at least."""
        self._seconds = seconds
        self._next = time.monotonic() + seconds
        self._shown = False

    def show(self, text: str) -> None:
        """How far it is now."""
        if time.monotonic() < self._next or not sys.stderr.isatty():
            return
        self._next = time.monotonic() + self._seconds
        self._shown = True
        typer.echo(f"\r{text}", nl=False, err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            typer.echo(err=True)
