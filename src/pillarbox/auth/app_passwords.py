"""App passwords: what is stored of them, what they may do, and how one is checked.

Rules: the secret is shown once, by `add`; one HMAC under the installation key checks it, which NIST SP 800-63B-4
§3.1.1.2 allows for secrets of 112 bits and more (this one has 130); it is bound to its account and its id, so that
a row copied to another account opens nothing; revoking raises the account's epoch. What one looks like is in
`app_password_text`, when its session ends in `live`.

For SCRAM-SHA-256 (RFC 5802, RFC 7677) StoredKey and ServerKey are kept, over the canonical text and a salt of the
account, with RFC 7677's least number of iterations: they only make guessing dearer, and nobody guesses 130 bits. The
text itself is kept, sealed, only if it is to serve APOP and CRAM-MD5.
"""

from __future__ import annotations

import functools
import hmac
import os
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Literal, NamedTuple

from pillarbox.auth import app_password_text
from pillarbox.auth.accounts_database import AccountsDatabase
from pillarbox.auth.accounts_file import AccountsError, NoSuchAccount
from pillarbox.auth.app_password_text import AppPasswordText
from pillarbox.auth.guard.places import is_within
from pillarbox.auth.keys import KeyFile
from pillarbox.events import Secret
from pillarbox.sasl import scram

SCRAM_ITERATIONS = scram.MINIMUM_ITERATIONS
MAX_PER_ACCOUNT = 50
"""SCRAM tries each of them; more than a person's devices is a mistake."""
DAY = 86_400.0

Network = IPv4Network | IPv6Network
Minted = Literal["mfa", "administrator", "unverified"]
"""How its owner was known when it was made: by two factors, by an administrator's word, or not at all."""

_COLUMNS = (
    "id, account, name, read_only, networks, expires, idle_days, newer_than, minted, created, "
    "last_used, last_address, last_client"
)
_CHECK = f"SELECT tag, key_id, {_COLUMNS} FROM app_password WHERE account = ? AND id = ?"  # noqa: S608 - constants only
_LIST = f"SELECT {_COLUMNS} FROM app_password"  # noqa: S608 - constants only
_EXPIRED = "app password expired"
_UNUSED = "app password unused for too long"
_ELSEWHERE = "app password not allowed from this address"


class NoSuchAppPassword(AccountsError):
    """The account has no app password with that id."""


class TooManyAppPasswords(AccountsError):
    """The account has as many as it may have."""


class AppPassword(NamedTuple):
    """One app password, without its secret. Times are UTC seconds.

    Attributes:
        id: its public id.
        account: whose it is.
        name: what its owner calls it.
        read_only: nothing may be deleted with it.
        networks: where it works; empty for everywhere.
        expires: when it ends; None for never.
        idle_days: after so many days without use it ends; None for never.
        newer_than: it shows only mail that arrived later; None for all.
        minted: how its owner was known.
        last_used: to the minute; None for never.
        last_address: where it was last used from.
        last_client: how the program logged in then, mechanism and TLS version: POP3 knows no names of programs.
    """

    id: str
    account: str
    name: str
    read_only: bool
    networks: tuple[Network, ...]
    expires: float | None
    idle_days: int | None
    newer_than: float | None
    minted: Minted
    created: float
    last_used: float | None = None
    last_address: str = ""
    last_client: str = ""

    @property
    def after_mfa(self) -> bool:
        """Whether it counts as two factors."""
        return self.minted != "unverified"

    def ended(self, now: float) -> str | None:
        """Why it is over; None if it is not."""
        if self.expires is not None and now >= self.expires:
            return _EXPIRED
        if self.idle_days is not None and now >= (self.last_used or self.created) + self.idle_days * DAY:
            return _UNUSED
        return None

    def refusal(self, now: float, address: str) -> str | None:
        """Why it may not be used now and from there, as a phrase for events; None if it may."""
        if (reason := self.ended(now)) is not None:
            return reason
        return None if not self.networks or is_within(address, self.networks) else _ELSEWHERE


class Grant(NamedTuple):
    """What a new app password may do; see `AppPassword`."""

    name: str
    minted: Minted
    read_only: bool = False
    networks: tuple[Network, ...] = ()
    expires: float | None = None
    idle_days: int | None = None
    newer_than: float | None = None


class ScramKeys(NamedTuple):
    """What checks a SCRAM-SHA-256 proof made with one app password (RFC 5802 §3)."""

    id: str
    stored_key: bytes
    server_key: bytes

    def __repr__(self) -> str:
        return f"ScramKeys(id={self.id!r})"


