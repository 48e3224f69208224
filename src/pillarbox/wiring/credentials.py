"""Authentication put together: sources, credentials, guard and tokens as the configuration describes them.

`Authentication` is what one worker has of it: the pipeline, and what has to be done every now and then beside it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pillarbox.auth import mfa
from pillarbox.auth.accounts import AccountsMissing, AccountStore, AccountsUnavailable
from pillarbox.auth.app_passwords import SCRAM_ITERATIONS, AppPasswordStore
from pillarbox.auth.cache import VerificationCache
from pillarbox.auth.departures import Timing
from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.state_file import SharedJournal
from pillarbox.auth.hashing import HashingPool
from pillarbox.auth.keys import InstallationKey, KeyFile, KeyMissing, KeyUnavailable
from pillarbox.auth.live import LiveCredentials
from pillarbox.auth.login_delay import LoginDelay
from pillarbox.auth.mfa import Factor
from pillarbox.auth.password_advice import PasswordAdvice
from pillarbox.auth.password_policy import Context, PasswordPolicy, PolicyUnavailable
from pillarbox.auth.passwords import Hasher
from pillarbox.auth.pipeline import Pipeline
from pillarbox.auth.rules import rules_from
from pillarbox.auth.sources import AccountsSource, Source
from pillarbox.auth.totp import TotpStore
from pillarbox.auth.usage import UsageLog
from pillarbox.config import ConfigError, Problem
from pillarbox.config.schema import Settings
from pillarbox.config.schema_mail import Auth
from pillarbox.events import Event, Secret, Sink, Warned

if TYPE_CHECKING:
    from pillarbox.auth.tokens import TokenVerifier

CACHED_PASSWORDS = 65_536
"""Verified passwords remembered by each worker: some 10 MB at most."""

BUSY_SECONDS = 1.0
"""Seconds a worker's writes to the accounts wait for another writer: a login must not hang on a command."""

_TOKENS = {Factor.TOKEN, Factor.TOKEN_AFTER_MFA}


def hasher(settings: Settings) -> Hasher:
    """Makes and checks the password hashes of our own accounts."""
    auth = settings.auth
    return Hasher(memory_kib=auth.argon2_memory_kib, time_cost=auth.argon2_time, parallelism=auth.argon2_parallelism)


def account_store(settings: Settings, busy_seconds: float = 10.0) -> AccountStore:
    """The database of our own accounts."""
    return AccountStore(settings.accounts_file, clock=time.time, busy_seconds=busy_seconds)


def key_file(settings: Settings) -> KeyFile:
    """The installation's key."""
    return KeyFile(settings.server.state_directory / "secret.key")


def sources(settings: Settings, sink: Sink, store: AccountStore | None = None) -> list[Source]:
    """Where accounts are looked up, in the order of `auth.sources`.

    Raises:
        ConfigError: a source cannot be built.
    """
    found: list[Source] = []
    for name in settings.auth.sources:
        if name == "accounts":
            accounts, keys = store or account_store(settings), key_file(settings)
            app_passwords, totp = AppPasswordStore(accounts, keys), TotpStore(accounts, keys, clock=time.time)
            found.append(AccountsSource(accounts, hasher(settings), app_passwords=app_passwords, totp=totp))
        else:
            found.append(_passwd_file(settings.auth, sink))
    return found


def _passwd_file(auth: Auth, sink: Sink) -> Source:
    # Imported when it is asked for: its libraries are an extra, and cost a tenth of the start.
    from pillarbox.auth.passwd_file import PasswdFileSource
    from pillarbox.auth.schemes import MissingLibrary, Schemes, UnusableHash

    assert auth.passwd_file.path is not None  # the configuration's checks see to it
    try:
        schemes = Schemes(auth.passwd_file.default_scheme)
    except MissingLibrary as error:
        raise ConfigError([Problem("auth.sources", str(error))]) from error
    except UnusableHash as error:
        raise ConfigError([Problem("auth.passwd_file.default_scheme", str(error), 'write "CRYPT"')]) from error
    return PasswdFileSource(
        auth.passwd_file.path,
        schemes=schemes,
        maildir=auth.passwd_file.maildir,
        default_domain=auth.default_domain,
        sink=sink,
    )


