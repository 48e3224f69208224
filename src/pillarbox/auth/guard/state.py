"""How what the guard learns is shared and kept: a journal of observations, and snapshots that shorten it.

Rules: every worker holds the whole memory and applies all observations, its own at once and those of others within
`POLL` seconds; an observation holds no secret, only short keyed tags, and is gone when the next snapshot is made; a
journal never raises and never waits. Here are the contract and the journal that keeps nothing (simulator, tests); the
one in a file is in `state_file`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from pillarbox.auth.guard.memory import Chunk

POLL = 0.25
"""Seconds between two looks at what other workers have learnt, and between two writes: far less than the delay of a
refusal, so that an attacker cannot outrun it by changing workers."""


class What(enum.IntEnum):
    """What was observed."""

    FAILED = 1
    SUCCEEDED = 2
    REFUSED = 3
    RELEASE = 4
    ALLOW = 5
    SLOWED = 6  # refused, and no evidence of anything: it counts for the penalty alone


class Observation(msgspec.Struct, array_like=True, frozen=True):
    """One thing learnt.

    Attributes:
        when: UTC seconds.
        account: the account's name; "" where a command is about a place.
        subject: the address or network, as text.
        tag, common: see `GuardRequest.secret_tag` and `common_tag`.
        unknown: there is no such account.
        strong: see `GuardRequest.strong`.
        flag: of a success, that the place becomes familiar; of a refusal, that it is evidence of a campaign.
        until: UTC seconds until which a network is allowed.
    """

    what: What
    when: float
    account: str = ""
    subject: str = ""
    tag: int = 0
    common: int | None = None
    unknown: bool = False
    strong: bool = False
    flag: bool = False
    until: float = 0.0


Snapshot = Callable[[], Iterator[Chunk]]
"""Makes a snapshot of the memory, in pieces."""


class Journal(Protocol):
    """Where observations go, and where those of others come from."""

    def load(self) -> Iterable[Chunk]:
        """The last snapshot; called once, first. What came after it is the first `news`."""
        ...

    def append(self, observation: Observation) -> None:
        """Keep an observation for the others and for the next start."""
        ...

    def news(self, when: float) -> Sequence[Observation]:
        """What others have learnt since the last call. `when` is UTC seconds; under a microsecond mostly."""
        ...

    def beat(self, when: float) -> None:
        """Write what has waited for long enough."""
        ...

    def flush(self, when: float) -> bool:
        """Write all that waits; whether nothing waits any more."""
        ...

    def tick(self, when: float, snapshot: Snapshot) -> None:
        """Write all that waits, and go on with a snapshot where one is due; called every second or so."""
        ...

    def close(self) -> None:
        """Write all that waits, and let go of the file."""
        ...


class LocalJournal:
    """Keeps nothing and shares nothing."""

    def load(self) -> Iterable[Chunk]:
        """Nothing."""
        return ()

    def append(self, observation: Observation) -> None:
        """Forget it."""

    def news(self, when: float) -> Sequence[Observation]:
        """None."""
        return ()

    def beat(self, when: float) -> None:
        """Nothing waits."""

    def flush(self, when: float) -> bool:
        """Nothing waits."""
        return True

    def tick(self, when: float, snapshot: Snapshot) -> None:
        """Nothing is due."""

    def close(self) -> None:
        """There is no file."""
