"""The guard's engine: the decision before a secret is checked, and what is learnt from how it went.

Rules: pure but for its journal: time comes with each request, randomness through the constructor, so that the
simulator's virtual clock drives the same code; neither `before` nor `after` raises, and a defect refuses nobody and
lets nobody in (the secret is checked all the same); what an attack on an account does is never charged to the account's
familiar origins; what a penalty depends on tells nothing about accounts (P42). Different wrong secrets are counted, not
failures. What is learnt is one `Observation` each, applied in the same way whether it happened here, in another worker,
or before a restart.

    before: news → familiar? → allowed? → blocks → account × address → account → campaign → verdict
    after:  nothing new? done → observation → journal → apply
"""

from __future__ import annotations

from collections.abc import Callable

from pillarbox.auth.guard.accounts import DAY, Account, Pair
from pillarbox.auth.guard.interface import REASONS, UNSEEN, GuardRequest, Lane, Reason, Verdict
from pillarbox.auth.guard.knowledge import Knowledge
from pillarbox.auth.guard.learning import Learner
from pillarbox.auth.guard.places import Key, Place, place
from pillarbox.auth.guard.state import Journal, Observation, What
from pillarbox.config.schema_guard import Guard as Settings
from pillarbox.events import Sink, internal_error

_FAMILIAR = Verdict(Lane.FAMILIAR, None, 0.0)
_OPEN = Verdict(Lane.UNFAMILIAR, None, 0.0)

_SETTLES_BELOW = 0.5
"""A place becomes familiar only while fewer than this share of `guesses_per_source` was tried from it: a guess that
was lucky must not make the guesser an old friend."""

_NAME = 320
"""Characters of an account's name that are kept: RFC 5321 §4.5.3.1 allows no more."""


