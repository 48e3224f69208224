"""What is remembered about an account: where it is at home, and what unfamiliar places have tried against it.

Rules: different wrong secrets are counted, not failures; what familiar origins do wrong is never counted here; only
16-bit keyed tags of secrets are kept, and of the right ones no more than a few. Beside the count stands the exposure,
the share of all users that the guesses tried would have hit (Blocki & Zhang, "DALock", PoPETs 2022).
"""

from __future__ import annotations

import msgspec

from pillarbox.auth.guard.places import Key, Place, region_of

DAY = 86_400.0
_RIGHT_TAGS = 16
"""Right secrets remembered for each account: those of its devices, and the last ones that stale phones still send."""

FUTURE = 300.0
"""Seconds a stored time may be ahead: more means that the clock was set back, and the entry is dropped."""


_STRONG = 1 << 48
"""Added to the tag of what cannot be guessed."""


class Tally(msgspec.Struct, array_like=True):
    """The different wrong secrets of the last window: for each tag when it was first seen (UTC seconds).

    Those that cannot be guessed are told apart: they are no guesses, so that a client which tries SCRAM before the
    password that is right uses up none of its owner's.
    """

    tags: dict[int, float] = {}
    unseen: int = 0  # gives a tag of its own to each proof that shows no secret

    def prune(self, when: float, window: float) -> None:
        """Forget what is older than the window, or comes from a clock that was ahead."""
        tags = self.tags
        oldest = when - window
        if tags and (min(tags.values()) <= oldest or max(tags.values()) > when + FUTURE):
            self.tags = {tag: at for tag, at in tags.items() if oldest < at <= when + FUTURE}

    @property
    def guesses(self) -> int:
        """How many there are that could have been right."""
        return sum(tag < _STRONG for tag in self.tags)

    def has(self, tag: int, *, strong: bool) -> bool:
        """Whether a secret is there already; one that was not seen never is."""
        return (tag + _STRONG if strong and tag >= 0 else tag) in self.tags

    def add(self, tag: int, when: float, most: int, *, strong: bool = False) -> bool:
        """Note a wrong secret; False if it was there already, or there is no room for more than `most` of its kind."""
        if self.has(tag, strong=strong):
            return False
        guesses = self.guesses
        if (len(self.tags) - guesses if strong else guesses) >= most:
            return False
        if tag < 0:
            self.unseen += 1
            tag = 65_535 + self.unseen
        if strong:
            tag += _STRONG
        self.tags[tag] = when
        return True


class Pair(msgspec.Struct, array_like=True):
    """One account at one place: its wrong secrets there, and what they cost the places around.

    Attributes:
        charged: what the failures added to the scores, to be given back when the right secret follows.
        evidence: what they added to the evidence of a campaign.
    """

    tally: Tally = msgspec.field(default_factory=Tally)
    charged: float = 0.0
    evidence: float = 0.0


class Account(msgspec.Struct, array_like=True):
    """One account.

    Attributes:
        homes: keys of addresses and networks it was let in from, each with the last time.
        right: tags of secrets that were right, newest last.
        tally: different wrong secrets from unfamiliar places.
        mass: the share of users that those would have hit.
        row: different wrong secrets in a row, from unfamiliar places.
        failed_at: when the last of them came.
        warned_at: when it was last reported as under attack.
    """

    homes: dict[Key, float] = {}
    right: list[int] = []
    tally: Tally = msgspec.field(default_factory=Tally)
    mass: float = 0.0
    row: int = 0
    failed_at: float = 0.0
    warned_at: float = 0.0

    def home(self, place: Place, when: float, lasting: float) -> Key | None:
        """The key of the familiar origin the place belongs to, its address before its network; None if unfamiliar."""
        homes = self.homes
        seen = homes.get(place.address)
        # A time ahead of the clock is as good as now: the owner must not suffer from a clock that was set back.
        if seen is not None and when - seen < lasting:
            return place.address
        seen = homes.get(place.network)
        return place.network if seen is not None and when - seen < lasting else None

    def near(self, place: Place, when: float, lasting: float) -> bool:
        """Whether it was let in lately from the same region."""
        return any(region_of(key) == place.region and when - seen < lasting for key, seen in self.homes.items())

    def settle(self, place: Place, when: float, most: int) -> None:
        """Make a place familiar."""
        for key in {place.address, place.network}:
            self.homes.pop(key, None)
            self.homes[key] = when
        while len(self.homes) > most:
            del self.homes[min(self.homes, key=self.homes.__getitem__)]

    def knows_secret(self, tag: int) -> bool:
        """Whether a secret of this tag was right, now or some time ago."""
        return tag in self.right

    def learn_secret(self, tag: int) -> None:
        """A secret of this tag was right."""
        if tag >= 0 and (not self.right or self.right[-1] != tag):
            self.right = [*(old for old in self.right if old != tag), tag][-_RIGHT_TAGS:]

    def expose(self, tag: int, mass: float, when: float, window: float, most: int) -> bool:
        """Note a wrong secret from an unfamiliar place; False if it was tried before and adds nothing."""
        self._prune(when, window)
        self.failed_at = when
        if not self.tally.add(tag, when, most):
            return False
        self.mass += mass
        self.row += 1
        return True

    def exposed(self, when: float, window: float) -> tuple[int, float]:
        """How many different secrets were tried in the last window, and what share of users they would have hit."""
        self._prune(when, window)
        return len(self.tally.tags), self.mass

    def _prune(self, when: float, window: float) -> None:
        before = len(self.tally.tags)
        self.tally.prune(when, window)
        if before:
            # The share goes as its guesses do; which guess had which is not kept.
            self.mass *= len(self.tally.tags) / before


def mass_of(height: int, rungs: int, rare: float, popular: float) -> float:
    """The share of users that a guess is taken to hit, from its height on the ladder of popular secrets.

    Half way up, where chance puts a secret, it is `rare`; at the top `popular`; geometric between.
    """
    up = min(1.0, max(0.0, (2 * height - rungs) / rungs))
    if rare <= 0.0:
        return popular * up
    return float(rare * (popular / rare) ** up)
