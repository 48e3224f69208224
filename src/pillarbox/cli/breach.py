"""`pillarbox breach`: makes the file of breached passwords, and asks it.

Rules: a password never comes from an argument (`cli.new_password`), and is never shown; bad lines of a list are counted
and shown by number, never by what they hold; every failure is one line on standard error and an exit code (1 refused or
found, 2 wrong usage). The file's form is in `auth.breach`, its making in `auth.breach_build`.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pillarbox.cli.telling import FAILED, WRONG_USE, Progress, fail, plural
from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pillarbox.auth.breach import BreachFilter
    from pillarbox.auth.breach_build import Listing

app = typer.Typer(no_args_is_help=True)

SHOWN_LINES = 10
"""Bad lines of one list that are shown; the rest are counted."""

Filter = Annotated[Path, typer.Argument(metavar="FILTER", help="A file made by `breach build`.", show_default=False)]


@app.command()
def build(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The file to make.", show_default=False)],
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT…",
            help="Lists of hashes in hexadecimal, one a line, as HASH or HASH:COUNT; - is standard input.",
            show_default=False,
        ),
    ] = None,
    plain: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="A list of passwords themselves, one a line.")
    ] = None,
    ntlm: Annotated[bool, typer.Option("--ntlm", help="The hashes are NTLM's, not SHA-1.")] = False,
    bits: Annotated[
        int,
        typer.Option(
            min=4, max=24, help="One good password in 2^BITS is taken for a breached one; a bit more is a bit an entry."
        ),
    ] = 10,
) -> None:
    """Make a filter from lists in any order and of any length."""
    from pillarbox.auth.breach import Kind
    from pillarbox.auth.breach_build import BuildError
    from pillarbox.auth.breach_build import build as build_filter

    bad = _BadLines()
    progress = Progress(1.0)

    def show(doing: str, count: int) -> None:
        progress.show(f"{doing}: {count:,} entries")

    with contextlib.ExitStack() as open_files:
        try:
            listings = list(_listings(inputs or [], plain or [], open_files))
            if not listings:
                fail("no list was given; name at least one, or --plain PATH", WRONG_USE)
            kind = Kind.NTLM if ntlm else Kind.SHA1
            built = build_filter(output, listings, kind=kind, bits=bits, report=bad.report, progress=show)
        except BuildError as error:
            bad.summary()
            fail(str(error))
        except OSError as error:
            fail(f"{error.filename or output}: {error.strerror}")
        finally:
            progress.end()
    bad.summary()
    header = built.header
    typer.echo(
        f"{clean(str(output))}: {header.entries:,} passwords from {built.lines:,} lines, {built.octets:,} octets "
        f"({8 * built.octets / header.entries:.1f} bits each); "
        f"one good password in {1 / header.false_positive_rate:,.0f} is found by mistake"
    )


@app.command()
def check(
    filter_file: Filter,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Take the first line of standard input, also on a terminal.")
    ] = False,
) -> None:
    """Ask for a password, and say whether it is known from breaches (exit code 1) or not (0)."""
    # Only here: the policy of passwords takes a moment to load.
    from pillarbox.cli.new_password import PasswordRefused, asked_once

    with _opened(filter_file) as breached:
        try:
            known = breached.knows(asked_once(from_stdin=stdin))
        except PasswordRefused as error:
            fail(str(error), WRONG_USE)
        rate = 1 / breached.header.false_positive_rate
    if known:
        typer.echo(f"found: the password is known from breaches (by mistake for one good password in {rate:,.0f})")
        raise typer.Exit(FAILED)
    typer.echo("not found: the password is on none of the lists")


@app.command()
def info(
    filter_file: Filter,
    verify: Annotated[bool, typer.Option("--verify", help="Read all of it, and compare its checksum.")] = False,
) -> None:
    """Show what a filter was made from."""
    with _opened(filter_file) as breached:
        header = breached.header
        typer.echo(f"hashes           {header.kind.name}")
        typer.echo(f"passwords        {header.entries:,}")
        typer.echo(f"bits             {header.bits}")
        typer.echo(f"false positives  1 in {1 / header.false_positive_rate:,.0f}")
        if verify:
            breached.check()
            typer.echo("checksum         right")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BreachFilter]:
    from pillarbox.auth.breach import BreachFilter, BreachFilterError

    try:
        with BreachFilter(path) as breached:
            yield breached
    except BreachFilterError as error:
        fail(f"{path}: {error}", WRONG_USE)


def _listings(inputs: list[Path], plain: list[Path], open_files: contextlib.ExitStack) -> Iterator[Listing]:
    from pillarbox.auth.breach_build import Listing

    for path, is_plain in [(path, False) for path in inputs] + [(path, True) for path in plain]:
        if str(path) == "-":
            yield Listing("standard input", sys.stdin.buffer, is_plain)
        else:
            # All are opened before the first is read: a misspelt name is found at once.
            yield Listing(clean(str(path)), open_files.enter_context(path.open("rb")), is_plain)


class _BadLines:
    """Shows the first bad lines of each list, and counts the others."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    def report(self, name: str, line: int, what: str) -> None:
        """See `auth.breach_build.Report`."""
        self._count[name] += 1
        if self._count[name] <= SHOWN_LINES:
            typer.echo(f"warning: {name}:{line}: skipped: {what}", err=True)

    def summary(self) -> None:
        """Say how many there were."""
        for name, count in self._count.items():
            typer.echo(f"warning: {name}: {plural(count, 'line')} skipped", err=True)
