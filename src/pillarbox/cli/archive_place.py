"""What all commands of `pillarbox archive` share: which archive is meant, how messages are shown.

Rules: as in `telling`, also for what a message or a file's name holds.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pillarbox.cli.telling import WRONG_USE, fail

if TYPE_CHECKING:
    from pillarbox.archive import Archive
    from pillarbox.archive.search import Found

Place = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="PATH",
        envvar="PILLARBOX_ARCHIVE",
        show_envvar=True,
        help="The archive's directory. Without it: pillarbox/archive in $XDG_DATA_HOME (~/.local/share).",
        show_default=False,
    ),
]
WORDS_WITH_MINUS = {"ignore_unknown_options": True}
"""`-draft` is a word that must not be there, and no option; so these commands have no options of one letter."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Query = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUERY…",
        help="For example: from:ada invoice after:2026-01 has:attachment -draft (see docs/archive.md).",
        show_default=False,
    ),
]


def place_of(place: Path | None) -> Path:
    """The archive that is meant."""
    if place is not None:
        return place.expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "pillarbox" / "archive"


@contextlib.contextmanager
def opened(place: Path | None, *, create: bool = False) -> Iterator[Archive]:
    """The archive, closed in the end; what goes wrong within is told, and ends the command."""
    from pillarbox.archive import Archive, ArchiveError, QueryError

    try:
        with Archive.open(place_of(place), create=create) as archive:
            yield archive
    except QueryError as error:
        fail(str(error), WRONG_USE)
    except ArchiveError as error:
        fail(str(error))


def query_of(words: list[str] | None) -> str:
    """The query as the shell has cut it up: an argument with spaces in it was quoted, and is one phrase or a query."""
    return " ".join(words or [])


def described(found: Found) -> dict[str, object]:
    """A message for --json."""
    return {
        "id": found.sha256.hex(),
        "size": found.size,
        "date": moment(found.date),
        "from": found.sender,
        "to": found.recipients,
        "subject": found.subject,
        "attachments": found.attachments,
        "message_id": found.message_id,
        "origins": [
            {"account": origin.account, "unique_id": origin.unique_id, "received": moment(origin.received)}
            for origin in found.origins
        ],
    }


def moment(seconds: float | None) -> str | None:
    """UTC seconds as RFC 3339 has them; None for what no calendar holds."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None


def octets(number: int) -> str:
    """A size for people."""
    if number < 10_000:
        return f"{number:,} octets"
    if number < 10_000_000:
        return f"{number / 1000:,.0f} kB"
    return f"{number / 1_000_000:,.1f} MB"
