"""All that the guard remembers, in tables that cannot grow without bound; plain data that a snapshot can carry.

Rules: every table has a named limit, and makes room by dropping what is least interesting among its oldest entries;
nothing here decides. The entries of accounts are in `accounts`, blocks in `blocks`, the site-wide evidence in `spray`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

import msgspec

from pillarbox.auth.guard.accounts import Account, Pair
from pillarbox.auth.guard.blocks import Block
from pillarbox.auth.guard.places import Key
from pillarbox.auth.guard.scores import Decayed
from pillarbox.auth.guard.spray import SprayState
from pillarbox.config.schema_guard import Guard as Settings

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_LOOKED_AT = 64
"""Oldest entries among which the less interesting half is dropped when a table is full."""

_CHUNK = 1000
"""Entries in one piece of a snapshot: some milliseconds of work."""


class Source(msgspec.Struct, array_like=True):
    """An address or a network that failures came from.

    Attributes:
        score: what blocks it: weighted different wrong secrets.
        failures: the same without weights, from which penalties follow.
        evidence: what it has added to the evidence of a campaign.
        block: the last block, in force or not.
        unknown, popular: how many of the wrong secrets were for unknown users, or popular ones; for `explain`.
        campaign: the number of the last campaign it took part in; 0 for none.
    """

    score: Decayed = msgspec.field(default_factory=Decayed)
    failures: Decayed = msgspec.field(default_factory=Decayed)
    evidence: Decayed = msgspec.field(default_factory=Decayed)
    block: Block | None = None
    unknown: int = 0
    popular: int = 0
    campaign: int = 0


class Memory:
    """The tables. Keys of places are those of `places`.

    Attributes:
        good: for each network (/24 or /64) the accounts let in from it lately, as a decayed credit.
        allowed: networks that a command allowed, each with the time (UTC seconds) until which.
        started: when the guard first ran; None before its first request.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.sources: dict[Key, Source] = {}
        self.accounts: dict[str, Account] = {}
        self.pairs: dict[tuple[str, Key], Pair] = {}
        self.good: dict[Key, Decayed] = {}
        self.allowed: dict[str, float] = {}
        self.started: float | None = None

    def source(self, key: Key) -> Source:
        """The entry of a place, made if there is none."""
        found = self.sources.get(key)
        if found is None:
            _make_room(self.sources, self._settings.remembered_sources, _interest_of_source)
            found = self.sources[key] = Source()
        return found

    def account(self, name: str) -> Account:
        """The entry of an account, made if there is none."""
        found = self.accounts.get(name)
        if found is None:
            _make_room(self.accounts, self._settings.remembered_accounts, _interest_of_account)
            found = self.accounts[name] = Account()
        return found

    def pair(self, key: tuple[str, Key]) -> Pair:
        """The entry of an account at a place, made if there is none."""
        found = self.pairs.get(key)
        if found is None:
            _make_room(self.pairs, self._settings.remembered_pairs, _interest_of_pair)
            found = self.pairs[key] = Pair()
        return found

    def welcome(self, network: Key, amount: float, when: float, half_life: float) -> None:
        """Somebody was let in from a network."""
        found = self.good.get(network)
        if found is None:
            _make_room(self.good, 2 * self._settings.remembered_sources, lambda credit: credit.at)
            found = self.good[network] = Decayed(0.0, when)
        found.add(amount, when, half_life)

    def forget_account(self, name: str) -> None:
        """Forget what was tried against an account; where it is at home stays."""
        for key in [key for key in self.pairs if key[0] == name]:
            del self.pairs[key]
        found = self.accounts.get(name)
        if found is not None:
            self.accounts[name] = Account(homes=found.homes, right=found.right)


class Chunk(msgspec.Struct, array_like=True):
    """A piece of a snapshot: some entries of one table, or what there is only one of."""

    sources: list[tuple[Key, Source]] = []
    accounts: list[tuple[str, Account]] = []
    pairs: list[tuple[str, Key, Pair]] = []
    good: list[tuple[Key, Decayed]] = []
    allowed: list[tuple[str, float]] = []
    started: float | None = None
    spray: SprayState | None = None
    ladder: bytes = b""


def chunks_of(memory: Memory, spray: SprayState, ladder: bytes) -> Iterator[Chunk]:
    """A snapshot in pieces, each quick to encode; entries may change between two of them."""
    yield Chunk(allowed=list(memory.allowed.items()), started=memory.started, spray=spray, ladder=ladder)
    for sources in _batches(list(memory.sources.items())):
        yield Chunk(sources=sources)
    for accounts in _batches(list(memory.accounts.items())):
        yield Chunk(accounts=accounts)
    for pairs in _batches([(name, key, pair) for (name, key), pair in memory.pairs.items()]):
        yield Chunk(pairs=pairs)
    for good in _batches(list(memory.good.items())):
        yield Chunk(good=good)


def take_chunk(memory: Memory, chunk: Chunk) -> None:
    """Put a piece of a snapshot back into the tables."""
    memory.sources.update(chunk.sources)
    memory.accounts.update(chunk.accounts)
    memory.pairs.update(((name, key), pair) for name, key, pair in chunk.pairs)
    memory.good.update(chunk.good)
    memory.allowed.update(chunk.allowed)
    if chunk.started is not None:
        memory.started = chunk.started


def _batches(entries: list[V]) -> Iterator[list[V]]:
    for start in range(0, len(entries), _CHUNK):
        yield entries[start : start + _CHUNK]


def _make_room(table: dict[K, V], most: int, interest: Callable[[V], float]) -> None:
    if len(table) < most:
        return
    oldest = sorted(itertools.islice(table, _LOOKED_AT), key=lambda key: interest(table[key]))
    middle = (len(oldest) + 1) // 2
    for key in oldest[:middle]:
        del table[key]
    for key in oldest[middle:]:
        # To the end of the table: looked at again after everything else.
        table[key] = table.pop(key)


def _interest_of_source(source: Source) -> float:
    # The longer a block, the worse the place; then by score.
    return (source.block.until - source.block.since if source.block else 0.0) + source.score.value


def _interest_of_account(account: Account) -> float:
    # Where an owner is at home must outlast any number of invented names.
    return (1e12 + max(account.homes.values()) if account.homes else 0.0) + account.row


def _interest_of_pair(pair: Pair) -> float:
    return float(pair.tally.guesses)
