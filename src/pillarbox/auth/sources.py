"""Where credentials come from: one door for the built-in accounts, passwd-files and plug-ins.

Rules: a source that cannot tell says so (`SourceUnavailable`), it never answers "unknown" instead; it is asked with
canonical names only (`names.normalise`) and answers for exactly that name; it never sees a socket. The order of
sources, caching and delays are in `pipeline`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple, Protocol, TypeVar

from pillarbox.auth.accounts import AccountsBusy, AccountStore, AccountsUnavailable, StoredAccount
from pillarbox.auth.app_password_text import AppPasswordText
from pillarbox.auth.app_passwords import AppPassword, AppPasswordStore, ScramKeys
from pillarbox.auth.keys import KeyUnavailable
from pillarbox.auth.mfa import Policy
from pillarbox.auth.passwords import Hasher
from pillarbox.auth.totp import TotpStore
from pillarbox.events import Secret

T = TypeVar("T")

# A lookup may meet the moment in which another process closes the database: it is tried again, off the event loop.
_BUSY_RETRIES = 50
_BUSY_PAUSE = 0.02  # seconds


class SourceUnavailable(Exception):
    """The source cannot tell who is known. `reason` is for the administrator and holds no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Credential(NamedTuple):
    """What a source knows about one account.

    Attributes:
        account: the canonical name it was asked for.
        stored: the stored form of the password, which only the source understands.
        epoch: rises when anything about the account changes, where the source can tell; else 0.
        enabled: False refuses the account exactly as a wrong password is refused.
        read_only: nothing may be deleted.
        home: what {home} stands for in a path template, or "".
        maildir: the account's own path or path template, or None for its domain's.
        networks: where it may come from; empty for everywhere.
        mfa, pop3, pop3_idle_days, primary_over_pop3: the account's own rules; None for its domain's. Ask
            `rules.Rules.of` for what holds, whatever the source.
        totp: TOTP is enrolled: the password comes with a code behind it (`totp.split`), unless `mfa` is off.
        password_epoch: names the password in the id of a credential (`mfa.identify`); 0 where the source cannot tell.
        last_login: UTC seconds, within the hour; None for never or unknown. For `usage.UsageLog.note_login`.
    """

    account: str
    stored: str
    epoch: int = 0
    enabled: bool = True
    read_only: bool = False
    home: str = ""
    maildir: str | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    mfa: Policy | None = None
    pop3: bool | None = None
    pop3_idle_days: int | None = None
    primary_over_pop3: bool | None = None
    totp: bool = False
    password_epoch: int = 0
    last_login: float | None = None

    def __repr__(self) -> str:
        # The stored form may be the password itself (PLAIN): it stays out of traces.
        return f"Credential(account={self.account!r}, epoch={self.epoch})"


class Source(Protocol):
    """Knows accounts and checks their passwords."""

    @property
    def name(self) -> str:
        """A name for events, unlike that of any other source of the same pipeline."""
        ...

    def lookup(self, account: str) -> Credential | Awaitable[Credential | None] | None:
        """What is known about a canonical name; None if it is unknown. Must not block the event loop.

        Raises:
            SourceUnavailable: nobody can tell now.
        """
        ...

    def verify(self, credential: Credential, password: bytes) -> bool:
        """Whether the password is right. Blocks, may take long, and runs in a thread."""
        ...

    def upgrade(self, credential: Credential, password: bytes) -> None:
        """After a right password: store it in a stronger form, if the source can and should. Blocks; runs in a thread.

        Raises:
            SourceUnavailable: it should have been stored and could not be.
        """
        ...


class AccountsSource:
    """The accounts that `pillarbox account` manages."""

    name = "accounts"

    def __init__(
        self,
        store: AccountStore,
        hasher: Hasher,
        *,
        app_passwords: AppPasswordStore | None = None,
        totp: TotpStore | None = None,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._app_passwords = app_passwords
        self._totp = totp

    def lookup(self, account: str) -> Credential | Awaitable[Credential | None] | None:
        """See `Source.lookup`. Answers at once, but for the rare moment in which the database is busy."""
        return _at_once(lambda: _credential(self._store.lookup(account)))

    def app_password(self, account: str, given: AppPasswordText) -> AppPassword | Awaitable[AppPassword | None] | None:
        """The app password that was given, if it is right; `AppPassword.refusal` says whether it may be used now.

        Answers as `lookup` does.

        Raises:
            SourceUnavailable: nobody can tell now.
        """
        store = self._app_passwords
        return None if store is None else _at_once(lambda: store.verify(account, given))

    def app_password_of_id(self, account: str, which: str) -> AppPassword | None:
        """An app password that a proof was found to be made with.

        Raises:
            SourceUnavailable: nobody can tell now.
        """
        store = self._app_passwords
        return None if store is None else _told(lambda: store.lookup(account, which))

    def scram_keys(self, account: str) -> tuple[ScramKeys, ...]:
        """What a SCRAM proof of the account may have been made with. Raises as `app_password_of_id`."""
        store = self._app_passwords
        return () if store is None else _told(lambda: store.scram_keys(account))

    def recoverable(self, account: str) -> tuple[tuple[str, Secret], ...]:
        """The secrets that a digest may have been made with. Raises as `app_password_of_id`."""
        store = self._app_passwords
        return () if store is None else _told(lambda: store.recoverable(account))

    def use_code(self, account: str, code: str) -> bool:
        """Whether a code of TOTP is right; it is used up. Blocks; runs in a thread, behind a right password.

        Raises:
            SourceUnavailable: nobody can tell now.
        """
        totp = self._totp
        return totp is not None and _told(lambda: totp.use_code(account, code))

    def verify(self, credential: Credential, password: bytes) -> bool:
        """See `Source.verify`."""
        return self._hasher.verify(credential.stored, password)

    def upgrade(self, credential: Credential, password: bytes) -> None:
        """See `Source.upgrade`: hashes made with weaker parameters are replaced."""
        if not self._hasher.needs_rehash(credential.stored):
            return
        try:
            self._store.replace_hash(credential.account, credential.stored, self._hasher.hash(password))
        except AccountsUnavailable as error:
            raise SourceUnavailable(error.reason) from error


def _told(question: Callable[[], T]) -> T:
    try:
        return question()
    except (AccountsUnavailable, KeyUnavailable) as error:
        raise SourceUnavailable(error.reason) from error


def _at_once(question: Callable[[], T]) -> T | Awaitable[T]:
    """The answer; or, in a moment in which the database is busy, what waits for it."""
    try:
        return question()
    except AccountsBusy:
        return _again(question)
    except (AccountsUnavailable, KeyUnavailable) as error:
        raise SourceUnavailable(error.reason) from error


async def _again(question: Callable[[], T]) -> T:
    for _ in range(_BUSY_RETRIES):
        await asyncio.sleep(_BUSY_PAUSE)
        try:
            return question()
        except AccountsBusy:
            continue
        except (AccountsUnavailable, KeyUnavailable) as error:
            raise SourceUnavailable(error.reason) from error
    raise SourceUnavailable("the accounts database stays busy")


def _credential(found: StoredAccount | None) -> Credential | None:
    if found is None:
        return None
    # By position: this is on the path of every login.
    return Credential(
        found.name, found.password_hash, found.epoch, found.enabled, found.read_only, "", found.maildir, (),
        found.mfa, found.pop3, found.pop3_idle_days, found.primary_over_pop3, found.totp, found.password_epoch,
        found.last_login,
    )  # fmt: skip
