"""Blocks of addresses and networks: they expire, double when they come again, and say why they are there.

Rules: a block holds only between its two times, so that a clock that was wrong for a while leaves no block behind;
nothing here is for ever. Which score leads to a block is decided in `engine`.
"""

from __future__ import annotations

import msgspec

from pillarbox.auth.guard.places import Key, prefix_of


class Block(msgspec.Struct, array_like=True, frozen=True):
    """One block of a place.

    Attributes:
        since, until: UTC seconds.
        level: 0 for a first block, one more each time it comes again.
        why: a phrase for people: what the score was made of.
    """

    since: float
    until: float
    level: int
    why: str

    def holds(self, when: float) -> bool:
        """Whether it is in force."""
        return self.since <= when < self.until


def next_block(last: Block | None, when: float, why: str, *, first: float, longest: float) -> Block:
    """The block that follows `last`: twice as long, unless the place was free for as long as the longest block."""
    level = 0
    if last is not None and last.since <= when < last.until + longest:
        level = last.level + 1
    # Bounded before it is raised to a power.
    seconds = min(longest, first * 2.0 ** min(level, 64))
    return Block(when, when + seconds, level, why)


def factor_of(key: Key, network_factor: float) -> float:
    """How many times the limit of one address a place may score.

    An IPv6 /56 is one household's or one small site's share of a /48, so it gets half of that.
    """
    version, prefix = prefix_of(key)
    if (version, prefix) in ((4, 24), (6, 48)):
        return network_factor
    return max(1.0, network_factor / 2) if (version, prefix) == (6, 56) else 1.0
