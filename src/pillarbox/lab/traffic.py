"""What travels through the simulation: rightful sign-ins, guesses, and the addresses they come from.

Rules: secrets are numbers, never text: a popular password is its rank, any other a number of its own; the tag a guard
sees is made of account and secret as the server makes it, 16 bits. Times are seconds of the Unix epoch, on a virtual
clock. Addresses are invented, and look like public ones.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from hashlib import blake2b
from typing import NamedTuple

DAY = 86400.0
HOUR = 3600.0


class SignIn(NamedTuple):
    """One sign-in of a rightful client.

    Attributes:
        when: seconds of the epoch.
        account: its index.
        address: canonical text.
        secret: what it offers.
        right: the secret is the account's.
        weight: how many real sessions this one stands for.
    """

    when: float
    account: int
    address: str
    secret: int
    right: bool
    weight: float


class Guess(NamedTuple):
    """One attempt of an attacker. `account` is an index, or -1 for a name nobody has; `name` is what is sent."""

    when: float
    name: str
    account: int
    address: str
    secret: int
    right: bool


def account_name(index: int) -> str:
    """The name of an account of the simulated population."""
    return f"user{index:05d}@example.org"


def secret_tag(name: str, secret: int) -> int:
    """A 16-bit tag of account and secret, as the server's is (there it is keyed; here nobody could turn it round)."""
    return int.from_bytes(blake2b(f"{name}\0{secret}".encode(), digest_size=2).digest())


def common_tag(secret: int) -> int:
    """A 24-bit tag of a secret alone, by which the same secret is recognised at many accounts."""
    return secret * 2654435761 >> 3 & 0xFFFFFF


def origin(address: str) -> str:
    """What counts as the same origin: an IPv4 address itself, an IPv6 address's /64."""
    return address.rsplit(":", 4)[0] if ":" in address else address


def ipv4(number: int) -> str:
    """The text of a 32-bit address."""
    return f"{number >> 24 & 255}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def ipv6(prefix: int, host: int) -> str:
    """An address of the n-th /64 of 2a00::/16; `host` is 64 bits. All groups are written, so that cutting is easy."""
    groups = [0x2A00, prefix >> 32 & 0xFFFF, prefix >> 16 & 0xFFFF, prefix & 0xFFFF]
    groups += [host >> shift & 0xFFFF | 0x1000 for shift in (48, 32, 16, 0)]
    return ":".join(f"{group or 1:x}" for group in groups)


def attacker_addresses(source: random.Random, count: int) -> list[str]:
    """So many different addresses all over 23.0.0.0 to 60.255.255.255, where nobody of the population lives."""
    return [ipv4(number) for number in source.sample(range(23 << 24, 61 << 24), count)]


class Popularity:
    """How passwords are chosen: F(rank) = c · rank^s up to a last rank, unique ones beyond it (CDF-Zipf)."""

    def __init__(self, c: float, s: float, ranks: int) -> None:
        self._c, self._s, self._ranks = c, s, ranks
        self._head = [c * rank**s for rank in range(1, 1025)]

    def share(self, rank: int) -> float:
        """The share of accounts with one of the `rank` most popular passwords."""
        return min(1.0, self._c * math.pow(min(rank, self._ranks), self._s))

    def draw(self, source: random.Random, unique: int) -> int:
        """A secret for an account: a rank, or for rarer ones the number `ranks + 1 + unique`."""
        place = source.random()
        if place <= self._head[-1]:
            return bisect_left(self._head, place) + 1
        rank = int((place / self._c) ** (1 / self._s)) + 1 if place < self.share(self._ranks) else self._ranks + 1
        return rank if rank <= self._ranks else self._ranks + 1 + unique
