"""The pipeline that turns an `Attempt` into a `Decision`.

Rules: every refusal of credentials takes one path and leaves at one quantised deadline, whatever its reason (P42);
success and "nobody can tell" leave at once (P44); a delay is the attempt's own and holds up no one else (P50); nobody
comes in whose account is closed, or who has not shown the factors its policy asks for, whatever the way in; a defect
lets nobody in and raises nothing.
Elsewhere: whose account it is (`claiming`), whether a proof is right (`proving`), what factors are needed (`mfa`), who
may try (`guard`), when a refusal leaves (`departures`).

    whose account → guard → proof → closed? → factors → delay → decision → guard → departure
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from pillarbox.auth import mfa
from pillarbox.auth.app_password_text import AppPasswordText, parse
from pillarbox.auth.attempt import (
    Accepted,
    Account,
    Attempt,
    Certificate,
    Decision,
    Digest,
    Outcome,
    Password,
    Refused,
    Salt,
    Scram,
    Token,
)
from pillarbox.auth.cache import VerificationCache
from pillarbox.auth.claiming import UNKNOWN_USER, Claimed, Claims
from pillarbox.auth.client_certificates import account_of
from pillarbox.auth.departures import Departures, Timing
from pillarbox.auth.guard.interface import UNSEEN, Guard, GuardRequest, NoGuard, Verdict
from pillarbox.auth.guard.places import is_within
from pillarbox.auth.hashing import OWN_WORK, HashingBusy, HashingPool, Overtaken, Turn
from pillarbox.auth.keys import KeyUnavailable
from pillarbox.auth.login_delay import LoginDelay
from pillarbox.auth.mfa import Factor
from pillarbox.auth.names import InvalidPath, maildir_path, split
from pillarbox.auth.passwords import Hasher
from pillarbox.auth.proving import Prover, Shown
from pillarbox.auth.rules import Rules, RulesOf
from pillarbox.auth.sources import Credential, Source, SourceUnavailable
from pillarbox.auth.usage import UsageLog
from pillarbox.events import Secret, Sink, Warned, internal_error
from pillarbox.sasl import oauth

if TYPE_CHECKING:
    from pillarbox.auth.tokens import TokenVerifier  # its library is an extra

# The fixed phrases of refusals. They are for events; the peer learns the outcome alone.
DISABLED = Refused(Outcome.CREDENTIALS, "disabled")
POP3_OFF = Refused(Outcome.CREDENTIALS, "POP3 is off for this account")
WRONG_NETWORK = Refused(Outcome.CREDENTIALS, "not allowed from this address")
MISSING_FACTOR = Refused(Outcome.CREDENTIALS, "second factor missing")
TOO_BUSY = Refused(Outcome.TEMPORARY, "too many passwords to check")
DEFECT = Refused(Outcome.TEMPORARY, "internal error")
TOO_SOON = Refused(Outcome.LOGIN_DELAY, "too soon after the last login")

_OWN_PASSWORD = frozenset({Factor.PASSWORD})


class Pipeline:
    """Decides attempts; implements `attempt.Authenticator`.

    Args:
        sources: asked in this order; their names differ.
        hashing: where passwords are checked.
        hasher: what a check of an unknown user's password costs.
        cache: saves repeated checks.
        template_of: the Maildir path template of a domain ("" for none).
        default_domain: added to a login that has no domain.
        timing: when refusals leave.
        clock: monotonic seconds.
        wall_clock: UTC seconds.
        sleep: waits so many seconds.
        shuffle: brings refusals that leave together into an order that nobody can foresee.
        sink: is told of defects and of what could not be written.
        tag_key: for the guard's tags of secrets; 16 to 64 octets.
        rules_of: the rules of a domain.
        guard: says who may try.
        salt_of: the SCRAM salt of a canonical name, known or not; raises `KeyUnavailable`.
        iterations: of SCRAM.
        tokens: judges bearer tokens; None where none are accepted.
        usage: notes logins.
        recheck: looks at an account's own password once more, in its own time, after it was right.
        login_delay: enforced after right credentials; None for no delay.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        hashing: HashingPool,
        hasher: Hasher,
        cache: VerificationCache,
        template_of: Callable[[str], str],
        default_domain: str,
        timing: Timing,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        shuffle: Callable[[list[asyncio.Future[None]]], None],
        sink: Sink,
        tag_key: bytes,
        rules_of: RulesOf = lambda domain: Rules(),
        guard: Guard | None = None,
        salt_of: Callable[[str], bytes] | None = None,
        iterations: int = 4096,
        tokens: TokenVerifier | None = None,
        usage: UsageLog | None = None,
        recheck: Callable[[str, Secret], None] | None = None,
        login_delay: LoginDelay | None = None,
    ) -> None:
        self._claims = Claims(sources, default_domain=default_domain, wall_clock=wall_clock, tokens=tokens)
        self._hashing = hashing
        self._prover = Prover(hashing=hashing, hasher=hasher, cache=cache, upgrade=self._upgrade, wall_clock=wall_clock)
        self._template_of = template_of
        self._departures = Departures(timing, clock=clock, sleep=sleep, shuffle=shuffle)
        self._clock = clock
        self._wall_clock = wall_clock
        self._sink = sink
        self._tag_key = tag_key
        self._rules_of = rules_of
        self._guard: Guard = guard or NoGuard()
        self._salt_of = salt_of
        self._iterations = iterations
        self._usage = usage
        self._recheck = recheck
        self._login_delay = login_delay
        self._upgrades: set[asyncio.Task[None]] = set()

    async def salt(self, login: str) -> Salt | Refused:
        """See `Authenticator.salt`."""
        if self._salt_of is None:
            return Refused(Outcome.TEMPORARY, "there is no installation key")
        try:
            return Salt(self._salt_of(self._claims.name_of(login)), self._iterations)
        except KeyUnavailable as error:
            return Refused(Outcome.TEMPORARY, error.reason)

    async def decide(self, attempt: Attempt) -> Decision:
        """See `Authenticator.decide`."""
        arrival = self._clock()
        penalty = 0.0
        try:
            claimed = await self._claims.of(attempt)
            request = self._request(attempt, claimed)
            verdict = self._guard.before(request)
            penalty = verdict.penalty
            turn = Turn(verdict.lane, attempt.origin.address, lambda: self._guard.before(request).refuse)
            try:
                decision = await self._judge(attempt, claimed, verdict, turn, strong=request.strong)
            except Overtaken as overtaken:
                decision = Refused(Outcome.CREDENTIALS, overtaken.reason.value)
            if isinstance(decision, Accepted):
                self._guard.after(request, True, "")
            elif decision.outcome is Outcome.CREDENTIALS:
                self._guard.after(request, False, decision.reason)
                if isinstance(attempt.proof, Password) and (request.strong or verdict.refuse is not None):
                    await self._hashing.stand_in_line(turn)  # as if its password had been hashed
        except HashingBusy:
            decision = TOO_BUSY
        except SourceUnavailable as error:
            decision = Refused(Outcome.TEMPORARY, error.reason)
        except Exception as error:
            self._sink.emit(internal_error(error, attempt.session))
            decision = DEFECT
        if isinstance(decision, Accepted):
            return decision
        if isinstance(attempt.proof, Token):
            decision = Refused(decision.outcome, decision.reason, oauth.error())
        if decision.outcome is Outcome.CREDENTIALS:
            await self._departures.wait(arrival, penalty)
        return decision

    async def close(self) -> None:
        """Wait for what is still being written after logins."""
        await asyncio.gather(*self._upgrades)

    def _request(self, attempt: Attempt, claimed: Claimed) -> GuardRequest:
        tag, common, strong = UNSEEN, None, not isinstance(attempt.proof, Password)
        if isinstance(attempt.proof, Password):
            secret = attempt.proof.secret.reveal()
            # Other sources check it as any password: a guess, and a dear one.
            strong = self._claims.is_ours(claimed) and isinstance(parse(secret), AppPasswordText)
            name = claimed.name.encode("utf-8", "replace")
            tag = int.from_bytes(blake2b(name + b"\0" + secret, key=self._tag_key, digest_size=2).digest())
            common = int.from_bytes(blake2b(secret, key=self._tag_key, digest_size=3).digest())
        known = claimed.credential is not None
        return GuardRequest(
            claimed.name, known, attempt.origin.address, tag, attempt.session, self._wall_clock(), common, strong
        )

    # ---- the judgement --------------------------------------------------------------------------------------------

    async def _judge(
        self, attempt: Attempt, claimed: Claimed, verdict: Verdict, turn: Turn, *, strong: bool
    ) -> Decision:
        if verdict.refuse is not None:
            return Refused(Outcome.CREDENTIALS, verdict.refuse.value)
        source, credential = claimed.source, claimed.credential
        if claimed.refusal is not None or source is None or credential is None:
            refusal = claimed.refusal or UNKNOWN_USER
            # An app password of a known account costs no hashing either; nor does the guard limit how many are tried.
            spent = isinstance(attempt.proof, Password) and not strong
            return await self._prover.nobody(refusal, turn) if spent else refusal
        rules = self._rules_of(split(credential.account)[1]).of(credential)
        shown = claimed.shown or await self._shown(attempt, source, credential, rules, turn)
        if isinstance(shown, Refused):
            return shown
        if not credential.enabled:
            return DISABLED
        if not rules.pop3:
            return POP3_OFF
        if credential.networks and not is_within(attempt.origin.address, credential.networks):
            return WRONG_NETWORK
        factors = shown.factors | self._of_certificate(attempt, credential)
        if mfa.decide(rules.mfa, factors, totp=credential.totp) is not mfa.Verdict.OK:
            return MISSING_FACTOR
        return await self._admit(attempt, credential, shown, factors)

    async def _shown(
        self, attempt: Attempt, source: Source, credential: Credential, rules: Rules, turn: Turn
    ) -> Shown | Refused:
        match attempt.proof:
            case Password() as proof:
                return await self._prover.password(proof, source, credential, rules, turn)
            case Scram() as proof:
                return self._prover.scram(proof, source, credential, turn.address)
            case Digest() as proof:
                return self._prover.digest(proof, source, credential, turn.address)
            case Token() | Certificate():
                raise RuntimeError("these are judged with the name")

    def _of_certificate(self, attempt: Attempt, credential: Credential) -> frozenset[Factor]:
        """The client certificate as a further factor, where it is bound to this very account."""
        certificate = attempt.origin.certificate
        if not certificate or isinstance(attempt.proof, Certificate):  # then it was shown with the name
            return frozenset()
        bound = account_of(certificate, self._wall_clock())
        same = bound is not None and self._claims.is_same(bound, credential.account)
        return frozenset({Factor.CERTIFICATE}) if same else frozenset()

    async def _admit(
        self, attempt: Attempt, credential: Credential, shown: Shown, factors: frozenset[Factor]
    ) -> Decision:
        template = credential.maildir or self._template_of(split(credential.account)[1])
        try:
            maildrop = maildir_path(template, credential.account, credential.home)
        except InvalidPath as error:
            return Refused(Outcome.PERMANENT, str(error))
        if self._login_delay is not None and not await self._in_time(self._login_delay, credential.account):
            return TOO_SOON
        if shown.remember is not None:
            shown.remember()
        if self._recheck is not None and isinstance(attempt.proof, Password) and shown.factors == _OWN_PASSWORD:
            self._recheck(credential.account, attempt.proof.secret)
        app = shown.app_password
        if self._usage is not None:
            now = self._wall_clock()
            self._usage.note_login(credential.account, credential.last_login, now)
            if app is not None:
                way_in = f"{attempt.mechanism}, {attempt.origin.tls or 'cleartext'}"
                self._usage.note_app_password(app, now, attempt.origin.address, way_in)
        read_only = credential.read_only or (app is not None and app.read_only)
        newer_than = app.newer_than if app is not None else None
        identity = mfa.identify(factors, shown.which)
        account = Account(credential.account, maildrop, read_only, identity, newer_than)
        return Accepted(account, shown.final)

    async def _in_time(self, login_delay: LoginDelay, account: str) -> bool:
        try:
            return await asyncio.to_thread(login_delay.admit, account)
        except OSError as error:
            self._sink.emit(Warned(about="login-delay", text=f"not enforced: {error.strerror}"))
            return True

    # ---- beside the decision ----------------------------------------------------------------------------------

    def _upgrade(self, source: Source, credential: Credential, password: bytes) -> None:
        task = asyncio.ensure_future(self._upgraded(source, credential, password))
        self._upgrades.add(task)
        task.add_done_callback(self._upgrades.discard)

    async def _upgraded(self, source: Source, credential: Credential, password: bytes) -> None:
        try:
            await self._hashing.run(lambda: source.upgrade(credential, password), OWN_WORK)
        except HashingBusy:
            pass  # the next login tries again
        except SourceUnavailable as error:
            self._sink.emit(Warned(about="rehash", text=f"{credential.account}: {error.reason}"))
        except Exception as error:
            self._sink.emit(internal_error(error))
