"""Whether a proof is right, kind by kind, and which factors it shows.

Rules: a check says what was shown, never whether that suffices (`mfa`), nor whether the account may come in
(`pipeline`); a secret in the form of an app password is checked as one and as nothing else, with one HMAC; hashing goes
through the pool; a code of TOTP is only looked at, and used up, behind a right password.
Elsewhere: tokens (`tokens`), SCRAM's and the digests' arithmetic (`pillarbox.sasl`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.auth.app_password_text import AppPasswordText, Slip, parse
from pillarbox.auth.app_passwords import AppPassword
from pillarbox.auth.attempt import Digest, Outcome, Password, Refused, Scram
from pillarbox.auth.cache import VerificationCache
from pillarbox.auth.hashing import HashingPool, Turn
from pillarbox.auth.mfa import Factor, Policy
from pillarbox.auth.passwords import Hasher, may_be_right
from pillarbox.auth.rules import Rules
from pillarbox.auth.sources import AccountsSource, Credential, Source
from pillarbox.auth.totp import split
from pillarbox.sasl import digests, scram

WRONG_PASSWORD = Refused(Outcome.CREDENTIALS, "wrong password")
IMPOSSIBLE_PASSWORD = Refused(Outcome.CREDENTIALS, "empty or over-long password")
MISTYPED = Refused(Outcome.CREDENTIALS, Slip.MISTYPED.value)
NO_CODE = Refused(Outcome.CREDENTIALS, "second factor missing")
WRONG_CODE = Refused(Outcome.CREDENTIALS, "wrong or used code")
NOT_OVER_POP3 = Refused(Outcome.CREDENTIALS, "the account's own password does not work over POP3")
WRONG_PROOF = Refused(Outcome.CREDENTIALS, "wrong proof")


@dataclass(frozen=True, slots=True)
class Shown:
    """A right proof.

    Attributes:
        factors: what it shows.
        which: names the credential among those of its kind (`mfa.identify`).
        app_password: the app password that was used, if it was one.
        final: SCRAM's last word to the client.
        remember: to be called when the account is let in: keeps the password's check in the cache, renews its hash.
    """

    factors: frozenset[Factor]
    which: str
    app_password: AppPassword | None = None
    final: bytes | None = None
    remember: Callable[[], None] | None = None


class Prover:
    """Checks proofs that belong to an account.

    Args:
        hashing: where passwords are checked.
        hasher: what a check of an unknown user's password costs.
        cache: saves repeated checks.
        upgrade: renews a stored hash after a right password, in its own time.
        wall_clock: UTC seconds.
    """

    def __init__(
        self,
        *,
        hashing: HashingPool,
        hasher: Hasher,
        cache: VerificationCache,
        upgrade: Callable[[Source, Credential, bytes], None],
        wall_clock: Callable[[], float],
    ) -> None:
        self._hashing = hashing
        self._hasher = hasher
        self._cache = cache
        self._upgrade = upgrade
        self._wall_clock = wall_clock

    async def nobody(self, refusal: Refused, turn: Turn) -> Refused:
        """Spend what a wrong password costs."""
        await self._hashing.run(self._hasher.verify_nobody, turn)
        return refusal

    async def password(
        self, proof: Password, source: Source, credential: Credential, rules: Rules, turn: Turn
    ) -> Shown | Refused:
        """USER/PASS, PLAIN, LOGIN: an app password, or the account's own password with its code behind it.

        Raises:
            HashingBusy: it could not be checked in time.
        """
        given = proof.secret.reveal()
        parsed = parse(given)
        if isinstance(source, AccountsSource):
            if isinstance(parsed, AppPasswordText):
                return await self._app_password(parsed, source, credential, turn.address)
            if parsed is Slip.MISTYPED:
                return await self.nobody(MISTYPED, turn)
        return await self._own_password(given, source, credential, rules, turn)

    async def _app_password(
        self, given: AppPasswordText, source: AccountsSource, credential: Credential, address: str
    ) -> Shown | Refused:
        found = source.app_password(credential.account, given)
        if found is not None and not isinstance(found, AppPassword):
            found = await found
        return WRONG_PASSWORD if found is None else self._usable(found, address)

    def _usable(self, found: AppPassword, address: str, final: bytes | None = None) -> Shown | Refused:
        if (reason := found.refusal(self._wall_clock(), address)) is not None:
            return Refused(Outcome.CREDENTIALS, reason)
        factor = Factor.APP_PASSWORD_AFTER_MFA if found.after_mfa else Factor.APP_PASSWORD
        return Shown(frozenset({factor}), found.id, found, final)

    async def _own_password(
        self, given: bytes, source: Source, credential: Credential, rules: Rules, turn: Turn
    ) -> Shown | Refused:
        code = None
        if credential.totp and rules.mfa is not Policy.OFF:
            parts = split(given)
            if parts is None:
                return await self.nobody(NO_CODE, turn)
            given, code = parts
        if not may_be_right(given):
            return await self.nobody(IMPOSSIBLE_PASSWORD, turn)
        key = self._cache.key(source.name, credential, given)
        # A closed account pays the whole price each time, as a wrong password does.
        known = credential.enabled and rules.pop3 and rules.primary_over_pop3 and self._cache.knows(key)
        if known:
            await self._hashing.skip(turn)
        elif not await self._hashing.run(lambda: source.verify(credential, given), turn):
            return WRONG_PASSWORD
        if not rules.primary_over_pop3:
            return NOT_OVER_POP3
        factors = {Factor.PASSWORD}
        if code is not None:
            right = isinstance(source, AccountsSource) and await asyncio.to_thread(
                source.use_code, credential.account, code
            )
            if not right:
                return WRONG_CODE
            factors.add(Factor.TOTP)

        def remember() -> None:
            self._cache.remember(key)
            self._upgrade(source, credential, given)

        return Shown(frozenset(factors), str(credential.password_epoch), remember=None if known else remember)

    def scram(self, proof: Scram, source: Source, credential: Credential, address: str) -> Shown | Refused:
        """SCRAM: made with one of the account's app passwords; they share a salt."""
        if not isinstance(source, AccountsSource):
            return WRONG_PROOF
        candidates = source.scram_keys(credential.account)
        found = scram.find(proof, (scram.Keys(each.stored_key, each.server_key) for each in candidates))
        if found is None:
            return WRONG_PROOF
        index, final = found
        return self._of_id(source, credential, candidates[index].id, address, final)

    def digest(self, proof: Digest, source: Source, credential: Credential, address: str) -> Shown | Refused:
        """APOP and CRAM-MD5: made with an app password that was minted for them."""
        if not isinstance(source, AccountsSource):
            return WRONG_PROOF
        right = None
        for which, secret in source.recoverable(credential.account):
            if digests.matches(proof, secret):
                right = which
        return WRONG_PROOF if right is None else self._of_id(source, credential, right, address)

    def _of_id(
        self, source: AccountsSource, credential: Credential, which: str, address: str, final: bytes | None = None
    ) -> Shown | Refused:
        found = source.app_password_of_id(credential.account, which)
        return WRONG_PROOF if found is None else self._usable(found, address, final)
