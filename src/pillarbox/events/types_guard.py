"""The event types of the guard: who is refused before a secret is checked, and why.

Rules: as in `types`; places and reasons are the guard's own words, user names are what a peer sent. None holds a secret
or a tag of one.
"""

from __future__ import annotations

from pillarbox.events.types import Event, Level


class SourceBlocked(Event, frozen=True, tag=True, kw_only=True):
    """An address or network is refused for a while; those familiar to an account are served all through it.

    Attributes:
        source: the address or network.
        until: UTC seconds.
        times: which block in a row it is; each is twice as long as the one before.
        reason: what led to it.
    """

    level = Level.WARNING

    source: str
    until: float
    times: int
    reason: str


class GuardReleased(Event, frozen=True, tag=True, kw_only=True):
    """An administrator's command made the guard forget what it held against an address, a network or a user."""

    what: str


class AccountUnderAttack(Event, frozen=True, tag=True, kw_only=True):
    """So many secrets were tried against an account that unfamiliar addresses are refused; told once a day.

    Attributes:
        secrets: different wrong secrets within the guard's window.
        row: different wrong secrets in a row.
        exposure: the share of all users' passwords that those cover, by estimate.
    """

    level = Level.WARNING

    user: str
    secrets: int
    row: int
    exposure: float


class CampaignDetected(Event, frozen=True, tag=True, kw_only=True):
    """Failures from many addresses belong together.

    Attributes:
        number: tells campaigns apart.
        kind: what they have in common.
        target: the user, where it is one; else "".
        attempts, sources, accounts: of the latest evidence.
        refusing: later attempts that look like it are refused, and not only marked as suspicious.
    """

    level = Level.WARNING

    number: int
    kind: str
    target: str
    attempts: int
    sources: int
    accounts: int
    refusing: bool


class CampaignEnded(Event, frozen=True, tag=True, kw_only=True):
    """A campaign has been quiet for long enough. `since` is when it was detected, UTC seconds."""

    number: int
    since: float


class PolicyRefused(Event, frozen=True, tag=True, kw_only=True):
    """Another server asked the policy API about a login of its own, and the guard refused it.

    Attributes:
        peer: the address that the login came from.
        protocol: what the other server spoke with it, as it says.
        session: the other server's name of its session, or "".
        reason: the guard's.
    """

    level = Level.WARNING

    user: str
    peer: str
    protocol: str
    session: str
    reason: str


class PolicyClientRefused(Event, frozen=True, tag=True, kw_only=True):
    """Somebody at `peer` wanted to use the policy API and may not."""

    level = Level.WARNING

    peer: str
    reason: str


__all__ = [
    "AccountUnderAttack",
    "CampaignDetected",
    "CampaignEnded",
    "GuardReleased",
    "PolicyClientRefused",
    "PolicyRefused",
    "SourceBlocked",
]
