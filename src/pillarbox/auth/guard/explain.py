"""Why the guard treats an address or a user as it does: plain facts for `pillarbox guard`, made from what is known.

Rules: it changes nothing that decides, and says nothing about secrets but how many; times are UTC seconds, which the
command line writes out.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pillarbox.auth.guard import places
from pillarbox.auth.guard.knowledge import Knowledge
from pillarbox.auth.guard.memory import Source


class PlaceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is held against an address or a network.

    Attributes:
        place: the address or network.
        score, limit: it is blocked at the limit, which rises with the accounts let in from its network.
        failures: different wrong secrets lately, as penalties count them.
        unknown, popular: how many were for unknown users; how many were popular, ever since it is remembered.
        blocked_until: UTC seconds; None if it is not blocked.
        blocks: blocks in a row.
        why: what led to the last block; "" for none.
        campaign: the number of the last campaign it took part in; 0 for none.
    """

    place: str
    score: float
    limit: float
    failures: float
    unknown: int
    popular: int
    blocked_until: float | None
    blocks: int
    why: str
    campaign: int


class AddressFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about an address, and what that means.

    Attributes:
        address: as it was asked for.
        verdict: a sentence: what happens to somebody who tries from there.
        allowed: the configuration or a command allows it.
        fresh: nobody was let in from its network lately.
        places: the address and the networks around it, as far as anything is held against them.
        accounts: accounts that are at home there.
        tried: accounts with wrong secrets from there in the last window, with how many.
    """

    address: str
    verdict: str
    allowed: bool
    fresh: bool
    places: list[PlaceFacts]
    accounts: list[str]
    tried: dict[str, int]


class UserFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about an account.

    Attributes:
        user: its name.
        verdict: a sentence: what happens to somebody who tries from an unfamiliar address.
        secrets: different wrong secrets from unfamiliar addresses in the last window.
        exposure: the share of all users' passwords that those cover, by estimate.
        row: different wrong secrets in a row.
        homes: addresses and networks it is familiar with, with the last time (UTC seconds).
        tried: places with wrong secrets in the last window, with how many.
    """

    user: str
    verdict: str
    secrets: int
    exposure: float
    row: int
    homes: dict[str, float]
    tried: dict[str, int]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The guard as a whole.

    Attributes:
        started: when it first ran (UTC seconds); None if it never did.
        learning: campaigns are only reported yet.
        blocked: places blocked now, the longest first.
        attacked: accounts whose unfamiliar addresses are refused now.
        campaign: what the campaign that lasts has in common; "" for none.
        campaign_since: UTC seconds; None for none.
        campaign_target: the account it is against, or "".
        evidence, alarm: a campaign is detected when the evidence reaches the alarm.
        usual: evidence an hour that is usual here.
        allowed: networks that a command allowed, each with the time until which (UTC seconds).
        sources, accounts, pairs: how many are remembered.
    """

    started: float | None
    learning: bool
    blocked: list[PlaceFacts]
    attacked: list[str]
    campaign: str
    campaign_since: float | None
    campaign_target: str
    evidence: float
    alarm: float
    usual: float
    allowed: dict[str, float]
    sources: int
    accounts: int
    pairs: int


def address(known: Knowledge, text: str, when: float) -> AddressFacts:
    """Everything about an address.

    Raises:
        ValueError: the text is neither an address nor a network that is scored.
    """
    keys = places.keys_of(text)
    spot = places.place(text.partition("/")[0])
    found = [_place(known, key, known.memory.sources[key], when) for key in keys if key in known.memory.sources]
    blocked = [facts for facts in found if facts.blocked_until is not None]
    allowed = known.is_allowed(text, when)
    fresh = known.is_fresh(spot, when)
    if allowed:
        verdict = "never refused: the network is allowed"
    elif blocked:
        verdict = f"refused, because {blocked[0].place} is blocked; accounts that are at home there are let in"
    elif fresh and known.spray.campaign is not None:
        verdict = "suspicious while the campaign lasts, because nobody was let in from there lately"
    else:
        verdict = "not refused"
    return AddressFacts(
        address=text,
        verdict=verdict,
        allowed=allowed,
        fresh=fresh,
        places=found,
        accounts=sorted(
            name
            for name, account in known.memory.accounts.items()
            if when - max(account.homes.get(key, 0.0) for key in keys) < known.lasting
        ),
        tried=_tried(known, when, lambda name, key: name if key in keys else None),
    )


def user(known: Knowledge, name: str, when: float) -> UserFacts:
    """Everything about an account; the same for one that the guard never met."""
    settings = known.settings
    account = known.memory.accounts.get(name)
    secrets, exposure = account.exposed(when, settings.window) if account else (0, 0.0)
    row = account.row if account else 0
    verdict = "let in with the right secret from anywhere that is not blocked"
    if row >= settings.failures_in_a_row:
        verdict = f"refused from unfamiliar addresses until released: {row} wrong secrets in a row"
    elif secrets >= settings.guesses_per_account:
        verdict = f"refused from unfamiliar addresses: {secrets} different wrong secrets within the window"
    elif exposure >= settings.exposure:
        verdict = f"refused from unfamiliar addresses: popular secrets were tried, which {exposure:.1%} of users have"
    homes = account.homes if account else {}
    return UserFacts(
        user=name,
        verdict=verdict,
        secrets=secrets,
        exposure=exposure,
        row=row,
        homes={places.shown(key): at for key, at in homes.items() if when - at < known.lasting},
        tried=_tried(known, when, lambda other, key: places.shown(key) if other == name else None),
    )


def status(known: Knowledge, when: float) -> Status:
    """The guard as a whole."""
    settings, memory, spray = known.settings, known.memory, known.spray
    blocked = [
        _place(known, key, source, when)
        for key, source in memory.sources.items()
        if source.block is not None and source.block.holds(when)
    ]
    campaign = spray.campaign
    return Status(
        started=memory.started,
        learning=not known.has_learnt(when),
        blocked=sorted(blocked, key=lambda facts: facts.blocked_until or 0.0, reverse=True),
        attacked=sorted(name for name, account in memory.accounts.items() if known.refuses(account, when) is not None),
        campaign=campaign.kind.value if campaign else "",
        campaign_since=campaign.since if campaign else None,
        campaign_target=campaign.target if campaign else "",
        evidence=spray.state.sum,
        alarm=settings.campaign_alarm,
        usual=spray.usual(),
        allowed={text: until for text, until in memory.allowed.items() if when < until},
        sources=len(memory.sources),
        accounts=len(memory.accounts),
        pairs=len(memory.pairs),
    )


def _place(known: Knowledge, key: places.Key, source: Source, when: float) -> PlaceFacts:
    half_life = known.settings.half_life
    block = source.block
    holds = block is not None and block.holds(when)
    return PlaceFacts(
        place=places.shown(key),
        score=source.score.now(when, half_life),
        limit=known.limit(key, when),
        failures=source.failures.now(when, half_life),
        unknown=source.unknown,
        popular=source.popular,
        blocked_until=block.until if block is not None and holds else None,
        blocks=block.level + 1 if block is not None else 0,
        why=block.why if block is not None else "",
        campaign=source.campaign,
    )


def _tried(known: Knowledge, when: float, label: Callable[[str, places.Key], str | None]) -> dict[str, int]:
    """Pairs with wrong secrets in the last window that have a label, with how many."""
    found: dict[str, int] = {}
    for (name, key), pair in known.memory.pairs.items():
        shown = label(name, key)
        if shown is None:
            continue
        pair.tally.prune(when, known.settings.window)
        if pair.tally.tags:
            found[shown] = found.get(shown, 0) + len(pair.tally.tags)
    return found
