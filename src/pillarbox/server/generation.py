"""The workers that were started with the same settings, and when a failed one is tried again. Plain bookkeeping.

Rules: a worker that fails is replaced at once, but one that keeps failing at once is replaced ever more slowly; a
generation that finishes its sessions gets no replacements.

Elsewhere: forking, signals and events (`supervisor`).
"""

from __future__ import annotations

import enum
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field

from pillarbox.config.schema import Settings
from pillarbox.server.privileges import Identity
from pillarbox.server.process import Worker

SHORT_LIFE = 1.0
"""Seconds: a worker that lived shorter than this counts as failing at once."""

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds before the second replacement of a worker that keeps failing at once, doubled from then on."""


POLICY_API = 0
"""The number of the process that serves the policy API; workers count from 1."""


class Phase(enum.Enum):
    """What a generation is doing."""

    STARTING = enum.auto()
    SERVING = enum.auto()
    DRAINING = enum.auto()  # finishing its sessions


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the workers of a generation have in common. `workers` are those that serve POP3."""

    settings: Settings
    tls: ssl.SSLContext | None
    identity: Identity | None
    workers: int

    @property
    def numbers(self) -> range:
        """The numbers of all its processes."""
        return range(POLICY_API if self.settings.policy_api.enabled else 1, self.workers + 1)


@dataclass(slots=True)
class Generation:
    """One generation.

    Attributes:
        first: it was started with the server, not by a reload.
        workers: the living ones, by process id.
    """

    plan: Plan
    first: bool
    phase: Phase = Phase.STARTING
    workers: dict[int, Worker] = field(default_factory=dict)
    _due: dict[int, float] = field(default_factory=dict)  # worker number → when it is to be replaced
    _short_lives: dict[int, int] = field(default_factory=dict)  # worker number → how many in a row
    _reasons: dict[int, str] = field(default_factory=dict)  # worker number → why it did not start

    def all_ready(self) -> bool:
        """Whether it answers with all its workers."""
        return sum(worker.ready for worker in self.workers.values()) == len(self.plan.numbers)

    def is_hopeless(self) -> bool:
        """Whether it is not worth waiting for it to start.

        At the start of the server that takes a failure of every worker, or of the one process of the policy API; at a
        reload, where the generation before goes on serving, any failure.
        """
        if self.first and POLICY_API not in self._reasons:
            return len(self._reasons) == len(self.plan.numbers) and not any(one.ready for one in self.workers.values())
        return bool(self._reasons)

    def reasons(self) -> list[str]:
        """Why workers did not start, each reason once."""
        return list(dict.fromkeys(self._reasons.values()))

    def places(self) -> int:
        """How many workers it has, or may have again."""
        return len(self.workers) if self.phase is Phase.DRAINING else len(self.plan.numbers)

    def is_over(self) -> bool:
        """Whether its last worker has ended for good."""
        return self.phase is Phase.DRAINING and not self.workers

    def failed(self, number: int, reason: str, now: float, lived: float) -> None:
        """Worker `number` has ended unasked, after `lived` seconds: plan its replacement."""
        if self.phase is Phase.DRAINING:
            return
        if self.phase is Phase.STARTING:
            self._reasons[number] = reason
        times = self._short_lives.get(number, 0) + 1 if lived < SHORT_LIFE else 0
        self._short_lives[number] = times
        delay = 0.0 if times <= 1 else min(FIRST_DELAY * 2.0 ** (times - 2), LONGEST_DELAY)
        self._due[number] = now + delay

    def take_due(self, now: float) -> list[int]:
        """The numbers of workers to be replaced now; they are no longer due."""
        due = [number for number, when in self._due.items() if when <= now]
        for number in due:
            del self._due[number]
        return due

    def drain(self) -> None:
        """It shall end when its sessions have."""
        self.phase = Phase.DRAINING
        self._due.clear()

    def due_times(self, start_seconds: float) -> Iterator[float]:
        """When something about it is due: a replacement, or the end of the patience with a start."""
        yield from self._due.values()
        if self.phase is Phase.STARTING:
            yield from (one.started + start_seconds for one in self.workers.values() if not one.ready)
