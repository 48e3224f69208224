"""The verification cache: "this password was right for this stored form", remembered for a while.

Rules: only right passwords are remembered; the cache never says who somebody is or whether they may come in, it only
saves the hashing; its key covers everything that decides (source, account, epoch, stored form, password), each with its
length, under a random key of the process, so that no two different questions can share an answer and the cache holds no
password; any change of the account misses by itself, because epoch or stored form differ.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from struct import Struct

from pillarbox.auth.sources import Credential

_LENGTHS = Struct("<IIIIq").pack


class VerificationCache:
    """Right answers, each for `seconds`, at most `size` of them; the oldest leaves first.

    Args:
        key: 16 to 64 random octets, new at every start.
        seconds: how long an answer is good; 0 remembers nothing.
        size: answers kept; each takes some 150 octets.
        clock: monotonic seconds.
    """

    def __init__(self, key: bytes, *, seconds: float, size: int, clock: Callable[[], float]) -> None:
        if not 16 <= len(key) <= 64:
            raise ValueError("the key of the verification cache has 16 to 64 octets")
        self._hash = blake2b(key=key, digest_size=32)
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._until: dict[bytes, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def key(self, source: str, credential: Credential, password: bytes) -> bytes:
        """The key of one question."""
        names = source.encode(), credential.account.encode(), credential.stored.encode("utf-8", "surrogateescape")
        digest = self._hash.copy()
        digest.update(_LENGTHS(len(names[0]), len(names[1]), len(names[2]), len(password), credential.epoch))
        digest.update(b"".join((*names, password)))
        return digest.digest()

    def knows(self, key: bytes) -> bool:
        """Whether the answer to this question is known to be yes."""
        until = self._until.get(key)
        if until is None:
            return False
        if self._clock() >= until:
            del self._until[key]
            return False
        return True

    def remember(self, key: bytes) -> None:
        """The answer to this question is yes, as of now."""
        if self._seconds <= 0 or self._size < 1:
            return
        self._until.pop(key, None)
        while len(self._until) >= self._size:
            del self._until[next(iter(self._until))]
        self._until[key] = self._clock() + self._seconds