def token_verifier(settings: Settings, sink: Sink) -> TokenVerifier | None:
    """Who judges bearer tokens; None where none are accepted.

    Raises:
        ConfigError: it cannot be built.
    """
    tokens = settings.auth.tokens
    if not tokens.enabled:
        return None
    try:
        from pillarbox.auth.token_http import JsonClient
        from pillarbox.auth.tokens import TokensUnusable, TokenVerifier
    except ImportError as error:
        instead = "install it: pip install 'pillarbox[tokens]', or write enabled = false"
        raise ConfigError([Problem("auth.tokens.enabled", f"the library {error.name} is missing", instead)]) from error
    try:
        return TokenVerifier.of(
            tokens,
            JsonClient(timeout=tokens.timeout),
            default_domain=settings.auth.default_domain,
            now=time.time,
            clock=time.monotonic,
            sink=sink,
        )
    except TokensUnusable as error:
        raise ConfigError([Problem("auth.tokens", str(error))]) from error


def guard_engine(settings: Settings, sink: Sink) -> GuardEngine | None:
    """This process's share of the guard; None where it is switched off. Built after the fork."""
    guard = settings.guard
    if not guard.enabled:
        return None
    journal = SharedJournal(settings.guard_file, writer=secrets.randbits(62), rows=guard.journal_rows, sink=sink)
    return GuardEngine(guard, journal, below=secrets.randbelow, sink=sink)


def _password_advice(settings: Settings) -> PasswordAdvice:
    policy = settings.auth.policy
    try:
        judge = PasswordPolicy.of(policy, settings.server.hostname or socket.getfqdn())
    except PolicyUnavailable as error:
        raise ConfigError([Problem("auth.policy.breach_filter", str(error))]) from error
    return PasswordAdvice(judge, seconds=policy.recheck_hours * 3600.0, clock=time.monotonic)


def mechanisms(settings: Settings) -> tuple[str, ...]:
    """The SASL mechanisms that can work with these settings, in their order."""
    offered = tuple(settings.auth.mechanisms)
    if settings.auth.tokens.enabled:
        return offered + tuple(name for name in ("OAUTHBEARER", "XOAUTH2") if name not in offered)
    return tuple(name for name in offered if name not in ("OAUTHBEARER", "XOAUTH2"))


