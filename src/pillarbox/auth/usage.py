"""When an account, or one of its app passwords, was last used: collected in memory, written now and then.

Rules: noting costs a login next to nothing and never waits; a login that changes nothing worth knowing is not written
at all (an app password: the same place within a minute; an account: within an hour); what is written raises no epoch,
so that nothing is checked anew for it. A crash loses what was noted since the last `write`.
"""

from __future__ import annotations

from pillarbox.auth.accounts_database import AccountsDatabase
from pillarbox.auth.app_passwords import AppPassword

APP_PASSWORD_SECONDS = 60.0
ACCOUNT_SECONDS = 3600.0
"""Idle accounts are counted in days."""
_MAX_CLIENT_CHARACTERS = 80
_MAX_NOTES = 100_000
"""Of each kind. While the database cannot be written, notes beyond are lost, not memory."""


class UsageLog:
    """Notes of one worker.

    Args:
        database: where they go.
    """

    def __init__(self, database: AccountsDatabase) -> None:
        self._database = database
        self._app_passwords: dict[tuple[str, str], tuple[float, str, str]] = {}
        self._accounts: dict[str, float] = {}

    def note_login(self, account: str, last_login: float | None, now: float) -> None:
        """An account was let in; `last_login` is what is stored."""
        if (last_login is None or now - last_login >= ACCOUNT_SECONDS) and len(self._accounts) < _MAX_NOTES:
            self._accounts[account] = now

    def note_app_password(self, used: AppPassword, now: float, address: str, client: str) -> None:
        """An app password let somebody in. `client` is what is known of the program: POP3 asks none for its name."""
        client = client[:_MAX_CLIENT_CHARACTERS]
        if (
            used.last_used is not None
            and now - used.last_used < APP_PASSWORD_SECONDS
            and (used.last_address, used.last_client) == (address, client)
        ):
            return
        if len(self._app_passwords) < _MAX_NOTES:
            self._app_passwords[used.account, used.id] = (now, address, client)

    def write(self) -> None:
        """Write what was noted, in one transaction. Blocks; call it every few seconds, in a thread, and at the end.

        Raises:
            AccountsUnavailable: it cannot be written now; the notes are kept for the next time.
        """
        # Taken away at once: the event loop goes on noting while this thread writes.
        accounts, self._accounts = self._accounts, {}
        app_passwords, self._app_passwords = self._app_passwords, {}
        if not accounts and not app_passwords:
            return
        try:
            with self._database.transaction() as connection:
                connection.executemany(
                    "UPDATE account SET last_login = max(coalesce(last_login, 0), ?) WHERE name = ?",
                    [(when, name) for name, when in accounts.items()],
                )
                connection.executemany(
                    "UPDATE app_password SET last_used = ?, last_address = ?, last_client = ? "
                    "WHERE account = ? AND id = ? AND coalesce(last_used, 0) <= ?",
                    [(*use, *key, use[0]) for key, use in app_passwords.items()],
                )
        except BaseException:
            self._accounts = accounts | self._accounts
            self._app_passwords = app_passwords | self._app_passwords
            raise
