"""What all commands of `pillarbox fetch` share: which file is meant, which of its accounts, how failures are shown.

Rules: a problem is one sentence on standard error that says what to do; the exit code is 1 where something failed and 2
for wrong usage; what came from a server or a file is cleaned before a terminal sees it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pillarbox.cli.telling import FAILED, WRONG_USE, fail_with, plural
from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pillarbox.fetch.accounts_file import Fetcher, Scheduled
    from pillarbox.fetch.schema import FetchFile

SYSTEM_FILE = Path("/etc/pillarbox/fetch.toml")
VARIABLE = "PILLARBOX_FETCH_CONFIG"

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="PATH",
        envvar=VARIABLE,
        help=f"The file of accounts.  [default: ~/.config/pillarbox/fetch.toml if it exists, else {SYSTEM_FILE}]",
        show_default=False,
    ),
]
AccountsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ACCOUNT]…", help="Only these accounts.", show_default=False)
]
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name in the file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def user_file() -> Path:
    """A person's own file."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "pillarbox" / "fetch.toml"


def find_config(path: Path | None) -> Path:
    """The file to use: `path` if given, else the user's own if it exists, else the system's."""
    if path is not None:
        return path.expanduser()
    return user_file() if user_file().exists() or not SYSTEM_FILE.exists() else SYSTEM_FILE


def load_or_exit(path: Path | None) -> Fetcher:
    """The accounts of `find_config(path)`; on problems prints all of them and ends the command."""
    from pillarbox.config import ConfigError
    from pillarbox.fetch import accounts_file

    try:
        return accounts_file.load(find_config(path))
    except ConfigError as error:
        fail_with(error.problems)


def read_file(path: Path) -> FetchFile:
    """The file as it stands. Ends the command with its problems."""
    from pillarbox.config import ConfigError
    from pillarbox.fetch import accounts_file

    try:
        return accounts_file.read(path)
    except ConfigError as error:
        fail_with(error.problems)


def selected(fetcher: Fetcher, names: Sequence[str] | None) -> list[Scheduled]:
    """The accounts of these names, in the file's order; all without names. Ends the command when one is unknown."""
    wanted = set(names or ())
    for name in wanted & set(fetcher.disabled):
        fail(f"the account {name} is not enabled: take `enabled = false` out of the file", WRONG_USE)
    unknown = wanted - {scheduled.account.name for scheduled in fetcher.accounts}
    if unknown:
        there = ", ".join(scheduled.account.name for scheduled in fetcher.accounts) or "none"
        fail(f"there is no account {min(unknown)!r} in the file; there are: {there}", WRONG_USE)
    return [one for one in fetcher.accounts if not wanted or one.account.name in wanted]


def fail(text: str, code: int = FAILED) -> NoReturn:
    """Say what went wrong, and end."""
    typer.echo(f"{typer.style('error:', fg=typer.colors.RED, bold=True)} {clean(text)}", err=True)
    raise typer.Exit(code)


def octets(number: float) -> str:
    """A size for people."""
    if number < 10_000:
        return f"{number:.0f} octets"
    for limit, unit in ((1e7, "kB"), (1e10, "MB")):
        if number < limit:
            return f"{number / (limit / 1e4):,.0f} {unit}"
    return f"{number / 1e9:,.1f} GB"


def messages(number: int) -> str:
    """`1 message`, `1,234 messages`."""
    return plural(number, "message")
