"""`pillarbox account`: who may read mail here.

Rules: a password never comes from an argument (`cli.new_password`); every failure is one line on standard error and an
exit code (1 refused, 2 wrong usage, 3 the accounts database cannot be used), never a traceback; mail is never touched.
The store is in `auth.accounts`.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pillarbox.auth.accounts import (
    AccountExists,
    AccountsMissing,
    AccountStore,
    AccountsUnavailable,
    NoSuchAccount,
    StoredAccount,
)
from pillarbox.auth.names import InvalidName, InvalidPath, maildir_path, normalise, split
from pillarbox.cli.config import config_option, load_or_exit
from pillarbox.cli.new_password import PasswordRefused, new_password

if TYPE_CHECKING:
    from pillarbox.config import Settings

app = typer.Typer(help="Add, change and remove the accounts that may read mail.", no_args_is_help=True)

_REFUSED = 1
_UNAVAILABLE = 3


def _no_password_argument(given: bool) -> None:
    if given:
        raise typer.BadParameter(
            "a password on the command line is seen by every user of this machine and stays in the shell's history. "
            "Leave it out to be asked for it, or write it to standard input"
        )


Name = Annotated[str, typer.Argument(help="The account, as user@domain, or as user alone.", show_default=False)]
Stdin = Annotated[
    bool, typer.Option("--stdin", help="Take the first line of standard input as the password, also on a terminal.")
]
NoPassword = Annotated[
    bool, typer.Option("--password", "-p", hidden=True, is_eager=True, callback=_no_password_argument)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def add(
    name: Name,
    config: config_option = None,
    maildir: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Where this account's Maildir is, if not where the configuration says."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Messages can be read but not deleted.")] = False,
    stdin: Stdin = False,
    password: NoPassword = False,
) -> None:
    """Add an account; the password is asked for."""
    with _Accounts(config) as accounts:
        account = accounts.canonical(name)
        path = accounts.path(account, maildir)
        accounts.refuse_existing(account)
        hashed = accounts.hashed(new_password(from_stdin=stdin))
        accounts.store.create()
        accounts.store.add(account, hashed, read_only=read_only, maildir=maildir)
        typer.echo(f"added {account}; its mail is read from {path}{_state_of(path)}")
        accounts.warn_if_unused()


@app.command("password")
def set_password(name: Name, config: config_option = None, stdin: Stdin = False, password: NoPassword = False) -> None:
    """Change an account's password; the new one is asked for."""
    with _Accounts(config) as accounts:
        account = accounts.canonical(name)
        accounts.store.show(account)  # before the user types a password in vain
        accounts.store.set_password(account, accounts.hashed(new_password(from_stdin=stdin)))
        typer.echo(f"changed the password of {account}; the old one is refused from now on")


@app.command("list")
def list_accounts(config: config_option = None, as_json: Json = False) -> None:
    """List all accounts."""
    with _Accounts(config) as accounts:
        try:
            found = accounts.store.list()
        except AccountsMissing:
            found = []
        if as_json:
            typer.echo(json.dumps([accounts.described(account) for account in found], indent=2))
        elif found:
            _print_table(found)
        else:
            _note("there are no accounts yet; add one with: pillarbox account add NAME")


@app.command()
def show(name: Name, config: config_option = None, as_json: Json = False) -> None:
    """Show one account, and where its mail is."""
    with _Accounts(config) as accounts:
        account = accounts.store.show(accounts.canonical(name))
        described = accounts.described(account)
        if as_json:
            typer.echo(json.dumps(described, indent=2))
            return
        path = described["maildir"]
        shown = f"none: {described['maildir_problem']}" if path is None else f"{path}{_state_of(str(path))}"
        typer.echo(f"account    {account.name}")
        typer.echo(f"login      {'enabled' if account.enabled else 'disabled'}")
        typer.echo(f"deleting   {'not allowed (read-only)' if account.read_only else 'allowed'}")
        typer.echo(f"mail       {shown}")
        typer.echo(f"created    {_when(account.created)}")
        typer.echo(f"changed    {_when(account.changed)}")


@app.command()
def disable(name: Name, config: config_option = None) -> None:
    """Refuse an account from its next login on, as a wrong password is refused."""
    with _Accounts(config) as accounts:
        account = accounts.canonical(name)
        accounts.store.disable(account)
        typer.echo(f"disabled {account}; a session that runs already goes on until it ends")


@app.command()
def enable(name: Name, config: config_option = None) -> None:
    """Let a disabled account in again."""
    with _Accounts(config) as accounts:
        account = accounts.canonical(name)
        accounts.store.enable(account)
        typer.echo(f"enabled {account}")


