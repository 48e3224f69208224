"""`pillarbox fetch login`: let the fetcher read an account's mail at a provider (OAuth2), once.

Rules: what is asked for depends on where the browser is; what comes of it goes into the account's token file and
nowhere else; it can be done again at any time, also while a daemon runs, which then uses the new tokens.
Elsewhere: how providers are asked (`pillarbox.client.oauth`).
"""

from __future__ import annotations

import webbrowser
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from pillarbox.cli.fetch_place import AccountArgument, ConfigOption, fail, find_config, read_file
from pillarbox.cli.telling import WRONG_USE, note
from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pathlib import Path

    from pillarbox.client.oauth import Application, Tokens


class Way(Enum):
    """Where the user's browser is."""

    BROWSER = "browser"
    DEVICE = "device"
    PASTE = "paste"


WayOption = Annotated[
    Way,
    typer.Option(
        "--way",
        help="browser: one on this machine; device: a code is typed in on any device (not for Google); "
        "paste: a browser anywhere, whose last address is copied here.",
    ),
]


def login(account: AccountArgument, config: ConfigOption = None, way: WayOption = Way.BROWSER) -> None:
    """Log in at the account's provider (Google, Microsoft), so that mail can be fetched with its tokens."""
    file = read_file(find_config(config))
    named = file.account.get(account)
    if named is None:
        fail(f"there is no account {account!r} in the file; there are: {', '.join(file.account) or 'none'}", WRONG_USE)
    if named.oauth is None:
        fail(f"the account {account} logs in with a password: there is nothing to do", WRONG_USE)
    from pillarbox.client.errors import UsageError
    from pillarbox.fetch import accounts_file, schema

    try:
        application = accounts_file.application(named.oauth)
    except UsageError as error:
        fail(str(error))
    state = file.fetch.state or schema.default_state()
    get_tokens(application, accounts_file.token_file(state, account), way)
    typer.echo(f"{account}: logged in; try it: pillarbox fetch run --once {account}")


def get_tokens(application: Application, path: Path, way: Way) -> None:
    """Log in and keep the tokens. Ends the command when that fails."""
    from pillarbox.client.errors import ClientError
    from pillarbox.client.oauth import TokenFile

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        TokenFile(path).save(_login(application, way))
    except ClientError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or 'the login'}: {error.strerror or error}")


def _login(application: Application, way: Way) -> Tokens:
    from pillarbox.client.oauth import browser_login, device_login, pasted_login

    match way:
        case Way.BROWSER:
            return browser_login(application, _open)
        case Way.DEVICE:
            return device_login(application, lambda prompt: note(str(prompt)))
        case Way.PASTE:
            return pasted_login(application, _show, lambda: str(typer.prompt("Paste that address", err=True)))


def _open(address: str) -> None:
    if not webbrowser.open(address):
        note("No browser could be started: open this address in one on this machine, or use --way paste:")
    else:
        note("Your browser should show the provider's page now. If it does not, open:")
    typer.echo(clean(address), err=True)


def _show(address: str) -> None:
    note("Open this address in a browser, log in, and agree. In the end the browser shows a page that does not open:")
    note("copy its whole address from there.")
    typer.echo(clean(address), err=True)
