"""The accounts of one configuration, as the commands that show and change them use them.

Rules: every failure is one line on standard error and an exit code (1 refused, 3 the accounts database cannot be used),
never a traceback; nothing is made until something is added. The commands are in `account`, `account_rules` and
`app_password`.
"""

from __future__ import annotations

import contextlib
import difflib
import socket
import time
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
from pillarbox.auth.app_passwords import MAX_PER_ACCOUNT, AppPasswordStore, NoSuchAppPassword, TooManyAppPasswords
from pillarbox.auth.keys import KeyFile, KeyUnavailable
from pillarbox.auth.mfa import Policy
from pillarbox.auth.names import InvalidName, InvalidPath, maildir_path, normalise, split
from pillarbox.auth.password_policy import Context, PasswordPolicy, PolicyUnavailable
from pillarbox.auth.rules import Rules, rules_from
from pillarbox.auth.totp import TotpEnrolled, TotpMissing, TotpStore, WrongCode
from pillarbox.cli.config import load_or_exit
from pillarbox.cli.new_password import PasswordRefused, new_password
from pillarbox.cli.telling import when

if TYPE_CHECKING:
    from pillarbox.auth.passwords import Hasher
    from pillarbox.config.schema import Settings

REFUSED = 1
UNAVAILABLE = 3

Name = Annotated[str, typer.Argument(help="The account, as user@domain, or as user alone.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class OpenedAccounts:
    """The accounts of one configuration. As a context it turns what goes wrong into a line and an exit code."""

    def __init__(self, config: Path | None) -> None:
        self.settings: Settings = load_or_exit(config)
        self.store = AccountStore(self.settings.accounts_file, clock=time.time)
        self._keys = KeyFile(self.settings.server.state_directory / "secret.key")
        self._rules_of = rules_from(self.settings)

    def __enter__(self) -> OpenedAccounts:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case None:
                return
            case NoSuchAccount():
                fail(self._unknown(str(error)))
            case AccountExists():
                fail(f"there is an account {error} already; to change it: pillarbox account password {error}")
            case AccountsMissing():
                fail(f"{error.reason}; it is made with the first account: pillarbox account add NAME", UNAVAILABLE)
            case AccountsUnavailable():
                fail(error.reason, UNAVAILABLE)
            case KeyUnavailable():
                fail(error.reason, UNAVAILABLE)
            case NoSuchAppPassword():
                fail(f"there is no app password {error} of this account; see: pillarbox app-password list ACCOUNT")
            case TooManyAppPasswords():
                fail(f"{error} has {MAX_PER_ACCOUNT} app passwords already; revoke those that are not used")
            case TotpEnrolled():
                fail(f"{error} has TOTP already; to begin anew: pillarbox account totp {error} --remove")
            case TotpMissing():
                fail(f"{error} has no TOTP; to enrol it: pillarbox account totp {error}")
            case WrongCode():
                fail("the code is wrong, or too old, or of another account; nothing was changed")
            case PasswordRefused() | InvalidPath():
                fail(str(error))
            case OSError():
                fail(f"{error.filename or 'input and output'}: {error.strerror}")
            case _:
                return

    @property
    def app_passwords(self) -> AppPasswordStore:
        """The app passwords of these accounts."""
        return AppPasswordStore(self.store, self._keys)

    @property
    def totp(self) -> TotpStore:
        """The TOTP secrets of these accounts."""
        return TotpStore(self.store, self._keys, clock=time.time)

    def rules(self, account: StoredAccount) -> Rules:
        """What holds for an account."""
        return self._rules_of(split(account.name)[1]).of(account)

    def pop3_of_new(self) -> bool | None:
        """Whether POP3 is on for a new account; None for what its domain says."""
        return {"on": True, "off": False, "inherit": None}[self.settings.auth.pop3.new_accounts]

    def canonical(self, name: str) -> str:
        """The canonical form of a name that was typed."""
        try:
            return normalise(name, self.settings.auth.default_domain)
        except InvalidName as error:
            fail(f"this cannot be an account's name: {error}; write it as user@domain")

    def path(self, account: str, own: str | None) -> str:
        """Where an account's Maildir is."""
        template = own or self.settings.maildir_template(split(account)[1])
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

    def new_password(self, account: str, *, from_stdin: bool) -> bytes:
        """A new password of an account that meets the policy; from the terminal, or from standard input."""
        # A password is half as long where a second factor always stands beside it.
        required = self._rules_of(split(account)[1]).mfa is Policy.REQUIRED
        with contextlib.suppress(NoSuchAccount, AccountsMissing):
            required = self.rules(self.store.show(account)).mfa is Policy.REQUIRED
        try:
            policy = PasswordPolicy.of(self.settings.auth.policy, self.settings.server.hostname or socket.getfqdn())
        except PolicyUnavailable as error:
            fail(str(error))
        return new_password(from_stdin=from_stdin, policy=policy, context=Context(account, second_factor=required))

    def hasher(self) -> Hasher:
        """What makes and checks password hashes, with the configuration's parameters."""
        from pillarbox.auth.passwords import Hasher

        auth = self.settings.auth
        return Hasher(
            memory_kib=auth.argon2_memory_kib, time_cost=auth.argon2_time, parallelism=auth.argon2_parallelism
        )

    def described(self, account: StoredAccount) -> dict[str, str | bool | int | None]:
        """What --json tells about an account."""
        rules = self.rules(account)
        path: str | None = None
        exists, problem = False, None
        try:
            path = self.path(account.name, account.maildir)
            exists = is_maildir(path)
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
            "mfa": rules.mfa.value,
            "mfa_own": account.mfa and account.mfa.value,
            "totp": account.totp,
            "pop3": rules.pop3,
            "pop3_own": account.pop3,
            "pop3_idle_days": rules.pop3_idle_days,
            "primary_over_pop3": rules.primary_over_pop3,
            "created": when(account.created),
            "changed": when(account.changed),
            "last_login": when_or_none(account.last_login),
        }

    def warn_if_unused(self) -> None:
        """Say so when the server is configured not to ask this store."""
        if "accounts" not in self.settings.auth.sources:
            note('the server does not use these accounts: auth.sources in the configuration lacks "accounts"')

    def _unknown(self, account: str) -> str:
        with contextlib.suppress(AccountsUnavailable):
            names = [known.name for known in self.store.list()]
            if close := difflib.get_close_matches(account, names, n=1):
                return f"there is no account {account}; did you mean {close[0]}?"
        return f"there is no account {account}; see: pillarbox account list"


def is_maildir(path: str) -> bool:
    """Whether there is a Maildir."""
    return all((Path(path) / part).is_dir() for part in ("cur", "new", "tmp"))


def state_of(path: str) -> str:
    """What to say behind the path of a Maildir that is not there."""
    try:
        return "" if is_maildir(path) else " (there is no Maildir yet)"
    except OSError as error:
        return f" (it cannot be looked at: {error.strerror})"


def when_or_none(seconds: float | None) -> str | None:
    """As `when`; None for never."""
    return None if seconds is None else when(seconds)


def note(text: str) -> None:
    """Say something beside the result."""
    typer.echo(f"note: {text}", err=True)


def fail(text: str, code: int = REFUSED) -> NoReturn:
    """Say why nothing was done, and end."""
    typer.echo(f"error: {text}", err=True)
    raise typer.Exit(code)