class AppPasswordStore:
    """The app passwords of all accounts, in the accounts database.

    Args:
        database: where they are.
        keys: the installation key.
        random: gives so many random octets.
    """

    def __init__(
        self, database: AccountsDatabase, keys: KeyFile, *, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._database = database
        self._keys = keys
        self._random = random
        self._tag_keys: dict[str, bytes] = {}

    # ---- checking ---------------------------------------------------------------------------------------------

    def verify(self, account: str, given: AppPasswordText) -> AppPassword | None:
        """The app password that was given, if it is one of this account. Ask `refusal` whether it may be used now.

        One row and one HMAC, some 15 µs.

        Raises:
            AccountsUnavailable, KeyUnavailable: nobody can tell now.
        """
        row = self._database.row(_CHECK, (account, given.id))
        if row is None:
            return None
        tag = hmac.digest(self._tag_key(row[1]), _bound(account, given), "sha256")
        return _app_password(row[2:]) if hmac.compare_digest(tag, row[0]) else None

    def lookup(self, account: str, id: str) -> AppPassword | None:  # noqa: A002 - its name everywhere
        """The app password with that id, whatever its secret. Raises `AccountsUnavailable`."""
        row = self._database.row(f"{_LIST} WHERE account = ? AND id = ?", (account, id))
        return None if row is None else _app_password(row)

    def list(self, account: str) -> list[AppPassword]:
        """All of one account, the oldest first. Raises `AccountsUnavailable`."""
        rows = self._database.rows(f"{_LIST} WHERE account = ? ORDER BY created, id", (account,))
        return [_app_password(row) for row in rows]

    def next_expiry(self, after: float) -> float | None:
        """The earliest expiry later than a time, over all accounts; None if there is none. Raises as `lookup`."""
        row = self._database.row("SELECT min(expires) FROM app_password WHERE expires > ?", (after,))
        return None if row is None else row[0]

    def expired(self, after: float, until: float) -> set[str]:
        """The accounts of those that expired after a time, and until another. Raises as `lookup`."""
        asked = "SELECT DISTINCT account FROM app_password WHERE expires > ? AND expires <= ?"
        return {row[0] for row in self._database.rows(asked, (after, until))}

    def scram_keys(self, account: str) -> tuple[ScramKeys, ...]:
        """What a SCRAM-SHA-256 proof may have been made with; none for an unknown account.

        The salt is `InstallationKey.scram_salt`, the iterations are `SCRAM_ITERATIONS`.

        Raises:
            AccountsUnavailable, KeyUnavailable: nobody can tell now.
        """
        rows = self._database.rows(
            "SELECT key_id, id, stored_key, server_key FROM app_password WHERE account = ?", (account,)
        )
        for row in rows:
            self._keys.check(row[0])
        return tuple(ScramKeys(*row[1:]) for row in rows)

    def recoverable(self, account: str) -> tuple[tuple[str, Secret], ...]:
        """Ids and texts of those that serve APOP and CRAM-MD5. Raises as `scram_keys`."""
        rows = self._database.rows(
            "SELECT key_id, id, sealed FROM app_password WHERE account = ? AND sealed IS NOT NULL", (account,)
        )
        return tuple((row[1], Secret(self._keys.check(row[0]).open(row[2], _place(account, row[1])))) for row in rows)

    # ---- changing ---------------------------------------------------------------------------------------------

    def add(self, account: str, grant: Grant, *, recoverable: bool = False) -> tuple[AppPassword, Secret]:
        """Make one; the secret is never shown again. `recoverable`: it is also to serve APOP and CRAM-MD5.

        Raises:
            NoSuchAccount, TooManyAppPasswords: as they say.
            AccountsUnavailable, KeyUnavailable: it cannot be stored.
        """
        with self._database.change() as (connection, _, now):
            if connection.execute("SELECT 1 FROM account WHERE name = ?", (account,)).fetchone() is None:
                raise NoSuchAccount(account)
            (have,) = connection.execute("SELECT count(*) FROM app_password WHERE account = ?", (account,)).fetchone()
            if have >= MAX_PER_ACCOUNT:
                raise TooManyAppPasswords(account)
            key = self._keys.for_storing(connection)
            text = app_password_text.generate(self._random)
            scram_keys = scram.derive(Secret(text.canonical), key.scram_salt(account), SCRAM_ITERATIONS)
            tag = hmac.digest(self._tag_key(key.id), _bound(account, text), "sha256")
            sealed = key.seal(text.canonical, _place(account, text.id), self._random) if recoverable else None
            networks = " ".join(str(network) for network in grant.networks)
            connection.execute(
                f"INSERT INTO app_password (tag, key_id, stored_key, server_key, sealed, {_COLUMNS}) "  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, '', '')",
                (
                    *(tag, key.id, scram_keys.stored, scram_keys.server, sealed, text.id, account, grant.name),
                    *(int(grant.read_only), networks, grant.expires, grant.idle_days, grant.newer_than, grant.minted),
                    now,
                ),
            )
        made = AppPassword(
            text.id, account, grant.name, grant.read_only, grant.networks, grant.expires, grant.idle_days,
            grant.newer_than, grant.minted, now,
        )  # fmt: skip
        return made, Secret(text.canonical)

    def revoke(self, account: str, id: str) -> None:  # noqa: A002 - its name everywhere
        """End one, and the sessions that it has opened. Needs no installation key.

        Raises:
            NoSuchAppPassword, AccountsUnavailable: as they say.
        """
        with self._database.change() as (connection, epoch, now):
            gone = connection.execute("DELETE FROM app_password WHERE account = ? AND id = ?", (account, id)).rowcount
            if not gone:
                raise NoSuchAppPassword(id)
            connection.execute("UPDATE account SET epoch = ?, changed = ? WHERE name = ?", (epoch, now, account))

    def _tag_key(self, key_id: str) -> bytes:
        found = self._tag_keys.get(key_id)
        if found is None:
            found = self._tag_keys[key_id] = self._keys.check(key_id).derived("app-password")
        return found


def _bound(account: str, given: AppPasswordText) -> bytes:
    # No canonical text holds a NUL.
    return given.canonical + b"\0" + account.encode()


def _place(account: str, id: str) -> str:  # noqa: A002 - its name everywhere
    return f"app password {account} {id}"


def _app_password(row: tuple[Any, ...]) -> AppPassword:
    # Any: as in `AccountsDatabase.row`.
    return AppPassword(row[0], row[1], row[2], row[3] == 1, _networks(row[4]) if row[4] else (), *row[5:])


@functools.lru_cache(maxsize=1024)
def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(item) for item in text.split())