@app.command()
def remove(
    name: Name,
    config: config_option = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove an account. Its mail is not touched."""
    with _Accounts(config) as accounts:
        account = accounts.canonical(name)
        accounts.store.show(account)
        if not yes:
            if not sys.stdin.isatty():
                _fail(f"to remove {account} without being asked, add --yes")
            if not typer.confirm(f"Remove the account {account}? Its mail stays.", err=True):
                _fail("nothing was changed")
        accounts.store.remove(account)
        typer.echo(f"removed {account}; its mail was not touched")


class _Accounts:
    """The accounts of one configuration. As a context it turns what goes wrong into a line and an exit code."""

    def __init__(self, config: Path | None) -> None:
        self._settings: Settings = load_or_exit(config)
        self.store = AccountStore(self._settings.accounts_file, clock=time.time)

    def __enter__(self) -> _Accounts:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case None:
                return
            case NoSuchAccount():
                _fail(self._unknown(str(error)))
            case AccountExists():
                _fail(f"there is an account {error} already; to change it: pillarbox account password {error}")
            case AccountsMissing():
                _fail(f"{error.reason}; it is made with the first account: pillarbox account add NAME", _UNAVAILABLE)
            case AccountsUnavailable():
                _fail(error.reason, _UNAVAILABLE)
            case PasswordRefused() | InvalidPath():
                _fail(str(error))
            case OSError():
                _fail(f"{error.filename or 'input and output'}: {error.strerror}")
            case _:
                return

    def canonical(self, name: str) -> str:
        """The canonical form of a name that was typed."""
        try:
            return normalise(name, self._settings.auth.default_domain)
        except InvalidName as error:
            _fail(f"this cannot be an account's name: {error}; write it as user@domain")

    def path(self, account: str, own: str | None) -> str:
        """Where an account's Maildir is."""
        template = own or self._settings.maildir_template(split(account)[1])
        try:
            return maildir_path(template, account)
        except InvalidPath as error:
            if own:
                raise
            raise InvalidPath(f"{error}; name the account user@domain, or use --maildir PATH") from None

    def refuse_existing(self, account: str) -> None:
        """Stop before the user types a password in vain."""
        with contextlib.suppress(NoSuchAccount, AccountsMissing):
            self.store.show(account)
            raise AccountExists(account)

    def hashed(self, password: bytes) -> str:
        """The hash of a password, with the configuration's parameters."""
        from pillarbox.auth.passwords import Hasher

        auth = self._settings.auth
        hasher = Hasher(
            memory_kib=auth.argon2_memory_kib, time_cost=auth.argon2_time, parallelism=auth.argon2_parallelism
        )
        return hasher.hash(password)

    def described(self, account: StoredAccount) -> dict[str, str | bool | None]:
        """What --json tells about an account."""
        path: str | None = None
        exists, problem = False, None
        try:
            path = self.path(account.name, account.maildir)
            exists = _is_maildir(path)
        except InvalidPath as error:
            problem = str(error)
        except OSError as error:
            problem = f"it cannot be looked at: {error.strerror}"
        return {
            "name": account.name,
            "enabled": account.enabled,
            "read_only": account.read_only,
            "maildir": path,
            "maildir_exists": exists,
            "maildir_own": account.maildir is not None,
            "maildir_problem": problem,
            "created": _when(account.created),
            "changed": _when(account.changed),
        }

    def warn_if_unused(self) -> None:
        """Say so when the server is configured not to ask this store."""
        if "accounts" not in self._settings.auth.sources:
            _note('the server does not use these accounts: auth.sources in the configuration lacks "accounts"')

    def _unknown(self, account: str) -> str:
        with contextlib.suppress(AccountsUnavailable):
            names = [known.name for known in self.store.list()]
            if close := difflib.get_close_matches(account, names, n=1):
                return f"there is no account {account}; did you mean {close[0]}?"
        return f"there is no account {account}; see: pillarbox account list"


def _is_maildir(path: str) -> bool:
    return all((Path(path) / part).is_dir() for part in ("cur", "new", "tmp"))


def _state_of(path: str) -> str:
    try:
        return "" if _is_maildir(path) else " (there is no Maildir yet)"
    except OSError as error:
        return f" (it cannot be looked at: {error.strerror})"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _print_table(accounts: list[StoredAccount]) -> None:
    width = max(len("ACCOUNT"), *(len(account.name) for account in accounts))
    typer.echo(f"{'ACCOUNT':<{width}}  {'LOGIN':<8}  {'DELETING':<9}  CHANGED")
    for account in accounts:
        login = "enabled" if account.enabled else "disabled"
        deleting = "read-only" if account.read_only else "allowed"
        typer.echo(f"{account.name:<{width}}  {login:<8}  {deleting:<9}  {_when(account.changed)}")


def _note(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


def _fail(text: str, code: int = _REFUSED) -> NoReturn:
    typer.echo(f"error: {text}", err=True)
    raise typer.Exit(code)
