"""What the guard learns from an observation, whether it was made here, in another worker, or before a restart.

Rules: what a success undoes was charged by this account at this place; nothing from a familiar origin is ever charged
to anything but itself; different wrong secrets count, repeats do not. A limit that is crossed is told by the worker
that made the last of the observations that crossed it, though it may hear of the others later; now and then two tell.
"""

from __future__ import annotations

import contextlib

from pillarbox.auth.guard.accounts import DAY, Account, Pair, mass_of
from pillarbox.auth.guard.blocks import next_block
from pillarbox.auth.guard.knowledge import Knowledge
from pillarbox.auth.guard.places import Key, Place, keys_of, place, shown
from pillarbox.auth.guard.spray import Campaign, Evidence
from pillarbox.auth.guard.state import Observation, What
from pillarbox.events import (
    AccountUnderAttack,
    CampaignDetected,
    CampaignEnded,
    GuardReleased,
    Sink,
    SourceBlocked,
)

EVIDENCE_OF_ONE = 3.0
"""The most evidence of a campaign that one address gives within a half-life: a campaign is many addresses."""

_OWN = 4_096
"""Accounts and places of which is remembered when this worker itself last observed something there."""

_SITE: Key = b""
"""Stands for all places together, where campaigns are seen."""

_FAINT = 0.25
"""What evidence counts from where somebody was let in lately, or near the account's own places: likely a person."""


