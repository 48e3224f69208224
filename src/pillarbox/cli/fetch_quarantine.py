"""`pillarbox fetch quarantine`: the messages that were put aside, and a new try for them.

Rules: looking changes nothing and works while a run is under way; what a message holds is cleaned before it is shown.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pillarbox.cli.fetch_place import (
    AccountArgument,
    AccountsArgument,
    ConfigOption,
    fail,
    load_or_exit,
    messages,
    octets,
    selected,
)
from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pillarbox.fetch.aside import Aside

_SHOWN = 64 * 1024
"""Octets of a message's header that are shown."""

app = typer.Typer(help="Look at the messages that were put aside, and try them again.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="MESSAGE", help="Its name in the list, or the beginning of it.")]


@app.command("list")
def list_aside(accounts: AccountsArgument = None, config: ConfigOption = None) -> None:
    """List the messages that were put aside, or left on the server because of their size or a filter."""
    from pillarbox.fetch.aside import aside

    for scheduled in selected(load_or_exit(config), accounts):
        with _told():
            for one in aside(scheduled.account):
                typer.echo(clean(_line(scheduled.account.name, one)))


@app.command()
def show(account: AccountArgument, message: NameArgument, config: ConfigOption = None) -> None:
    """Show what is known of a message that was put aside, and its header."""
    from pillarbox.fetch.aside import aside

    (scheduled,) = selected(load_or_exit(config), [account])
    with _told():
        found = [one for one in aside(scheduled.account) if one.name.startswith(message)]
    if len(found) != 1:
        fail(f"{len(found) or 'no'} messages of {account} have names that begin with {message!r}: see the list")
    one = found[0]
    typer.echo(clean(_line(account, one)))
    typer.echo(clean(f"unique-id: {one.unique_id.decode('ascii', 'backslashreplace')}"))
    if one.file is None:
        typer.echo("There is no copy of it here; it is on the server only.")
        return
    typer.echo(f"copy: {clean(str(one.file))}\n")
    for line in _header(one.file):
        typer.echo(clean(line))


@app.command()
def retry(account: AccountArgument, config: ConfigOption = None) -> None:
    """Try everything again that was put aside or left on the server, with the next run."""
    from pillarbox.fetch import Journal

    (scheduled,) = selected(load_or_exit(config), [account])
    with _told(), Journal(scheduled.account.journals, account) as journal:
        count = journal.retry()
    typer.echo(f"{account}: {messages(count)} will be tried again by the next run.")


@contextlib.contextmanager
def _told() -> Iterator[None]:
    from pillarbox.fetch import FetchError

    try:
        yield
    except FetchError as error:
        fail(str(error))


def _line(account: str, one: Aside) -> str:
    kept = "copy kept" if one.file is not None else "no copy"
    how = f"put aside, {kept}" if one.quarantined else "left on the server"
    return f"{account} {one.name[:12]} {octets(one.size)}, {how}: {one.reason}"


def _header(file: Path) -> list[str]:
    with file.open("rb") as stream:
        head = stream.read(_SHOWN)
    return head.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").splitlines()
