"""`pillarbox archive`: puts mail into an archive, and finds it again.

Rules: in `telling`. Reading and taking out are in `archive_read`, checking in `archive_verify`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pillarbox.cli import archive_read, archive_verify
from pillarbox.cli.archive_place import (
    WORDS_WITH_MINUS,
    Json,
    Place,
    Query,
    described,
    moment,
    octets,
    opened,
    place_of,
    query_of,
)
from pillarbox.cli.telling import FAILED, Progress, fail, note, plural

if TYPE_CHECKING:
    from pillarbox.archive import Added, Archive, Incoming
    from pillarbox.archive.search import Found

app = typer.Typer(no_args_is_help=True)

_BATCH = 200
_BATCH_OCTETS = 32 << 20
_COUNTED = 10_000
"""Matches that are counted; beyond that, "more than" must do."""


@app.command()
def add(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH…", help="Maildirs, mbox files, .eml files, directories of them; - is standard input."
        ),
    ],
    place: Place = None,
    account: Annotated[str, typer.Option(help="Where this mail comes from, to find it by account: later.")] = "",
    as_json: Json = False,
) -> None:
    """Add messages. What is there already is not added twice; what is missing or damaged there is restored."""
    for path in paths:
        if str(path) != "-" and not path.exists():
            fail(f"{path} does not exist", 2)
    skipped: list[tuple[Path, str]] = []

    def pass_over(path: Path, why: str) -> None:
        skipped.append((path, why))
        note(f"warning: {path}: passed over: {why}")

    with opened(place, create=True) as archive:
        try:
            with _Standard(archive) as standard:
                tally = _add_all(archive, _incoming(paths, account, pass_over, standard))
        except OSError as error:
            fail(f"{error.filename or 'the archive'}: {error.strerror or error}")
    if as_json:
        counts = {
            "added": tally.new,
            "duplicates": tally.known,
            "restored": tally.restored,
            "skipped": len(skipped),
        }
        typer.echo(json.dumps(counts))
    else:
        already = f"; {plural(tally.known, 'message')} there already" if tally.known else ""
        over = f"; {plural(len(skipped), 'file')} passed over" if skipped else ""
        again = f"; restored {plural(tally.restored, 'missing or damaged message')}" if tally.restored else ""
        typer.echo(f"added {plural(tally.new, 'message')}{again}{already}{over}")


@app.command(context_settings=WORDS_WITH_MINUS)
def search(
    query: Query = None,
    place: Place = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many to show at most.")] = 25,
    offset: Annotated[int, typer.Option(min=0, help="How many to leave out first.")] = 0,
    by: Annotated[str, typer.Option(metavar="newest|oldest|relevance", help="What comes first.")] = "newest",
    as_json: Json = False,
) -> None:
    """Search headers, text and names of attachments; without a query, list the newest."""
    from pillarbox.archive.search import Order, count
    from pillarbox.archive.search import search as find

    if by not in {order.value for order in Order}:
        fail(f"--by {by} is not known; write newest, oldest or relevance", 2)
    text = query_of(query)
    with opened(place) as archive:
        found = find(archive, text, limit=limit, offset=offset, order=Order(by))
        if as_json:
            typer.echo(json.dumps([described(one) for one in found], indent=2))
            return
        for one in found:
            typer.echo(_row(one))
        if not found:
            note("nothing matches" if offset == 0 else "nothing more matches")
            raise typer.Exit(FAILED)
        if len(found) == limit or offset:
            total = count(archive, text, most=_COUNTED + 1)
            more = "more than 10,000" if total > _COUNTED else f"{total:,}"
            note(f"shown: {offset + 1:,} to {offset + len(found):,} of {more}; --limit and --offset show others")


@app.command()
def stats(place: Place = None, as_json: Json = False) -> None:
    """Show what the archive holds."""
    from pillarbox.archive.search import statistics

    with opened(place) as archive:
        found = statistics(archive)
    if as_json:
        shown = {
            "messages": found.messages,
            "octets": found.octets,
            "attachments": found.attachments,
            "accounts": dict(found.accounts),
            "oldest": moment(found.oldest),
            "newest": moment(found.newest),
            "index_octets": found.index_octets,
            "log_octets": found.log_octets,
        }
        typer.echo(json.dumps(shown, indent=2))
        return
    from pillarbox.archive import view

    typer.echo(f"archive      {view.line(str(place_of(place)))}")
    typer.echo(f"messages     {found.messages:,}, {octets(found.octets)}, {plural(found.attachments, 'attachment')}")
    if found.oldest is not None and found.newest is not None:
        typer.echo(f"dates        {view.when(found.oldest)} to {view.when(found.newest)}")
    for name, number in found.accounts:
        typer.echo(f"account      {view.line(name) or '(not named)'}: {plural(number, 'message')}")
    typer.echo(f"index        {octets(found.index_octets)}; log {octets(found.log_octets)}")


def _row(found: Found) -> str:
    from pillarbox.archive import view

    mark = "+" if found.attachments else " "
    sender = view.line(found.sender)[:28]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 200
    text = f"{found.sha256.hex()[:10]}  {view.when(found.date)} {mark} {sender:<28}  {view.line(found.subject)}"
    return text[: max(width, 60)].rstrip()


class _Tally:
    """Counts, and shows the count on a terminal."""

    def __init__(self) -> None:
        self.new = self.known = self.restored = 0
        self._progress = Progress()

    def count(self, added: Sequence[Added]) -> None:
        """So many more."""
        known, restored = sum(one.duplicate for one in added), sum(one.restored for one in added)
        self.new += len(added) - known - restored
        self.known += known
        self.restored += restored
        self._progress.show(f"{self.new:,} added, {self.known:,} there already")

    def end(self) -> None:
        """No more."""
        self._progress.end()


def _add_all(archive: Archive, incoming: Iterator[Incoming]) -> _Tally:
    tally = _Tally()
    waiting: list[Incoming] = []
    size = 0

    def flush() -> None:
        tally.count(archive.add_batch(waiting))
        waiting.clear()

    try:
        for one in incoming:
            waiting.append(one)
            size += len(one.source) if isinstance(one.source, bytes) else 0
            if len(waiting) >= _BATCH or size >= _BATCH_OCTETS:
                flush()
                size = 0
        flush()
    finally:
        tally.end()
    return tally


def _incoming(
    paths: list[Path], account: str, skipped: Callable[[Path, str], None], standard: _Standard
) -> Iterator[Incoming]:
    from pillarbox.archive.sources import messages

    for path in paths:
        if str(path) == "-":
            yield from messages(standard.file(), account, skipped)
        else:
            yield from messages(path, account, skipped)


class _Standard(contextlib.AbstractContextManager["_Standard"]):
    """Standard input as a file that can be read anywhere, kept beside the archive until all of it was added."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def __exit__(self, *error: object) -> None:
        if self._directory is not None:
            self._directory.cleanup()

    def file(self) -> Path:
        """The file, written when it is first asked for."""
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(dir=self._archive.staging)
            with (Path(self._directory.name) / "standard-input").open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        return Path(self._directory.name) / "standard-input"


app.registered_commands += archive_read.app.registered_commands + archive_verify.app.registered_commands
