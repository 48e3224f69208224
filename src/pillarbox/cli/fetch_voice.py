"""What `pillarbox fetch run` says: sentences for people, or one JSON line for each event.

Rules: one line for each thing that happened, results on standard output and troubles on standard error; a run that
found nothing new is worth a line only where somebody asked for one run; texts from servers are cleaned; lines of
several threads never mix.

Elsewhere: the moving picture on a terminal (`fetch_picture`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Protocol

import typer

from pillarbox.cli.fetch_place import messages, octets
from pillarbox.events import Event, InternalError, ListingDoubtful, ServerMisbehaved, Warned
from pillarbox.events.types_fetch import (
    FetchEnded,
    FetchFailed,
    MessageFailed,
    MessageQuarantined,
    MessageSkipped,
    ServerMoved,
)
from pillarbox.fetch.advice import advice
from pillarbox.watch.clean import clean
from pillarbox.watch.render import JsonLines

ENDING = "ending after the messages under way; Ctrl-C again ends at once"

Write = Callable[[str], None]


class Voice(Protocol):
    """A sink that speaks. Its methods may be called from any thread."""

    def emit(self, event: Event) -> None:
        """Tell of an event."""
        ...

    def tell(self, text: str) -> None:
        """Say how it goes on as a whole."""
        ...

    def ending(self) -> None:
        """Say that the runs under way were asked to end."""
        ...


class JsonVoice:
    """One JSON line on standard output for each event, as in the server's log."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._lines = JsonLines(clock)
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Tell of an event."""
        # A reader that has gone must not end a run: what is told is lost, no mail is.
        with self._lock, contextlib.suppress(OSError):
            typer.echo(self._lines.render(event), nl=False)

    def tell(self, text: str) -> None:
        """Nothing: there is no event in it."""

    def ending(self) -> None:
        """Nothing: there is no event in it."""


class SentenceVoice:
    """Sentences for people.

    Args:
        say, complain: write a line; by default to standard output and to standard error.
        quiet: say nothing but what somebody has to look at.
        empty: say, too, that there was nothing new.
        stamp: UTC seconds to begin each line with the time; None for lines without one.
    """

    def __init__(
        self,
        *,
        say: Write = typer.echo,
        complain: Write = lambda line: typer.echo(line, err=True),
        quiet: bool = False,
        empty: bool = True,
        stamp: Callable[[], float] | None = None,
    ) -> None:
        self._say = say
        self._complain = complain
        self._quiet = quiet
        self._empty = empty
        self._stamp = stamp
        self._interrupted = False
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Tell of an event."""
        if isinstance(event, FetchEnded):
            if not self._quiet and (self._empty or self._interrupted or _did_something(event)):
                self._line(self._say, _ended(event) + self._cut_short())
        elif text := _trouble(event):
            self._line(self._complain, text + (self._cut_short() if isinstance(event, FetchFailed) else ""))
        elif not self._quiet and (text := _remark(event)):
            self._line(self._say, text)

    def tell(self, text: str) -> None:
        """Say how it goes on as a whole."""
        if not self._quiet:
            self._line(self._say, text)

    def ending(self) -> None:
        """Say that the runs under way were asked to end; from now on results are told as those of interrupted runs."""
        self._interrupted = True
        self._line(self._complain, ENDING)

    def _cut_short(self) -> str:
        return "; interrupted: the rest comes next time" if self._interrupted else ""

    def _line(self, write: Write, text: str) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(self._stamp())) if self._stamp else ""
        with self._lock, contextlib.suppress(OSError):  # as above
            write(moment + clean(text))


def _did_something(event: FetchEnded) -> bool:
    return bool(event.fetched or event.deleted or event.recognised or event.failed or event.quarantined)


def _ended(event: FetchEnded) -> str:
    """`ada: 12 messages (34 kB), 2 deleted in 1.2 s`."""
    parts = [f"{messages(event.fetched)} ({octets(event.octets)})" if event.fetched else "nothing new"]
    parts += [
        f"{count:,} {what}"
        for count, what in (
            (event.recognised, "known already"),
            (event.filtered, "left out by the filter"),
            (event.skipped, "too large"),
            (event.deleted, "deleted on the server"),
            (event.pending, "still to be deleted"),
            (event.failed, "failed and will be tried again"),
            (event.quarantined, "put aside"),
        )
        if count
    ]
    return f"{event.account}: {', '.join(parts)}, in {event.seconds:.1f} s"


def _trouble(event: Event) -> str:
    """What somebody has to look at, as a sentence; "" for all else."""
    match event:
        case FetchFailed():
            got = f"; {messages(event.fetched)} came before that" if event.fetched else ""
            hint = advice(event.error, event.reason)
            return f"error: {event.account}: {event.reason}{f': {hint}' if hint else ''}{got}"
        case MessageFailed():
            counted = f", try {event.tries}" if event.tries else ""
            return f"warning: {event.account}: message {event.unique_id} failed{counted}: {event.reason}"
        case MessageQuarantined():
            kept = f"; a copy is in {event.kept}" if event.kept else ""
            return (
                f"warning: {event.account}: message {event.unique_id} is put aside and stays on the server: "
                f"{event.reason}{kept}; see: pillarbox fetch quarantine list {event.account}"
            )
        case ServerMisbehaved():
            return f"warning: {event.account}: {event.host} broke the protocol at {event.stage}: {event.reason}"
        case ListingDoubtful():
            return f"warning: {event.account}: {event.host}: odd listing: {', '.join(event.doubts)}"
        case Warned():
            return f"warning: {event.about}: {event.text}"
        case InternalError():
            return (
                f"error: a defect of Pillarbox ({event.error} at {', '.join(event.where[-2:])}): please report it; "
                "other accounts go on"
            )
    return ""


def _remark(event: Event) -> str:
    match event:
        case MessageSkipped():
            return f"{event.account}: left message {event.unique_id} on the server: {event.reason}"
        case ServerMoved():
            return f"{event.account}: the server gives new unique-ids; {messages(event.messages)} were recognised"
    return ""
