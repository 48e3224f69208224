"""Attacks spread over many addresses: site-wide evidence, and what the campaign it reveals looks like.

Rules: evidence comes only from failures that the right secret has not followed, and no single address gives more than
a little, so that one noisy machine is no campaign; what is usual is learnt, campaigns left out. CUSUM over site-wide
failures as in Javed & Paxson, "Detecting Stealthy, Distributed SSH Brute-Forcing" (CCS 2013). Who is refused while a
campaign lasts is decided in `engine`.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from pillarbox.auth.guard.places import Key
from pillarbox.config.schema_guard import Guard as Settings

HOUR = 3600.0
RECENT = 128
"""Pieces of evidence by which a campaign is described: enough to tell shares of a tenth apart."""

_REVIEW = 16
"""Pieces of evidence between two looks at what kind of campaign it is."""

_SAMPLE = 10.0
"""Seconds between two pieces of evidence when the sum can rise no more."""

_QUIET = 0.25
"""A campaign ends when the sum has fallen to this share of the alarm."""

_CAP = 1.5
"""The sum goes no higher than this many alarms, so that a campaign that stopped ends within hours."""


class Kind(enum.Enum):
    """What most of the evidence has in common: what later attempts are measured by."""

    SPRAY = "the same secrets over many accounts"
    ACCOUNT = "many addresses against one account"
    STUFFING = "different secrets over many accounts"


class Evidence(NamedTuple):
    """One failure from a place where nobody was let in lately. `common` is the tag of its secret; never stored."""

    source: Key
    account: str
    common: int | None
    unknown: bool


class Campaign(msgspec.Struct, array_like=True, frozen=True):
    """A campaign that lasts. `target` is the account of a campaign against one, else ""."""

    number: int
    since: float
    kind: Kind
    target: str


class SprayState(msgspec.Struct, array_like=True):
    """What is carried over a restart. `usual` and `weight` are decayed sums of evidence and of hours."""

    sum: float = 0.0
    at: float = 0.0
    usual: float = 0.0
    weight: float = 0.0
    campaigns: int = 0
    campaign: Campaign | None = None


class SprayDetector:
    """Finds campaigns. Times are UTC seconds.

    Args:
        settings: the section `guard` of the configuration.
        is_popular: whether the secret of a tag is popular among failures, as of now.
    """

    def __init__(self, settings: Settings, is_popular: Callable[[int | None], bool]) -> None:
        self._settings = settings
        self.state = SprayState()
        self._recent: deque[Evidence] = deque(maxlen=RECENT)
        self._is_popular = is_popular
        self._count = 0
        self._added = 0.0

    @property
    def campaign(self) -> Campaign | None:
        """The campaign that lasts, as of the last `add` or `tick`."""
        return self.state.campaign

    def wants_more(self, when: float) -> bool:
        """Whether more evidence of a campaign is of use: while the sum can rise, and now and then for its kind."""
        full = self.state.sum >= self._settings.campaign_alarm * _CAP - 1
        return not full or not 0 <= when - self._added < _SAMPLE

    @property
    def recent(self) -> list[Evidence]:
        """The latest evidence, oldest first."""
        return list(self._recent)

    def usual(self) -> float:
        """The evidence an hour that is usual here."""
        state = self.state
        # The floor counts as a day of observation, so that the first hours decide nothing.
        day = 24.0
        floor = self._settings.campaign_floor
        return max(floor, (state.usual + floor * day) / (state.weight + day))

    def tick(self, when: float) -> Campaign | None:
        """Let time pass; return the campaign that ended by it."""
        state, settings = self.state, self._settings
        elapsed = when - state.at
        # A clock that stepped, either way, proves nothing about what is usual.
        hours = elapsed / HOUR if 0 < elapsed < settings.campaign_memory else 0.0
        state.at = when
        state.sum = max(0.0, state.sum - settings.campaign_slack * self.usual() * hours)
        if elapsed >= settings.campaign_memory:
            state.sum = 0.0
        fade = 2.0 ** (-hours * HOUR / settings.campaign_memory)
        state.usual *= fade
        state.weight *= fade
        ended = state.campaign
        if ended is None:
            state.weight += hours
        elif state.sum < settings.campaign_alarm * _QUIET:
            state.campaign = None
            self._recent.clear()
            return ended
        return None

    def add(self, evidence: Evidence, amount: float, when: float) -> Campaign | None:
        """Take a piece of evidence; return the campaign that it reveals, if it reveals one."""
        self.tick(when)
        self._added = when
        state, settings = self.state, self._settings
        self._recent.append(evidence)
        self._count += 1
        state.sum = min(state.sum + amount, settings.campaign_alarm * _CAP)
        if state.campaign is not None:
            if self._count % _REVIEW == 0:
                kind, target = self._described()
                state.campaign = Campaign(state.campaign.number, state.campaign.since, kind, target)
            return None
        state.usual += amount
        if state.sum < settings.campaign_alarm:
            return None
        # What led to the alarm was the campaign's, not usual.
        state.usual = max(0.0, state.usual - settings.campaign_alarm)
        state.campaigns += 1
        state.campaign = Campaign(state.campaigns, when, *self._described())
        return state.campaign

    def take_back(self, amount: float) -> None:
        """The right secret followed: it was no evidence."""
        state = self.state
        if state.campaign is None:
            state.usual = max(0.0, state.usual - amount)
        state.sum = max(0.0, state.sum - amount)

    def _described(self) -> tuple[Kind, str]:
        recent = self._recent
        target, most = Counter(one.account for one in recent).most_common(1)[0]
        if most > len(recent) / 2:
            return Kind.ACCOUNT, target
        repeated = sum(one.unknown or self._is_popular(one.common) for one in recent)
        # Only where nearly all of it repeats may attempts that do not repeat go free.
        return (Kind.SPRAY, "") if repeated > 0.9 * len(recent) else (Kind.STUFFING, "")
