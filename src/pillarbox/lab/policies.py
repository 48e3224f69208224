"""Everything that is raced, by name: our guard, the rivals with their own defaults, and each at its best.

Rules: ours is the very engine the server runs, with its state in memory and the settings a fresh installation has; each
race gets a policy of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.interface import GuardRequest, Lane
from pillarbox.auth.guard.state import LocalJournal
from pillarbox.config.schema_guard import Guard as Settings
from pillarbox.events import NullSink
from pillarbox.lab.bans import CrowdSec, Fail2ban, Stalwart
from pillarbox.lab.counters import DovecotPenalty, NoDefence, Strikes, Weakforced
from pillarbox.lab.parameters import Parameters, Setting, rivals
from pillarbox.lab.policy import PASS, Asked, Policy, Ruling

OURS = "pillarbox"
BEST = "-best"
"""What is added to a rival's name for its best parameters."""


_TICK = 1.0  # seconds between two calls of the engine's `tick`, as in the server


def fresh_guard(seed: int) -> GuardEngine:
    """The guard of a fresh installation; its own randomness follows from the seed."""
    return GuardEngine(Settings(), LocalJournal(), below=random.Random(f"{seed}/guard").randrange, sink=NullSink())


class Ours:
    """Our guard, asked as the server's pipeline asks it."""

    def __init__(self, guard: GuardEngine, failure_delay: float) -> None:
        self.failure_delay = failure_delay
        self._guard = guard
        self._ticked = 0.0

    @staticmethod
    def _request(asked: Asked) -> GuardRequest:
        name, known, address, tag, common, when = asked
        return GuardRequest(name, known, address, tag, "", when, common)

    def before(self, asked: Asked) -> Ruling:
        """The guard's verdict; it is told of its own refusals, as the pipeline tells it."""
        if asked.when >= self._ticked + _TICK:
            self._ticked = asked.when
            self._guard.tick(asked.when)
        request = self._request(asked)
        lane, refuse, penalty = self._guard.before(request)
        if refuse is not None:
            self._guard.after(request, False, refuse.value)
            return Ruling(refused=True, penalty=penalty, tagged=True)
        if lane is Lane.SUSPICIOUS:
            # A penalty is added to refusals only; a right password is let in at once, whatever its lane.
            return Ruling(tagged=True)
        return PASS

    def after(self, asked: Asked, succeeded: bool) -> None:
        """How the check of the password ended."""
        self._guard.after(self._request(asked), succeeded, "" if succeeded else "wrong secret")


@dataclass(frozen=True, slots=True)
class Racer:
    """One policy in the race: its name on the command line, its name in the table, and how a fresh one is made."""

    key: str
    label: str
    make: Callable[[], Policy]
    setting: Setting


_RIVALS: dict[str, Callable[..., Policy]] = {
    "strikes": Strikes,
    "fail2ban": Fail2ban,
    "crowdsec": CrowdSec,
    "dovecot": DovecotPenalty,
    "weakforced": Weakforced,
    "stalwart": Stalwart,
}


def rival(key: str, setting: Setting, parameters: Parameters, label: str = "") -> Racer:
    """A rival with some setting. Raises KeyError for a name nobody has."""
    build, delay = _RIVALS[key], parameters.number("rules.failure_delay")
    return Racer(key, label or rivals()[key].name, lambda: build(delay, **setting), setting)


def racers(parameters: Parameters, seed: int) -> dict[str, Racer]:
    """All policies by name: ours first, then no defence, then each rival with its defaults and at its best.

    Args:
        parameters: the numbers.
        seed: what our guard's own randomness follows from.
    """
    delay = parameters.number("rules.failure_delay")
    found = [
        Racer(OURS, "Pillarbox", lambda: Ours(fresh_guard(seed), parameters.number("rules.own_delay")), {}),
        Racer("none", "no defence", lambda: NoDefence(delay), {}),
    ]
    for key, one in rivals().items():
        found.append(rival(key, one.default, parameters))
        if one.best != one.default:
            best = rival(key, one.best, parameters, f"{one.name}, best")
            found.append(replace(best, key=key + BEST))
    return {one.key: one for one in found}