class Authentication:
    """One worker's authentication. Built after the fork.

    Attributes:
        pipeline: decides attempts.

    Raises:
        ConfigError: a source, or the judge of tokens, cannot be built.
    """

    def __init__(self, settings: Settings, sink: Sink) -> None:
        auth = settings.auth
        self._sink = sink
        self._store = account_store(settings, BUSY_SECONDS)
        self._keys = key_file(settings)
        # Stands in where there is no key: what is made with it fits no secret.
        self._no_key = InstallationKey(secrets.token_bytes(32))
        self._usage = UsageLog(self._store)
        self._tokens = token_verifier(settings, sink)
        rules_of = rules_from(settings)
        self._live = LiveCredentials(
            self._store,
            AppPasswordStore(self._store, self._keys),
            rules_of,
            clock=time.monotonic,
            wall_clock=time.time,
        )
        self._advice = _password_advice(settings)
        self._rechecks: set[asyncio.Future[list[Event]]] = set()
        self._has_accounts = "accounts" in auth.sources
        self._guard = guard_engine(settings, sink)
        delay = auth.login_delay
        self.pipeline = Pipeline(
            sources(settings, sink, self._store),
            hashing=HashingPool(
                auth.hashing_threads or os.cpu_count() or 1,
                auth.hashing_wait,
                reserved=auth.hashing_reserved,
                per_source=auth.hashing_per_source,
            ),
            hasher=hasher(settings),
            cache=VerificationCache(
                secrets.token_bytes(32), seconds=auth.cache_seconds, size=CACHED_PASSWORDS, clock=time.monotonic
            ),
            template_of=settings.maildir_template,
            default_domain=auth.default_domain,
            timing=Timing(auth.failure_delay, auth.failure_step),
            clock=time.monotonic,
            wall_clock=time.time,
            sleep=asyncio.sleep,
            shuffle=secrets.SystemRandom().shuffle,
            sink=sink,
            tag_key=self._guard_key().derived("guard-tags"),
            rules_of=rules_of,
            guard=self._guard,
            salt_of=self._salt,
            iterations=SCRAM_ITERATIONS,
            tokens=self._tokens,
            usage=self._usage if self._has_accounts else None,
            recheck=self._recheck_password,
            login_delay=LoginDelay(settings.server.state_directory / "logins.sqlite", seconds=delay, clock=time.time)
            if delay
            else None,
        )

    def knows(self, address: str) -> bool:
        """Whether somebody was let in from there lately; without a guard nobody is a stranger."""
        return self._guard is None or self._guard.knows(address, time.time())

    def _recheck_password(self, account: str, password: Secret) -> None:
        """The policy once more, with the password in hand: it may have become known since it was set."""
        if self._advice.due(account):
            task = asyncio.ensure_future(asyncio.to_thread(self._advice.advice_after_login, password, Context(account)))
            self._rechecks.add(task)
            task.add_done_callback(self._rechecked)

    def _rechecked(self, task: asyncio.Future[list[Event]]) -> None:
        self._rechecks.discard(task)
        if not task.cancelled():
            for event in task.result():
                self._sink.emit(event)

    def _guard_key(self) -> InstallationKey:
        # Made if need be: with a key of its own, each worker and each start would count the same wrong secret anew.
        try:
            return self._keys.load_or_create(in_use=self._key_in_use())
        except KeyUnavailable as error:
            self._sink.emit(Warned(about="installation-key", text=error.reason))
            return self._no_key

    def _key_in_use(self) -> bool:
        try:
            return self._store.row("SELECT 1 FROM app_password UNION ALL SELECT 1 FROM totp LIMIT 1", ()) is not None
        except AccountsMissing:
            return False
        except AccountsUnavailable:
            return True  # nobody can tell

    def _salt(self, name: str) -> bytes:
        try:
            return self._keys.load().scram_salt(name)
        except KeyMissing:
            return self._no_key.scram_salt(name)

    def ended(self, sessions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those pairs of account and credential id whose sessions must end now, by what is stored. Never raises."""
        try:
            return self._live.ended(sessions) if self._has_accounts else []
        except AccountsUnavailable:
            return []  # when nobody can tell, every session goes on

    async def tokens_ended(self, sessions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those whose tokens have ended: asked for all at once, for a provider may be slow. Never raises."""
        if self._tokens is None:
            return []
        asked = [(pair, mfa.parts(pair[1])) for pair in sessions]
        shown = [(pair, which) for pair, (factors, which) in asked if factors & _TOKENS]
        valid = await asyncio.gather(*(self._tokens.still_valid(which) for _, which in shown))
        return [pair for (pair, _), holds in zip(shown, valid, strict=True) if not holds]

    async def tick(self) -> None:
        """What is due every second or two: the guard's state, and when accounts were last used. Never raises."""
        if self._guard is not None:
            self._guard.tick(time.time())
        try:
            await asyncio.to_thread(self._usage.write)
        except AccountsUnavailable as error:
            self._sink.emit(Warned(about="last-use", text=f"not written: {error.reason}"))

    async def close(self) -> None:
        """Write what is left."""
        await self.pipeline.close()
        await asyncio.gather(*self._rechecks, return_exceptions=True)
        await self.tick()
        if self._guard is not None:
            self._guard.close()
