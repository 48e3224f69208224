"""`pillarbox app-password`: passwords that the server makes, one for each mail program.

Rules: as in `account`. The secret is printed once, alone on its line. Where the account needs a second factor, its
owner shows both first; root may vouch for the owner instead (`--administrator`), and the record says so.
"""

from __future__ import annotations

import ipaddress
import json
import os
import time
from typing import Annotated

import typer

from pillarbox.auth.accounts import StoredAccount
from pillarbox.auth.app_passwords import AppPassword, Grant, Minted, Network
from pillarbox.auth.mfa import Policy
from pillarbox.cli import days
from pillarbox.cli.config import config_option
from pillarbox.cli.opened_accounts import Json, Name, OpenedAccounts, fail, note, when_or_none
from pillarbox.cli.owner import show_owner
from pillarbox.cli.telling import when

app = typer.Typer(no_args_is_help=True)

_MAX_NAME = 64
_NEED_THE_TEXT = {"APOP", "CRAM-MD5"}

Id = Annotated[str, typer.Argument(metavar="ID", help="The app password's id, as `list` shows it.", show_default=False)]


@app.command()
def add(
    account: Name,
    name: Annotated[str, typer.Option("--name", help="What it is for: the phone, the printer.", show_default=False)],
    config: config_option = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="It cannot delete messages.")] = False,
    network: Annotated[
        list[str] | None,
        typer.Option("--network", metavar="NET", help="It works only from there; may be repeated.", show_default=False),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="90d|DATE", help="When it ends.", show_default=False)
    ] = None,
    idle: Annotated[
        str | None,
        typer.Option("--idle", metavar="60d", help="It ends after so many days without use.", show_default=False),
    ] = None,
    newer_than: Annotated[
        str | None,
        typer.Option(
            "--newer-than", metavar="DATE|now", help="It shows only mail that arrived later.", show_default=False
        ),
    ] = None,
    administrator: Annotated[
        bool,
        typer.Option("--administrator", help="Vouch for the owner, who is not asked for anything. Only as root."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make an app password and print it: it is not shown again."""
    with OpenedAccounts(config) as accounts:
        stored = accounts.store.show(accounts.canonical(account))
        now = time.time()
        try:
            grant = Grant(
                name=_name(name),
                minted="unverified",
                read_only=read_only,
                networks=tuple(_network(text) for text in network or ()),
                expires=None if expires is None else days.end(expires, now),
                idle_days=(accounts.settings.auth.app_passwords.idle_days or None) if idle is None else days.days(idle),
                newer_than=None if newer_than is None else now if newer_than == "now" else days.date(newer_than),
            )
        except days.NotAMoment as error:
            fail(str(error))
        grant = grant._replace(minted=_known_by(accounts, stored, administrator))
        recoverable = not _NEED_THE_TEXT.isdisjoint(accounts.settings.auth.mechanisms)
        made, secret = accounts.app_passwords.add(stored.name, grant, recoverable=recoverable)
        text = secret.reveal().decode("ascii")
        if as_json:
            typer.echo(json.dumps(_described(made, now) | {"password": text}, indent=2))
            return
        typer.echo(text)
        note(f'this is the app password "{made.name}" of {made.account}, id {made.id}; it is not shown again')


@app.command("list")
def list_app_passwords(account: Name, config: config_option = None, as_json: Json = False) -> None:
    """List the app passwords of an account, and when and where each was last used."""
    with OpenedAccounts(config) as accounts:
        stored = accounts.store.show(accounts.canonical(account))
        now = time.time()
        found = accounts.app_passwords.list(stored.name)
        if as_json:
            typer.echo(json.dumps([_described(one, now) for one in found], indent=2))
        elif found:
            _print_table(found, now)
        else:
            note(
                f"{stored.name} has no app passwords; make one with: pillarbox app-password add {stored.name} --name …"
            )


@app.command()
def revoke(account: Name, id: Id, config: config_option = None) -> None:  # noqa: A002 - its name on the command line
    """End an app password; the sessions that it has opened are closed within seconds."""
    with OpenedAccounts(config) as accounts:
        stored = accounts.store.show(accounts.canonical(account))
        accounts.app_passwords.revoke(stored.name, id.strip().lower())
        typer.echo(f"revoked {id.strip().lower()} of {stored.name}")


def _known_by(accounts: OpenedAccounts, account: StoredAccount, administrator: bool) -> Minted:
    """How the owner is known; asks, where two factors can be asked for and are of use."""
    if administrator:
        if os.geteuid() != 0:
            fail("--administrator is for root alone; without it, the account's owner is asked for password and code")
        return "administrator"
    policy = accounts.rules(account).mfa
    if account.totp and policy is not Policy.OFF:
        show_owner(accounts, account)
        return "mfa"
    if policy is Policy.REQUIRED:
        fail(
            f"{account.name} needs a second factor and has none yet: first pillarbox account totp {account.name}; "
            "or vouch for its owner, as root, with --administrator"
        )
    return "unverified"


def _name(text: str) -> str:
    text = text.strip()
    if not text or len(text) > _MAX_NAME or not text.isprintable():
        fail(f"the name of an app password has 1 to {_MAX_NAME} printable characters")
    return text


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        fail(f'"{text}" is not an address or a network; write one such as 192.0.2.0/24 or 2001:db8::/32')


def _described(one: AppPassword, now: float) -> dict[str, str | bool | int | list[str] | None]:
    return {
        "account": one.account,
        "id": one.id,
        "name": one.name,
        "scope": "read-only" if one.read_only else "full",
        "networks": [str(network) for network in one.networks],
        "expires": when_or_none(one.expires),
        "idle_days": one.idle_days,
        "newer_than": when_or_none(one.newer_than),
        "made_after": one.minted,
        "created": when(one.created),
        "last_used": when_or_none(one.last_used),
        "last_address": one.last_address or None,
        "last_client": one.last_client or None,
        "ended": one.ended(now),
    }


def _print_table(found: list[AppPassword], now: float) -> None:
    width = max(len("NAME"), *(len(one.name) for one in found))
    how = max(len("HOW"), *(len(one.last_client) for one in found))
    typer.echo(f"{'ID':<8}  {'NAME':<{width}}  {'SCOPE':<9}  {'LAST USED':<20}  {'FROM':<15}  {'HOW':<{how}}  ENDS")
    for one in found:
        used = when_or_none(one.last_used) or "never"
        limits = [text for text in (when_or_none(one.expires), one.idle_days and f"{one.idle_days} idle days") if text]
        ends = one.ended(now) or " or ".join(limits) or "never"
        scope = "read-only" if one.read_only else "full"
        place = f"{one.last_address or '-':<15}  {one.last_client or '-':<{how}}"
        typer.echo(f"{one.id:<8}  {one.name:<{width}}  {scope:<9}  {used:<20}  {place}  {ends}")
