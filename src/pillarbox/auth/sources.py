"""Where credentials come from: one door for the built-in accounts, passwd-files and plug-ins.

Rules: a source that cannot tell says so (`SourceUnavailable`), it never answers "unknown" instead; it is asked with
canonical names only (`names.normalise`) and answers for exactly that name; it never sees a socket. The order of
sources, caching and delays are in `pipeline`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple, Protocol

from pillarbox.auth.accounts import AccountsBusy, AccountStore, AccountsUnavailable, StoredAccount
from pillarbox.auth.passwords import Hasher

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
    """

    account: str
    stored: str
    epoch: int = 0
    enabled: bool = True
    read_only: bool = False
    home: str = ""
    maildir: str | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

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

    def __init__(self, store: AccountStore, hasher: Hasher) -> None:
        self._store = store
        self._hasher = hasher

    def lookup(self, account: str) -> Credential | Awaitable[Credential | None] | None:
        """See `Source.lookup`. Answers at once, but for the rare moment in which the database is busy."""
        try:
            return _credential(self._store.lookup(account))
        except AccountsBusy:
            return self._lookup_again(account)
        except AccountsUnavailable as error:
            raise SourceUnavailable(error.reason) from error

    async def _lookup_again(self, account: str) -> Credential | None:
        for _ in range(_BUSY_RETRIES):
            await asyncio.sleep(_BUSY_PAUSE)
            try:
                return _credential(self._store.lookup(account))
            except AccountsBusy:
                continue
            except AccountsUnavailable as error:
                raise SourceUnavailable(error.reason) from error
        raise SourceUnavailable("the accounts database stays busy")

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


def _credential(found: StoredAccount | None) -> Credential | None:
    if found is None:
        return None
    return Credential(
        account=found.name,
        stored=found.password_hash,
        epoch=found.epoch,
        enabled=found.enabled,
        read_only=found.read_only,
        maildir=found.maildir,
    )
