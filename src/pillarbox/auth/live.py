"""Which running sessions must end, because what let them in no longer would.

Rules: while nothing changes or expires, a look costs one small question to the database, however many sessions run;
then only the sessions of the accounts concerned are judged, by the same `mfa.decide` as at login; when nobody can tell,
every session goes on. Who ends them, and how often it looks (every two seconds: five are promised), is the caller's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from pillarbox.auth import mfa
from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.app_passwords import AppPasswordStore
from pillarbox.auth.mfa import Factor, Verdict
from pillarbox.auth.names import split
from pillarbox.auth.rules import RulesOf

# A session is judged by what was stored when its login began. So long a login may take (it waits for a hashing thread
# 3 s by default) before its session is listed, and a change that it has missed is still found.
_OVERLAP = 30.0  # seconds
_APP_PASSWORDS = {Factor.APP_PASSWORD, Factor.APP_PASSWORD_AFTER_MFA}


class LiveCredentials:
    """Judges the sessions of one worker whose accounts are in the accounts database.

    Args:
        accounts: the accounts.
        app_passwords: their app passwords.
        rules_of: the rules of a domain.
        clock: monotonic seconds.
        wall_clock: UTC seconds.
    """

    def __init__(
        self,
        accounts: AccountStore,
        app_passwords: AppPasswordStore,
        rules_of: RulesOf,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._accounts = accounts
        self._app_passwords = app_passwords
        self._rules_of = rules_of
        self._clock = clock
        self._wall_clock = wall_clock
        # (when, the counter of epochs at that time), oldest first; the first is older than the overlap.
        self._seen: deque[tuple[float, int]] = deque()
        self._next_expiry: float | None = None  # of an app password: UTC seconds, not before the overlap
        self._looked = wall_clock()

    def ended(self, sessions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those pairs of account and credential id whose sessions must end.

        The first call only begins to watch, so make it before the first login.

        Raises:
            AccountsUnavailable: nobody can tell now.
        """
        now = self._clock()
        since = self._seen[0][1] if self._seen else None
        counter, changed = self._accounts.changed_since(0 if since is None else since)
        expired = self._expired(anew=not self._seen or self._seen[-1][1] != counter)
        if not self._seen or self._seen[-1][1] != counter:
            self._seen.append((now, counter))
        while len(self._seen) > 1 and self._seen[1][0] <= now - _OVERLAP:
            self._seen.popleft()
        concerned = expired if since is None else expired | set(changed)
        if not concerned:
            return []
        return [pair for pair in sessions if pair[0] in concerned and not self.valid(*pair)]

    def _expired(self, *, anew: bool) -> set[str]:
        """Accounts with an app password that has just expired; `anew`: there may be others than when last asked."""
        now = self._wall_clock()
        since = min(now, self._looked) - _OVERLAP  # from the last look on: the clock may have been set forward
        self._looked = now
        if anew or (self._next_expiry is not None and self._next_expiry <= since):
            self._next_expiry = self._app_passwords.next_expiry(since)
        if self._next_expiry is None or now < self._next_expiry:
            return set()
        return self._app_passwords.expired(since, now)

    def valid(self, account: str, credential_id: str) -> bool:
        """Whether this credential would still let this account in.

        Raises:
            AccountsUnavailable: nobody can tell now.
        """
        stored = self._accounts.lookup(account)
        if stored is None or not stored.enabled:
            return False
        try:
            factors, which = mfa.parts(credential_id)
        except ValueError:
            return False
        rules = self._rules_of(split(account)[1]).of(stored)
        if not rules.pop3 or mfa.decide(rules.mfa, factors, totp=stored.totp) is not Verdict.OK:
            return False
        if Factor.PASSWORD in factors and not (rules.primary_over_pop3 and which == str(stored.password_epoch)):
            return False
        if factors & _APP_PASSWORDS:
            found = self._app_passwords.lookup(account, which)
            return found is not None and found.ended(self._wall_clock()) is None
        return True
