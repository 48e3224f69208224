"""`pillarbox account`: who may read mail here.

Rules: a password never comes from an argument (`cli.new_password`); every failure is one line on standard error and an
exit code (1 refused, 2 wrong usage, 3 the accounts database cannot be used), never a traceback; mail is never touched.
The commands about second factors and POP3 are in `account_rules`, the store is in `auth.accounts`.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from pillarbox.auth.accounts import AccountsMissing, StoredAccount
from pillarbox.cli import account_rules
from pillarbox.cli.config import config_option
from pillarbox.cli.opened_accounts import Json, Name, OpenedAccounts, fail, note, state_of
from pillarbox.cli.telling import when

app = typer.Typer(no_args_is_help=True)


def _no_password_argument(given: bool) -> None:
    if given:
        raise typer.BadParameter(
            "a password on the command line is seen by every user of this machine and stays in the shell's history. "
            "Leave it out to be asked for it, or write it to standard input"
        )


Stdin = Annotated[
    bool, typer.Option("--stdin", help="Take the first line of standard input as the password, also on a terminal.")
]
NoPassword = Annotated[
    bool, typer.Option("--password", "-p", hidden=True, is_eager=True, callback=_no_password_argument)
]


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
    with OpenedAccounts(config) as accounts:
        account = accounts.canonical(name)
        path = accounts.path(account, maildir)
        accounts.refuse_existing(account)
        hashed = accounts.hasher().hash(accounts.new_password(account, from_stdin=stdin))
        accounts.store.create()
        accounts.store.add(account, hashed, read_only=read_only, maildir=maildir, pop3=accounts.pop3_of_new())
        typer.echo(f"added {account}; its mail is read from {path}{state_of(path)}")
        accounts.warn_if_unused()


@app.command("password")
def set_password(name: Name, config: config_option = None, stdin: Stdin = False, password: NoPassword = False) -> None:
    """Change an account's password; the new one is asked for."""
    with OpenedAccounts(config) as accounts:
        account = accounts.canonical(name)
        accounts.store.show(account)  # before the user types a password in vain
        accounts.store.set_password(account, accounts.hasher().hash(accounts.new_password(account, from_stdin=stdin)))
        typer.echo(f"changed the password of {account}; the old one is refused from now on")


@app.command("list")
def list_accounts(config: config_option = None, as_json: Json = False) -> None:
    """List all accounts."""
    with OpenedAccounts(config) as accounts:
        try:
            found = accounts.store.list()
        except AccountsMissing:
            found = []
        if as_json:
            typer.echo(json.dumps([accounts.described(account) for account in found], indent=2))
        elif found:
            _print_table(found)
        else:
            note("there are no accounts yet; add one with: pillarbox account add NAME")


@app.command()
def show(name: Name, config: config_option = None, as_json: Json = False) -> None:
    """Show one account, and where its mail is."""
    with OpenedAccounts(config) as accounts:
        account = accounts.store.show(accounts.canonical(name))
        described = accounts.described(account)
        if as_json:
            typer.echo(json.dumps(described, indent=2))
            return
        path = described["maildir"]
        shown = f"none: {described['maildir_problem']}" if path is None else f"{path}{state_of(str(path))}"
        typer.echo(f"account    {account.name}")
        typer.echo(f"login      {'enabled' if account.enabled else 'disabled'}")
        typer.echo(f"deleting   {'not allowed (read-only)' if account.read_only else 'allowed'}")
        typer.echo(f"mail       {shown}")
        for line in account_rules.described(account, accounts.rules(account), accounts.app_passwords):
            typer.echo(line)
        typer.echo(f"created    {when(account.created)}")
        typer.echo(f"changed    {when(account.changed)}")


@app.command()
def disable(name: Name, config: config_option = None) -> None:
    """Refuse an account from its next login on, as a wrong password is refused."""
    with OpenedAccounts(config) as accounts:
        account = accounts.canonical(name)
        accounts.store.disable(account)
        typer.echo(f"disabled {account}; its sessions are closed within seconds")


@app.command()
def enable(name: Name, config: config_option = None) -> None:
    """Let a disabled account in again."""
    with OpenedAccounts(config) as accounts:
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
    with OpenedAccounts(config) as accounts:
        account = accounts.canonical(name)
        accounts.store.show(account)
        if not yes:
            if not sys.stdin.isatty():
                fail(f"to remove {account} without being asked, add --yes")
            if not typer.confirm(f"Remove the account {account}? Its mail stays.", err=True):
                fail("nothing was changed")
        accounts.store.remove(account)
        typer.echo(f"removed {account}; its mail was not touched")


def _print_table(accounts: list[StoredAccount]) -> None:
    width = max(len("ACCOUNT"), *(len(account.name) for account in accounts))
    typer.echo(f"{'ACCOUNT':<{width}}  {'LOGIN':<8}  {'DELETING':<9}  CHANGED")
    for account in accounts:
        login = "enabled" if account.enabled else "disabled"
        deleting = "read-only" if account.read_only else "allowed"
        typer.echo(f"{account.name:<{width}}  {login:<8}  {deleting:<9}  {when(account.changed)}")


# Behind the commands of this file, so that --help begins with `add`.
app.registered_commands += account_rules.app.registered_commands
