"""`pillarbox account mfa|totp|pop3|idle`: second factors, and who may use POP3.

Rules: as in `account`. A TOTP secret and its recovery codes are printed once; a change ends the sessions that it would
no longer let in, within seconds; nothing is switched off for being idle without `--apply`.
"""

from __future__ import annotations

import enum
import io
import json
import time
from typing import Annotated

import typer

from pillarbox.auth import totp
from pillarbox.auth.accounts import AccountsMissing, StoredAccount
from pillarbox.auth.app_passwords import DAY, AppPasswordStore
from pillarbox.auth.mfa import Policy
from pillarbox.auth.rules import Rules
from pillarbox.cli.config import config_option
from pillarbox.cli.opened_accounts import Json, Name, OpenedAccounts, fail, note, when_or_none
from pillarbox.cli.owner import ask_code

app = typer.Typer()


class MfaChoice(enum.StrEnum):
    """What `account mfa` sets."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    OFF = "off"
    INHERIT = "inherit"


class Switch(enum.StrEnum):
    """What `account pop3` sets."""

    ON = "on"
    OFF = "off"
    INHERIT = "inherit"


class Permission(enum.StrEnum):
    """What `account pop3 --primary` sets."""

    YES = "yes"
    NO = "no"
    INHERIT = "inherit"


_SWITCHED = {Switch.ON: True, Switch.OFF: False, Switch.INHERIT: None}
_PERMITTED = {Permission.YES: True, Permission.NO: False, Permission.INHERIT: None}


@app.command()
def mfa(
    name: Name,
    choice: Annotated[MfaChoice, typer.Argument(help="Whether a login needs a second factor.", show_default=False)],
    config: config_option = None,
) -> None:
    """Set whether an account's logins need a second factor."""
    with OpenedAccounts(config) as accounts:
        account = accounts.canonical(name)
        accounts.store.set_mfa(account, None if choice is MfaChoice.INHERIT else Policy(choice.value))
        stored = accounts.store.show(account)
        held = accounts.rules(stored).mfa
        typer.echo(f"a second factor is {_MFA_WORDS[held]} for {account}")
        usable = [one for one in accounts.app_passwords.list(account) if one.after_mfa]
        if held is Policy.REQUIRED and not (stored.totp or usable):
            note(
                f"{account} has neither TOTP nor an app password that was made after two factors, so no password lets "
                f"it in now; next: pillarbox account totp {account}"
            )


@app.command("totp")
def totp_command(
    name: Name,
    config: config_option = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the account's TOTP and its recovery codes.")] = False,
) -> None:
    """Enrol an authenticator app: shows a QR code, asks for a code, and prints recovery codes once."""
    with OpenedAccounts(config) as accounts:
        account = accounts.canonical(name)
        stored = accounts.store.show(account)
        if remove:
            accounts.totp.remove(account)
            typer.echo(f"removed the TOTP of {account}; its codes and recovery codes are refused from now on")
            if accounts.rules(stored).mfa is Policy.REQUIRED:
                note(f"{account} needs a second factor all the same; its password alone does not let it in")
            return
        if stored.totp:
            raise totp.TotpEnrolled(account)
        secret = totp.new_secret()
        uri = totp.uri(account, secret, accounts.settings.auth.mfa.issuer)
        _show_secret(uri, totp.shown(secret))
        codes = accounts.totp.enrol(account, secret, ask_code("Code shown by the app: "))
        typer.echo(f"TOTP is enrolled for {account}. From now on: the password, and right behind it the six digits.")
        typer.echo("Recovery codes, for this command line, each good once; they are not shown again:")
        for code in codes:
            typer.echo(f"    {code}")