class GuardEngine:
    """The guard; implements `interface.Guard`. For one thread.

    Args:
        settings: the section `guard` of the configuration.
        journal: how other workers and the next start learn what is learnt here.
        below: a random number below its argument, for the filter of popular secrets.
        sink: is told of blocks, attacks and campaigns.
    """

    def __init__(self, settings: Settings, journal: Journal, *, below: Callable[[int], int], sink: Sink) -> None:
        self._settings = settings
        self._journal = journal
        self._sink = sink
        self.known = Knowledge(settings, below, journal.load())
        self._memory = self.known.memory
        self._learner = Learner(self.known, sink)

    # ---- what the pipeline calls --------------------------------------------------------------------------------

    def before(self, request: GuardRequest) -> Verdict:
        """See `interface.Guard.before`."""
        try:
            self.catch_up(request.when)
            request = _bounded(request)
            account = self._memory.accounts.get(request.account)
            spot = place(request.address)
            if account is not None:
                home = account.home(spot, request.when, self.known.lasting)
                if home is not None:
                    return self._of_familiar(request, home, account)
            if self.known.is_allowed(request.address, request.when):
                return _OPEN
            return self._of_unfamiliar(request, spot, account)
        except Exception as error:
            self._sink.emit(internal_error(error, request.session))
            return _OPEN

    def after(self, request: GuardRequest, succeeded: bool, reason: str) -> None:
        """See `interface.Guard.after`."""
        try:
            request = _bounded(request)
            what = What.SUCCEEDED if succeeded else What.FAILED
            if reason in REASONS:
                counts = self._counts_refused(reason, place(request.address), request.when)
                what = What.REFUSED if counts else What.SLOWED
            if self._is_news(what, request):
                self.learn(self._observed(what, request))
            self._journal.beat(request.when)
        except Exception as error:
            self._sink.emit(internal_error(error, request.session))

    def knows(self, address: str, when: float) -> bool:
        """Whether somebody was let in from this address's network lately."""
        return not self.known.is_fresh(place(address), when)

    def learn(self, observation: Observation) -> None:
        """Take note of something that happened here, and tell the other workers."""
        self._journal.append(observation)
        self._learner.apply(observation, here=True)

    def tick(self, when: float) -> None:
        """Write and read what is due, and let campaigns end; to be called every second or so. Never raises."""
        try:
            self.catch_up(when)
            self._learner.tick(when)
            self._journal.tick(when, self.known.chunks)
        except Exception as error:
            self._sink.emit(internal_error(error))

    def catch_up(self, when: float) -> None:
        """Learn what other workers have observed."""
        if self._memory.started is None:
            self._memory.started = when
        for observation in self._journal.news(when):
            self._learner.apply(observation, here=False)

    def flush(self, when: float) -> bool:
        """Write all that waits; whether nothing waits any more."""
        return self._journal.flush(when)

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._journal.close()

    # ---- before -------------------------------------------------------------------------------------------------

    def _of_familiar(self, request: GuardRequest, home: Key, account: Account) -> Verdict:
        pair = self._memory.pairs.get((request.account, home))
        if (
            pair is not None
            and not request.strong
            and not account.knows_secret(request.secret_tag)
            and self._is_full(pair, request.when, self._settings.guesses_when_familiar)
        ):
            return Verdict(Lane.FAMILIAR, Reason.PAIR, 0.0)
        return _FAMILIAR

    def _of_unfamiliar(self, request: GuardRequest, spot: Place, account: Account | None) -> Verdict:
        if self.known.spray.campaign is not None:
            self._learner.tick(request.when)
        campaign = self.known.spray.campaign
        tagged = campaign is not None and self.known.takes_part(campaign, request, spot, account)
        lane = Lane.SUSPICIOUS if tagged else Lane.UNFAMILIAR
        penalty = self._penalty(spot, request.when)
        if request.strong:
            return Verdict(lane, None, penalty)
        reason = self._blocked(request, spot, account) or self._exhausted(request, spot, account)
        if reason is None and tagged and self._settings.campaign_refuses and self.known.has_learnt(request.when):
            reason = Reason.CAMPAIGN
        return Verdict(lane, reason, penalty)

    def _blocked(self, request: GuardRequest, spot: Place, account: Account | None) -> Reason | None:
        sources = self._memory.sources
        for key in (spot.address, *spot.around):
            source = sources.get(key)
            if source is not None and source.block is not None and source.block.holds(request.when):
                if self._vouched(request, spot, account):
                    return None
                return Reason.SOURCE if key == spot.address else Reason.SUBNET
        return None

    def _vouched(self, request: GuardRequest, spot: Place, account: Account | None) -> bool:
        """Whether this is likely a rightful user behind an address shared with an attacker (carrier-grade NAT).

        Others were let in from there lately, and the secret looks like one that was right for this account. As this
        answers guesses, those that are refused here are charged to the account as if they had been checked.
        """
        if account is None or request.secret_tag not in account.right or self.known.is_fresh(spot, request.when):
            return False
        return not self.known.is_popular(request.common_tag)

    def _exhausted(self, request: GuardRequest, spot: Place, account: Account | None) -> Reason | None:
        pair = self._memory.pairs.get((request.account, spot.address))
        if pair is not None and self._is_full(pair, request.when, self._settings.guesses_per_source):
            return Reason.PAIR
        return None if account is None else self.known.refuses(account, request.when)

    def _is_full(self, pair: Pair, when: float, most: int) -> bool:
        pair.tally.prune(when, self._settings.window)
        return pair.tally.guesses >= most

    def _penalty(self, spot: Place, when: float) -> float:
        source = self._memory.sources.get(spot.address)
        if source is None:
            return 0.0
        settings = self._settings
        # Whole failures only, and without weights: neither timing nor its changes may tell who exists.
        failures = int(source.failures.now(when, settings.half_life) + 0.5)
        return min(settings.penalty_longest, settings.penalty * failures)

    # ---- after --------------------------------------------------------------------------------------------------

    def _is_news(self, what: What, request: GuardRequest) -> bool:
        memory, when = self._memory, request.when
        account = memory.accounts.get(request.account)
        spot = place(request.address)
        home = account.home(spot, when, self.known.lasting) if account else None
        if what is What.SUCCEEDED:
            if account is None or home is None:
                return True
            if request.secret_tag not in account.right and request.secret_tag != UNSEEN:
                return True
            pair = memory.pairs.get((request.account, spot.address))
            if pair is not None and (pair.charged or pair.evidence):
                return True
            # At most once a day; a time ahead of the clock is put right.
            return not -DAY < when - account.homes.get(spot.address, 0.0) < DAY
        if what is What.SLOWED and (home is not None or self._penalty(spot, when) >= self._settings.penalty_longest):
            return False
        pair = memory.pairs.get((request.account, spot.address if home is None else home))
        if pair is None:
            return True
        pair.tally.prune(when, self._settings.window)
        return not pair.tally.has(request.secret_tag, strong=request.strong)

    def _counts_refused(self, reason: str, spot: Place, when: float) -> bool:
        if reason == Reason.CAMPAIGN.value:
            # Enough to know what it looks like: a flood of refusals must not become a flood of news.
            return self.known.spray.wants_more(when)
        return reason in (Reason.SOURCE.value, Reason.SUBNET.value) and not self.known.is_fresh(spot, when)

    def _observed(self, what: What, request: GuardRequest) -> Observation:
        spot, when = place(request.address), request.when
        flag = False
        if what is What.SUCCEEDED:
            pair = self._memory.pairs.get((request.account, spot.address))
            tried = pair.tally.guesses if pair else 0
            campaign = self.known.spray.campaign
            account = self._memory.accounts.get(request.account)
            tagged = campaign is not None and self.known.takes_part(campaign, request, spot, account)
            flag = request.strong or (tried < _SETTLES_BELOW * self._settings.guesses_per_source and not tagged)
        elif what is What.REFUSED:
            # Only campaigns refuse where nobody was let in; see `_counts_refused`.
            flag = self.known.is_fresh(spot, when)
        return Observation(
            what, when, request.account, request.address, request.secret_tag, request.common_tag,
            request.known is False, request.strong, flag,
        )  # fmt: skip


def _bounded(request: GuardRequest) -> GuardRequest:
    """The request with no more of the name than is kept."""
    return request if len(request.account) <= _NAME else request._replace(account=request.account[:_NAME])
