"""`pillarbox archive show` and `export`: reading messages on the terminal, and taking them out.

Rules: in `telling`. Only `--raw` prints what a message holds as it is. Octets are compared with their
SHA-256: a damaged message is named, the exit code is 1, and only `--raw` gives it out nevertheless.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pillarbox.cli.archive_place import (
    WORDS_WITH_MINUS,
    Json,
    Place,
    Query,
    described,
    moment,
    octets,
    opened,
    query_of,
)
from pillarbox.cli.telling import FAILED, fail, note, plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pillarbox.archive import Archive
    from pillarbox.archive.export import Lost
    from pillarbox.archive.search import Found
    from pillarbox.archive.view import View

app = typer.Typer()


@app.command()
def show(
    message: Annotated[str, typer.Argument(metavar="ID", help="The id that search shows, or its first digits.")],
    place: Place = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print the message octet for octet.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Show the text of the HTML form where there are two.")] = False,
    save: Annotated[
        list[str] | None, typer.Option("--save", metavar="NAME", help="Save this attachment (its name or number).")
    ] = None,
    save_all: Annotated[bool, typer.Option("--save-all", help="Save all attachments.")] = False,
    into: Annotated[Path, typer.Option("--into", metavar="DIRECTORY", help="Where to save them.")] = Path(),
    as_json: Json = False,
) -> None:
    """Show a message: its header, its text, its attachments."""
    from pillarbox.archive import view
    from pillarbox.archive.search import get

    with opened(place) as archive:
        found = get(archive, message)
        path = archive.path(found.sha256)
        if raw:
            _print_raw(found, path)
            return
        seen = _viewed(found, path, html=html)
        if save or save_all:
            if not into.is_dir():
                fail(f"{into} is no directory", 2)
            for wanted in save or [str(one.number) for one in seen.attachments]:
                saved = view.save(path, wanted, into)
                typer.echo(f"saved {view.line(str(saved))}, {octets(saved.stat().st_size)}")
            return
    if as_json:
        about = described(found) | {
            "path": str(path),
            "attachments": [
                {"number": one.number, "name": one.name, "type": one.type, "octets": one.octets}
                for one in seen.attachments
            ],
            "text": seen.text,
            "cut": seen.cut,
        }
        typer.echo(json.dumps(about, indent=2))
        return
    for name, value in seen.headers:
        typer.echo(f"{name}: {value}")
    for origin in found.origins:
        account = view.line(origin.account) or "(not named)"
        typer.echo(f"Archived: {account}, received {moment(origin.received)}")
    for one in seen.attachments:
        typer.echo(f"Attachment {one.number}: {one.name or '(no name)'} ({one.type}, about {octets(one.octets)})")
    typer.echo()
    typer.echo(seen.text or "(no text)")
    if seen.cut:
        note("the text is longer; --raw prints all of it")


@app.command(context_settings=WORDS_WITH_MINUS)
def export(
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="The file or directory to make; - with mbox is standard output.")
    ],
    query: Query = None,
    place: Place = None,
    form: Annotated[str, typer.Option("--format", metavar="eml|mbox|maildir", help="What to make.")] = "mbox",
    exact: Annotated[bool, typer.Option("--exact", help="Keep CRLF line ends in an mbox or a Maildir.")] = False,
) -> None:
    """Write the messages that match (without a query, all) as an mbox, a Maildir or .eml files."""
    from pillarbox.archive.export import Form, to_directory
    from pillarbox.archive.search import matching

    if form not in {one.value for one in Form}:
        fail(f"--format {form} is not known; write eml, mbox or maildir", 2)
    if str(target) == "-" and Form(form) is not Form.MBOX:
        fail(f"--format {form} makes a directory, and standard output (-) can only take an mbox; name a directory", 2)
    lost: list[str] = []

    def tell(message: Found, why: str) -> None:
        lost.append(message.sha256.hex())
        note(f"warning: message {message.sha256.hex()[:10]} {why}; it is left out")

    with opened(place) as archive:
        try:
            found = matching(archive, query_of(query))
            first = next(found, None)
            if first is None:
                fail("nothing matches; nothing was written")
            found = itertools.chain([first], found)
            if Form(form) is Form.MBOX:
                count = _to_mbox(archive, found, target, tell, exact=exact)
            else:
                count = to_directory(archive, found, target, Form(form), tell, exact=exact)
        except OSError as error:
            fail(f"{error.filename or target}: {error.strerror}")
    note(f"exported {plural(count, 'message')}")
    if lost:
        raise typer.Exit(FAILED)


def _to_mbox(archive: Archive, found: Iterable[Found], target: Path, lost: Lost, *, exact: bool) -> int:
    from pillarbox.archive.export import to_mbox

    if str(target) == "-":
        count = to_mbox(archive, found, sys.stdout.buffer, lost, exact=exact)
        sys.stdout.buffer.flush()
        return count
    if target.exists():
        fail(f"{target} exists; choose a new file", 2)
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            count = to_mbox(archive, found, file, lost, exact=exact)
        if count:
            unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _viewed(found: Found, path: Path, *, html: bool) -> View:
    from pillarbox.archive import objects, view

    try:
        if not objects.whole(path, found.sha256):
            fail(f"{_damaged(found)}; --raw prints its octets as they are")
        return view.view(path, html=html)
    except OSError as error:
        fail(f"{path}: {error.strerror}")


def _print_raw(found: Found, path: Path) -> None:
    from pillarbox.archive.objects import pieces

    digest = hashlib.sha256()
    try:
        for piece in pieces(path):
            digest.update(piece)
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except OSError as error:
        fail(f"{error.filename or path}: {error.strerror}")
    if digest.digest() != found.sha256:
        note(f"warning: {_damaged(found)}")
        raise typer.Exit(FAILED)


def _damaged(found: Found) -> str:
    from pillarbox.archive.export import DAMAGED

    return f"message {found.sha256.hex()[:10]} {DAMAGED}"
