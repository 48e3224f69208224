"""The pipeline that turns an `Attempt` into a `Decision`.

Rules: every refusal of credentials takes one path and leaves at one quantised deadline, whatever its reason (P42);
success and "nobody can tell" leave at once (P44); a delay is the attempt's own and holds up no one else (P50); the
first source that knows the name decides; the cache only saves hashing, everything else is asked anew each time; a
defect lets nobody in and raises nothing. Where accounts come from is in `sources`, what a hash is in `passwords` and
`schemes`.

    normalise → look up → verify (cached | hashed | a dummy hash for nobody) → may come in? → delay → decision
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from pillarbox.auth.attempt import Accepted, Account, Attempt, Decision, Outcome, Refused
from pillarbox.auth.cache import VerificationCache
from pillarbox.auth.login_delay import LoginDelay
from pillarbox.auth.names import InvalidName, InvalidPath, maildir_path, normalise, split
from pillarbox.auth.passwords import Hasher, HashingBusy, HashingPool, may_be_right
from pillarbox.auth.sources import Credential, Source, SourceUnavailable
from pillarbox.events import Sink, Warned, internal_error

# The fixed phrases of refusals. They are for events; the peer learns the outcome alone.
INVALID_NAME = Refused(Outcome.CREDENTIALS, "not a possible name")
UNKNOWN_USER = Refused(Outcome.CREDENTIALS, "unknown user")
WRONG_PASSWORD = Refused(Outcome.CREDENTIALS, "wrong password")
IMPOSSIBLE_PASSWORD = Refused(Outcome.CREDENTIALS, "empty or over-long password")
OTHER_IDENTITY = Refused(Outcome.CREDENTIALS, "another identity was asked for")
DISABLED = Refused(Outcome.CREDENTIALS, "disabled")
WRONG_NETWORK = Refused(Outcome.CREDENTIALS, "not allowed from this address")
TOO_BUSY = Refused(Outcome.TEMPORARY, "too many passwords to check")
DEFECT = Refused(Outcome.TEMPORARY, "internal error")
TOO_SOON = Refused(Outcome.LOGIN_DELAY, "too soon after the last login")


@dataclass(frozen=True, slots=True)
class Timing:
    """When refusals of credentials leave.

    Attributes:
        delay: seconds from the attempt's arrival, at the earliest.
        step: seconds; the answer comes at a whole multiple of it.
    """

    delay: float
    step: float

    def deadline(self, elapsed: float) -> float:
        """Seconds after the arrival at which a refusal leaves that was decided after `elapsed` seconds."""
        # A little less than the exact quotient: 1.0 / 0.1 must be 10 steps, not 11.
        return math.ceil(max(self.delay, elapsed) / self.step - 1e-9) * self.step


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
        sleep: waits so many seconds.
        sink: is told of defects and of what could not be written.
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
        sleep: Callable[[float], Awaitable[None]],
        sink: Sink,
        login_delay: LoginDelay | None = None,
    ) -> None:
        if len({source.name for source in sources}) < len(sources):
            # The cache tells sources apart by name.
            raise ValueError("two sources of accounts have the same name")
        self._sources = tuple(sources)
        self._hashing = hashing
        self._hasher = hasher
        self._cache = cache
        self._template_of = template_of
        self._default_domain = default_domain
        self._timing = timing
        self._clock = clock
        self._sleep = sleep
        self._sink = sink
        self._login_delay = login_delay
        self._upgrades: set[asyncio.Task[None]] = set()

    async def decide(self, attempt: Attempt) -> Decision:
        """See `Authenticator.decide`."""
        arrival = self._clock()
        try:
            decision = await self._decide(attempt)
        except HashingBusy:
            return TOO_BUSY
        except SourceUnavailable as error:
            return Refused(Outcome.TEMPORARY, error.reason)
        except Exception as error:
            self._sink.emit(internal_error(error, attempt.session))
            return DEFECT
        if isinstance(decision, Refused) and decision.outcome is Outcome.CREDENTIALS:
            elapsed = self._clock() - arrival
            await self._sleep(self._timing.deadline(elapsed) - elapsed)
        return decision

    async def close(self) -> None:
        """Wait for what is still being written after logins."""
        await asyncio.gather(*self._upgrades)

    # ---- the steps --------------------------------------------------------------------------------------------

    async def _decide(self, attempt: Attempt) -> Decision:
        try:
            name = normalise(attempt.login, self._default_domain)
        except InvalidName:
            return await self._nobody(INVALID_NAME)
        source, credential = await self._look_up(name)
        if source is None or credential is None:
            return await self._nobody(UNKNOWN_USER)
        if attempt.authzid and not self._same_identity(attempt.authzid, name):
            return await self._nobody(OTHER_IDENTITY)
        password = attempt.password.reveal()
        if not may_be_right(password):
            return await self._nobody(IMPOSSIBLE_PASSWORD)
        key = self._cache.key(source.name, credential, password)
        # A closed account pays the whole price each time, as a wrong password does.
        known = credential.enabled and self._cache.knows(key)
        if not known and not await self._hashing.run(lambda: source.verify(credential, password)):
            return WRONG_PASSWORD
        if not credential.enabled:
            return DISABLED
        if credential.networks and not _inside(credential, attempt.origin.address):
            return WRONG_NETWORK
        if not known:
            self._cache.remember(key)
            self._upgrade(source, credential, password)
        return await self._admit(credential)

    async def _look_up(self, name: str) -> tuple[Source | None, Credential | None]:
        for source in self._sources:
            found = source.lookup(name)
            if found is not None and not isinstance(found, Credential):
                found = await found
            if found is None:
                continue
            if found.account != name:
                # A source that answers for somebody else would open another user's mail.
                raise RuntimeError(f"the source {source.name} answered for another account")
            return source, found
        return None, None

    def _same_identity(self, authzid: str, name: str) -> bool:
        try:
            return normalise(authzid, self._default_domain) == name
        except InvalidName:
            return False

    async def _nobody(self, refusal: Refused) -> Refused:
        """Spend what a wrong password costs."""
        await self._hashing.run(self._hasher.verify_nobody)
        return refusal

    async def _admit(self, credential: Credential) -> Decision:
        template = credential.maildir or self._template_of(split(credential.account)[1])
        try:
            maildrop = maildir_path(template, credential.account, credential.home)
        except InvalidPath as error:
            return Refused(Outcome.PERMANENT, str(error))
        if self._login_delay is not None and not await self._in_time(self._login_delay, credential.account):
            return TOO_SOON
        return Accepted(Account(credential.account, maildrop, credential.read_only))

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
            await self._hashing.run(lambda: source.upgrade(credential, password))
        except HashingBusy:
            pass  # the next login tries again
        except SourceUnavailable as error:
            self._sink.emit(Warned(about="rehash", text=f"{credential.account}: {error.reason}"))
        except Exception as error:
            self._sink.emit(internal_error(error))


def _inside(credential: Credential, address: str) -> bool:
    try:
        origin = ip_address(address)
    except ValueError:
        return False
    return any(origin in network for network in credential.networks)
