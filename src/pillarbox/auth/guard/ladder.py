"""A binomial-ladder filter: which secrets are popular among failures, without keeping any of them.

Rules: half of the bits are always set, so that a secret never seen stands about half way up its ladder; each sighting
sets one more of its rungs, and clears a bit elsewhere, so that what is no longer seen sinks; no secret, and no tag of
one, can be read back. (Schechter and Herley, "The Binomial Ladder Frequency Filter", 2018; used by StopGuessing.)
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import shake_128
from struct import Struct

_INDEX = Struct("<I")
_SPARE = 8


class Ladder:
    """The filter.

    Args:
        size: bits, a power of two. A secret stays popular while it is one of some `size / (2 * rungs)` failures.
        rungs: bits that stand for one secret.
        below: a random number below its argument.
    """

    def __init__(self, size: int, rungs: int, below: Callable[[int], int]) -> None:
        if size & (size - 1) or size < 2 * rungs:
            raise ValueError("the size of a ladder filter is a power of two, and well above its rungs")
        self._mask = size - 1
        self._rungs = rungs
        self._below = below
        # One octet for each bit: quick, and small enough.
        self._bits = bytearray(size)
        for index in range(0, size, 2):
            self._bits[index + below(2)] = 1

    def _places(self, tag: int) -> list[int]:
        # Tags are keyed already, so that spreading them needs no secret. A few more than needed, as some coincide.
        digest = shake_128(tag.to_bytes(8, "little")).digest(4 * (self._rungs + _SPARE))
        mask = self._mask
        return list(dict.fromkeys([index & mask for (index,) in _INDEX.iter_unpack(digest)]))[: self._rungs]

    def height(self, tag: int) -> int:
        """How many of a secret's rungs are set."""
        bits = self._bits
        return sum([bits[index] for index in self._places(tag)])

    def step(self, tag: int) -> int:
        """Take note of one sighting; return the height before it."""
        bits = self._bits
        places = self._places(tag)
        unset = [index for index in places if not bits[index]]
        if unset:
            bits[unset[self._below(len(unset))]] = 1
            # The next set bit from a random place on; not one of the secret's own.
            index = bits.find(1, self._below(self._mask + 1))
            while index in places or index < 0:
                index = bits.find(1, index + 1)
            bits[index] = 0
        return len(places) - len(unset)

    def dump(self) -> bytes:
        """The filter's bits, for `load`."""
        return bytes(self._bits)

    def load(self, dumped: bytes) -> bool:
        """Take over what `dump` gave; False, and nothing changed, if it is of another size or not ours."""
        if len(dumped) != len(self._bits) or dumped.count(1) + dumped.count(0) != len(dumped):
            return False
        self._bits[:] = dumped
        return True
