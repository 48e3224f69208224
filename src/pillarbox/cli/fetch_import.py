"""`pillarbox fetch import`: take over what getmail, mpop or fetchmail has fetched, so that nothing comes twice.

Rules: what is imported counts as delivered now: it is not fetched, and is deleted when the account's `keep_days` are
over, counted from now; what the journal knows already stays as it is. A file about several mailboxes needs to be told
which one is meant, unless the account's own host and user say so.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pillarbox.cli.fetch_place import AccountArgument, ConfigOption, fail, load_or_exit, messages, selected
from pillarbox.cli.telling import WRONG_USE
from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pillarbox.fetch.accounts_file import Scheduled
    from pillarbox.fetch.importing import SeenList


class Program(Enum):
    """The fetchers whose state can be read."""

    GETMAIL = "getmail"
    MPOP = "mpop"
    FETCHMAIL = "fetchmail"


def import_seen(
    program: Annotated[Program, typer.Argument(help="Whose file it is.")],
    file: Annotated[
        Path, typer.Argument(help="getmail's oldmail-SERVER-PORT-USER, mpop's uidls_file, or fetchmail's .fetchids.")
    ],
    account: AccountArgument,
    host: Annotated[str, typer.Option(help="The mailbox's server, as that program calls it.")] = "",
    user: Annotated[str, typer.Option(help="The mailbox's user, as that program calls it.")] = "",
    config: ConfigOption = None,
) -> None:
    """Take over what another fetcher has fetched, so that nothing is downloaded twice."""
    from pillarbox.fetch import FetchError, Journal
    from pillarbox.fetch.importing import NotThatFile, read_seen

    (scheduled,) = selected(load_or_exit(config), [account])
    try:
        lists = read_seen(program.value, file.expanduser())
    except NotThatFile as error:
        fail(str(error))
    except OSError as error:
        fail(f"{file}: {error.strerror}: name a file that can be read")
    meant = _meant(lists, scheduled, host, user)
    try:
        with Journal(scheduled.account.journals, account) as journal:
            before = len(journal.known())
            journal.learn(meant.unique_ids)
            added = len(journal.known()) - before
    except FetchError as error:
        fail(str(error))
    known = len(meant.unique_ids) - added
    also = f" ({known:,} of them known already)" if known else ""
    typer.echo(f"{account}: {messages(len(meant.unique_ids))} taken over{also}; they are not fetched again.")


def _meant(lists: list[SeenList], scheduled: Scheduled, host: str, user: str) -> SeenList:
    """The one list that is meant. Ends the command when that cannot be told."""
    from pillarbox.client import address
    from pillarbox.fetch.importing import chosen

    where = address.parse(scheduled.account.url, scheduled.account.user or "")
    # Programs may know the server by another name than ours; then its user alone may tell.
    fits = [chosen(lists, host or where.host, user or where.user), chosen(lists, host, user or where.user)]
    for found in fits:
        if len(found) == 1:
            return found[0]
    there = "; ".join(clean(f"--host {one.host} --user {one.user}") for one in lists) or "nothing"
    return fail(f"the file does not say which mailbox is meant: name it. In the file there is: {there}", WRONG_USE)
