"""The embedded account store: one SQLite file that the command line writes and every server worker reads.

Rules: a reader sees each change at once and never waits; a writer's change is on the disk before its method returns;
whatever goes wrong is `AccountsUnavailable` with a sentence for people. Mail is never touched here. Names arrive
canonical (`names.normalise`), passwords hashed (`passwords`). App passwords and TOTP lie in the same file, see
`app_passwords` and `totp`; connections, transactions and forks are in `accounts_database`.

An account's epoch is raised by every change that may end its sessions or its cached logins; the counter of epochs is
one for all accounts, so that a worker sees with one small question whether anything has happened (`changed_since`).
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from pillarbox.auth.accounts_database import AccountsDatabase
from pillarbox.auth.accounts_file import (
    AccountExists,
    AccountsBusy,
    AccountsError,
    AccountsMissing,
    AccountsUnavailable,
    NoSuchAccount,
    raise_epoch,
)
from pillarbox.auth.mfa import Policy

__all__ = [
    "AccountExists",
    "AccountStore",
    "AccountsBusy",
    "AccountsError",
    "AccountsMissing",
    "AccountsUnavailable",
    "NoSuchAccount",
    "StoredAccount",
]

_COLUMNS = (
    "name, password_hash, enabled, read_only, maildir, epoch, created, changed, "
    "mfa, pop3, pop3_idle_days, primary_over_pop3, password_epoch, pop3_since, last_login"
)
_SELECT = f"SELECT {_COLUMNS}, EXISTS (SELECT 1 FROM totp WHERE totp.account = name) FROM account"  # noqa: S608 - constants only
_LOOKUP = f"{_SELECT} WHERE name = ?"
_POLICIES = {policy.value: policy for policy in Policy} | {None: None}
_SWITCHES = {1: True, 0: False, None: None}


class StoredAccount(NamedTuple):
    """One account as it is stored. Times are UTC seconds.

    Attributes:
        maildir: its own path, or None for its domain's.
        epoch: rises with every change that may end a session.
        mfa, pop3, pop3_idle_days, primary_over_pop3: its own rules; None for its domain's (`rules`).
        password_epoch: the epoch at which the password was last set.
        pop3_since: when POP3 was last switched on for it; idle days count from here, or from the last login.
        last_login: within the hour; None for never.
        totp: TOTP is enrolled.
    """

    name: str
    password_hash: str
    enabled: bool
    read_only: bool
    maildir: str | None
    epoch: int
    created: float
    changed: float
    mfa: Policy | None = None
    pop3: bool | None = None
    pop3_idle_days: int | None = None
    primary_over_pop3: bool | None = None
    password_epoch: int = 0
    pop3_since: float = 0.0
    last_login: float | None = None
    totp: bool = False

    def __repr__(self) -> str:
        # No hash in traces.
        return f"StoredAccount(name={self.name!r}, epoch={self.epoch})"


class AccountStore(AccountsDatabase):
    """The accounts in one SQLite file; see `AccountsDatabase` for its arguments."""

    # ---- reading ----------------------------------------------------------------------------------------------

    def lookup(self, name: str) -> StoredAccount | None:
        """The account of that name, as of now; None if there is none. Some 10 µs, and never waits for a writer.

        Raises:
            AccountsBusy: another process holds the file for a moment.
            AccountsUnavailable: the file is missing, damaged, of a newer version or not readable.
        """
        row = self.row(_LOOKUP, (name,))
        return None if row is None else _account(row)

    def changed_since(self, epoch: int) -> tuple[int, frozenset[str]]:
        """The counter of epochs, and the accounts that were changed or removed after it stood at `epoch`.

        One small question while nothing has changed. Raises as `lookup`.
        """
        row = self.row("SELECT epoch FROM counter", ())
        now = 0 if row is None else int(row[0])
        if now == epoch:
            return now, frozenset()
        names = self.rows(
            "SELECT name FROM account WHERE epoch > ? UNION ALL SELECT name FROM removed WHERE epoch > ?",
            (epoch, epoch),
        )
        return now, frozenset(name for (name,) in names)

    def show(self, name: str) -> StoredAccount:
        """The account of that name; waits for writers as they do for each other.

        Raises:
            NoSuchAccount, AccountsUnavailable: as they say.
        """
        with self._connected() as connection:
            row = connection.execute(_LOOKUP, (name,)).fetchone()
        if row is None:
            raise NoSuchAccount(name)
        return _account(row)

    def list(self) -> list[StoredAccount]:
        """All accounts, by name.

        Raises:
            AccountsUnavailable: the file cannot be used.
        """
        with self._connected() as connection:
            rows = connection.execute(f"{_SELECT} ORDER BY name").fetchall()
        return [_account(row) for row in rows]

    # ---- writing ----------------------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        password_hash: str,
        *,
        read_only: bool = False,
        maildir: str | None = None,
        pop3: bool | None = None,
    ) -> None:
        """Add an account.

        Raises:
            AccountExists, AccountsUnavailable: as they say.
        """
        with self.change() as (connection, epoch, now):
            try:
                connection.execute(
                    "INSERT INTO account (name, password_hash, enabled, read_only, maildir, epoch, created, changed, "
                    "pop3, password_epoch, pop3_since) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (name, password_hash, int(read_only), maildir, epoch, now, now, pop3, epoch, now),
                )
            except sqlite3.IntegrityError:
                raise AccountExists(name) from None
            connection.execute("DELETE FROM removed WHERE name = ?", (name,))

    def set_password(self, name: str, password_hash: str) -> None:
        """Replace the password; sessions that the old one opened are over.

        Raises:
            NoSuchAccount, AccountsUnavailable: as they say.
        """
        with self.change() as (connection, epoch, now):
            raise_epoch(connection, name, epoch, now)
            connection.execute(
                "UPDATE account SET password_hash = ?, password_epoch = ? WHERE name = ?", (password_hash, epoch, name)
            )

    def set_mfa(self, name: str, policy: Policy | None) -> None:
        """Set whether a second factor is needed; None for what the domain says. Raises as `set_password`."""
        self._update(name, "mfa = ?", policy)

    def set_pop3(self, name: str, on: bool | None) -> None:
        """Switch POP3 on or off; None for what the domain says. Raises as `set_password`."""
        with self.change() as (connection, epoch, now):
            raise_epoch(connection, name, epoch, now)
            connection.execute("UPDATE account SET pop3 = ?, pop3_since = ? WHERE name = ?", (on, now, name))

    def set_pop3_idle_days(self, name: str, days: int | None) -> None:
        """Set after how many idle days POP3 may be switched off; 0: never; None: the domain's. As `set_password`."""
        self._update(name, "pop3_idle_days = ?", days)

    def set_primary_over_pop3(self, name: str, allowed: bool | None) -> None:
        """Set whether the account's own password works over POP3; None: the domain's. Raises as `set_password`."""
        self._update(name, "primary_over_pop3 = ?", allowed)

    def switch_off_idle(self, name: str, before: float) -> bool:
        """Switch POP3 off, unless there was a login (or it was switched on) at `before` or later; say whether it was.

        Raises:
            AccountsUnavailable: it cannot be written.
        """
        with self.change() as (connection, epoch, now):
            return (
                connection.execute(
                    "UPDATE account SET pop3 = 0, epoch = ?, changed = ? "
                    "WHERE name = ? AND pop3_since < ? AND coalesce(last_login, 0) < ?",
                    (epoch, now, name, before, before),
                ).rowcount
                > 0
            )

    def enable(self, name: str) -> None:
        """Let the account in again. Raises as `set_password`."""
        self._update(name, "enabled = ?", 1)

    def disable(self, name: str) -> None:
        """Refuse the account from the next login on. Raises as `set_password`."""
        self._update(name, "enabled = ?", 0)

    def remove(self, name: str) -> None:
        """Forget the account, its app passwords and its TOTP; its mail stays. Raises as `set_password`."""
        with self.change() as (connection, epoch, _):
            if connection.execute("DELETE FROM account WHERE name = ?", (name,)).rowcount == 0:
                raise NoSuchAccount(name)
            connection.execute("DELETE FROM app_password WHERE account = ?", (name,))
            connection.execute("DELETE FROM totp WHERE account = ?", (name,))
            connection.execute("DELETE FROM recovery_code WHERE account = ?", (name,))
            connection.execute("INSERT OR REPLACE INTO removed (name, epoch) VALUES (?, ?)", (name, epoch))

    def replace_hash(self, name: str, old_hash: str, new_hash: str) -> bool:
        """Replace a hash by a stronger one of the same password, unless the password has changed meanwhile.

        Raises:
            AccountsUnavailable: it cannot be written.
        """
        with self.change() as (connection, epoch, now):
            changed = connection.execute(
                "UPDATE account SET password_hash = ?, epoch = ?, changed = ? WHERE name = ? AND password_hash = ?",
                (new_hash, epoch, now, name, old_hash),
            ).rowcount
        return changed > 0

    def _update(self, name: str, assignment: str, value: str | int | None) -> None:
        with self.change() as (connection, epoch, now):
            raise_epoch(connection, name, epoch, now)
            connection.execute(f"UPDATE account SET {assignment} WHERE name = ?", (value, name))  # noqa: S608


def _account(row: tuple[Any, ...]) -> StoredAccount:
    # Any: as in `AccountStore.row`.
    name, password_hash, enabled, read_only, maildir, epoch, created, changed = row[:8]
    mfa, pop3, idle, primary, password_epoch, pop3_since, last_login, totp = row[8:]
    return StoredAccount(
        name, password_hash, enabled == 1, read_only == 1, maildir, epoch, created, changed,
        _POLICIES[mfa], _SWITCHES[pop3], idle, _SWITCHES[primary], password_epoch, pop3_since, last_login, totp == 1,
    )  # fmt: skip