class Learner:
    """Changes what is known. `sink` is told of blocks, attacks and campaigns."""

    def __init__(self, known: Knowledge, sink: Sink) -> None:
        self._known = known
        self._settings = known.settings
        self._memory = known.memory
        self._sink = sink
        self._told = 0
        self._own: dict[Key | str, float] = {}
        self._by_what = {
            What.FAILED: self._failed,
            What.SUCCEEDED: self._succeeded,
            What.REFUSED: self._refused,
            What.RELEASE: self._release,
            What.ALLOW: self._allow,
            What.SLOWED: self._slowed,
        }

    def apply(self, observation: Observation, *, here: bool) -> None:
        """Learn from one observation; `here` says that it was made by this worker."""
        memory = self._memory
        if memory.started is None or observation.when < memory.started:
            memory.started = observation.when
        self._by_what[observation.what](observation, here)

    def tick(self, when: float) -> None:
        """Let campaigns end."""
        self._ended(self._known.spray.tick(when))

    def _succeeded(self, seen: Observation, here: bool) -> None:
        memory, settings, when = self._memory, self._settings, seen.when
        spot = place(seen.subject)
        account = memory.account(seen.account)
        pair = memory.pairs.get((seen.account, spot.address))
        if pair is not None and (pair.charged or pair.evidence):
            for key in (spot.address, *spot.around):
                if key in memory.sources:
                    memory.sources[key].score.add(-pair.charged, when, settings.half_life)
            self._known.spray.take_back(pair.evidence)
            pair.charged = pair.evidence = 0.0
        account.learn_secret(seen.tag)
        if not seen.flag:
            return
        if account.home(spot, when, self._known.lasting) is None or when - account.failed_at > settings.window:
            account.row = 0
        seen_last = account.homes.get(spot.address)
        if seen_last is None or not -DAY < when - seen_last < DAY:
            memory.welcome(spot.network, settings.credit, when, settings.half_life)
            account.settle(spot, when, settings.familiar_origins)

    def _failed(self, seen: Observation, here: bool) -> None:
        memory, settings, when = self._memory, self._settings, seen.when
        spot = place(seen.subject)
        account = memory.accounts.get(seen.account)
        home = account.home(spot, when, self._known.lasting) if account else None
        pair = memory.pair((seen.account, spot.address if home is None else home))
        pair.tally.prune(when, settings.window)
        most = settings.guesses_per_source if home is None else settings.guesses_when_familiar
        if not pair.tally.add(seen.tag, when, most + 1, strong=seen.strong) or home is not None:
            return
        if self._known.is_allowed(seen.subject, when):
            return
        memory.source(spot.address).failures.add(1.0, when, settings.half_life)
        if account is not None and account.knows_secret(seen.tag):
            return  # an old secret of a device that was not told: no guess
        height = settings.ladder_rungs // 2 if seen.common is None else self._known.ladder.step(seen.common)
        popular = height >= settings.ladder_popular
        if not seen.strong:
            self._expose(seen, height, here)
        weight = (settings.weight_unknown if seen.unknown else 1.0) * (settings.weight_popular if popular else 1.0)
        pair.charged += weight
        for key in (spot.address, *spot.around):
            self._charge(key, weight, seen, popular, here)
        self._testify(seen, spot, account, pair, popular, here)

    def _tells(self, about: Key | str, when: float, here: bool) -> bool:
        """Whether this worker tells of a limit crossed at `about`, a place or an account.

        Each worker may cross it with an observation of another one, when each has seen a part. The one that made the
        last of them tells: to it, the one that crosses here is older than its own.
        """
        if not here:
            return when < self._own.get(about, 0.0)
        self._own.pop(about, None)
        self._own[about] = when
        if len(self._own) > _OWN:
            del self._own[next(iter(self._own))]
        return True

    def _expose(self, seen: Observation, height: int, here: bool) -> None:
        settings, when = self._settings, seen.when
        tells = self._tells(seen.account, when, here)
        account = self._memory.account(seen.account)
        mass = mass_of(height, settings.ladder_rungs, settings.exposure_rare, settings.exposure_popular)
        if not account.expose(seen.tag, mass, when, settings.window, settings.guesses_per_account):
            return
        count = len(account.tally.tags)
        over = count >= settings.guesses_per_account or account.mass >= settings.exposure
        if (over or account.row >= settings.failures_in_a_row) and abs(when - account.warned_at) >= DAY:
            account.warned_at = when
            if tells:
                row, mass = account.row, account.mass
                self._sink.emit(AccountUnderAttack(user=seen.account, secrets=count, row=row, exposure=mass))

    def _charge(self, key: Key, weight: float, seen: Observation, popular: bool, here: bool) -> None:
        settings, when = self._settings, seen.when
        tells = self._tells(key, when, here)
        source = self._memory.source(key)
        score = source.score.add(weight, when, settings.half_life)
        source.unknown += seen.unknown
        source.popular += popular
        if score < self._known.limit(key, when) or (source.block is not None and source.block.holds(when)):
            return
        why = f"score {score:.1f}: wrong secrets, {source.unknown} for unknown users, {source.popular} popular ones"
        source.block = next_block(source.block, when, why, first=settings.block, longest=settings.block_longest)
        if tells:
            until, level = source.block.until, source.block.level
            self._sink.emit(SourceBlocked(source=shown(key), until=until, times=level + 1, reason=why))

    def _testify(
        self, seen: Observation, spot: Place, account: Account | None, pair: Pair, popular: bool, here: bool
    ) -> None:
        settings, when = self._settings, seen.when
        near = account is not None and account.near(spot, when, self._known.lasting)
        weight = min(EVIDENCE_OF_ONE, 1.0 + seen.unknown + 2 * popular)
        if near or not self._known.is_fresh(spot, when):
            weight *= _FAINT
        source = self._memory.source(spot.address)
        weight = min(weight, EVIDENCE_OF_ONE - source.evidence.now(when, settings.half_life))
        if weight <= 0:
            return
        tells = self._tells(_SITE, when, here)
        source.evidence.add(weight, when, settings.half_life)
        pair.evidence += weight
        before = self._known.spray.campaign
        found = self._known.spray.add(Evidence(spot.address, seen.account, seen.common, seen.unknown), weight, when)
        if before is not None and self._known.spray.campaign is None:
            self._ended(before)
        if self._known.spray.campaign is not None:
            source.campaign = self._known.spray.campaign.number
        if found is not None:
            self._detected(found, tells)

    def _detected(self, campaign: Campaign, tells: bool) -> None:
        recent = self._known.spray.recent
        sources = {one.source for one in recent}
        for key in sources:
            if key in self._memory.sources:
                self._memory.sources[key].campaign = campaign.number
        if tells:
            self._told = campaign.number
            self._sink.emit(
                CampaignDetected(
                    number=campaign.number,
                    kind=campaign.kind.value,
                    target=campaign.target,
                    attempts=len(recent),
                    sources=len(sources),
                    accounts=len({one.account for one in recent}),
                    refusing=self._settings.campaign_refuses and self._known.has_learnt(campaign.since),
                )
            )

    def _ended(self, campaign: Campaign | None) -> None:
        # Told by the worker that told of its beginning; the others notice too.
        if campaign is not None and campaign.number == self._told:
            self._sink.emit(CampaignEnded(number=campaign.number, since=campaign.since))

    def _slowed(self, seen: Observation, here: bool) -> Pair | None:
        """Count a refused secret for the penalty, as if it had been checked; None if it was seen before.

        Places are blocked sooner for unknown users and popular secrets: a penalty that no longer grew then would tell
        which they were (P42).
        """
        settings, when = self._settings, seen.when
        spot = place(seen.subject)
        pair = self._memory.pair((seen.account, spot.address))
        pair.tally.prune(when, settings.window)
        if not pair.tally.add(seen.tag, when, settings.guesses_per_source + 1, strong=seen.strong):
            return None
        self._memory.source(spot.address).failures.add(1.0, when, settings.half_life)
        return pair

    def _refused(self, seen: Observation, here: bool) -> None:
        settings = self._settings
        spot = place(seen.subject)
        pair = self._slowed(seen, here)
        if pair is None:
            return
        if not seen.flag:
            # A blocked address where others are let in: see `_vouched`.
            self._expose(seen, settings.ladder_rungs // 2, here)
            return
        popular = seen.common is not None and self._known.ladder.step(seen.common) >= settings.ladder_popular
        self._testify(seen, spot, self._memory.accounts.get(seen.account), pair, popular, here)

    # ---- commands -----------------------------------------------------------------------------------------------

    def _release(self, seen: Observation, here: bool) -> None:
        if seen.account:
            self._memory.forget_account(seen.account)
        else:
            with contextlib.suppress(ValueError):
                for key in keys_of(seen.subject):
                    self._memory.sources.pop(key, None)
        if here:
            self._sink.emit(GuardReleased(what=seen.account or seen.subject))

    def _allow(self, seen: Observation, here: bool) -> None:
        # The journal comes again after a crash: what has passed since must not begin anew.
        self._memory.allowed[seen.subject] = seen.until
        self._known.list_allowed()