@app.command()
def pop3(
    name: Name,
    choice: Annotated[Switch | None, typer.Argument(help="Whether POP3 is on.", show_default=False)] = None,
    config: config_option = None,
    primary: Annotated[
        Permission | None,
        typer.Option("--primary", help="Whether the account's own password works over POP3.", show_default=False),
    ] = None,
    idle_days: Annotated[
        int | None,
        typer.Option(
            "--idle-days",
            min=-1,
            max=36_500,
            help="Days without a login after which `account idle` switches POP3 off; 0: never; -1: as the domain.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Switch POP3 on or off for an account; refused logins look as if the password was wrong."""
    with OpenedAccounts(config) as accounts:
        account = accounts.canonical(name)
        if choice is None and primary is None and idle_days is None:
            fail("say what to set: on, off or inherit, --primary, or --idle-days")
        if choice is not None:
            accounts.store.set_pop3(account, _SWITCHED[choice])
        if primary is not None:
            accounts.store.set_primary_over_pop3(account, _PERMITTED[primary])
        if idle_days is not None:
            accounts.store.set_pop3_idle_days(account, None if idle_days < 0 else idle_days)
        for line in _pop3_lines(accounts.rules(accounts.store.show(account))):
            typer.echo(line)


@app.command()
def idle(
    config: config_option = None,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=36_500, help="Idle days, instead of those that are set.", show_default=False),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Switch POP3 off for them; without it, only say who.")] = False,
    as_json: Json = False,
) -> None:
    """List the accounts that nobody has used over POP3 for long; with --apply, switch POP3 off for them."""
    with OpenedAccounts(config) as accounts:
        now = time.time()
        try:
            stored = accounts.store.list()
        except AccountsMissing:
            stored = []
        found = []
        for account in stored:
            rules = accounts.rules(account)
            limit = days or rules.pop3_idle_days
            used = max(account.pop3_since, account.last_login or 0.0)
            if not rules.pop3 or not limit or now - used < limit * DAY:
                continue
            off = apply and accounts.store.switch_off_idle(account.name, now - limit * DAY)
            found.append(
                {
                    "name": account.name,
                    "last_login": when_or_none(account.last_login),
                    "idle_days": int((now - used) / DAY),
                    "limit_days": limit,
                    "switched_off": off,
                }
            )
        if as_json:
            typer.echo(json.dumps(found, indent=2))
            return
        for one in found:
            done = "POP3 switched off" if one["switched_off"] else "POP3 is on"
            typer.echo(f"{one['name']}  idle for {one['idle_days']} days (limit {one['limit_days']})  {done}")
        if not found:
            note("no account is idle")
        elif not apply:
            note("nothing was changed; to switch POP3 off for these accounts, add --apply")


def described(account: StoredAccount, rules: Rules, app_passwords: AppPasswordStore) -> list[str]:
    """The lines of `account show` about second factors and POP3."""
    enrolled = "TOTP enrolled" if account.totp else "no TOTP"
    return [
        f"mfa        {_MFA_WORDS[rules.mfa]}; {enrolled}; app passwords: {len(app_passwords.list(account.name))}",
        *_pop3_lines(rules),
        f"last login {when_or_none(account.last_login) or 'none known'}",
    ]


_MFA_WORDS = {
    Policy.REQUIRED: "required",
    Policy.OPTIONAL: "optional",
    Policy.OFF: "switched off",
}


def _pop3_lines(rules: Rules) -> list[str]:
    idle_days = f"off after {rules.pop3_idle_days} idle days" if rules.pop3_idle_days else "no limit of idle days"
    own = "its own password works" if rules.primary_over_pop3 else "its own password does not work, app passwords do"
    return [f"POP3       {'on' if rules.pop3 else 'off'}; {own}; {idle_days}"]


def _show_secret(uri: str, secret: str) -> None:
    try:
        import segno
    except ImportError:
        note("for a QR code here, install the extra: pip install 'pillarbox[qr]'")
    else:
        drawing = io.StringIO()
        segno.make(uri, error="l").terminal(drawing, compact=True)
        typer.echo(drawing.getvalue())
    typer.echo(f"Scan the code, or open {uri}")
    typer.echo(f"or type this secret into the authenticator app: {secret}")
