"""The loop: rightful sign-ins and attackers, merged by time, through one policy.

Rules: a policy is asked, then told; refused attempts never reach the password. Attackers hear the answer when it is
given, held back by the policy's delays, and act on it; rightful clients are not put out: they poll again as they would.
Nothing here depends on anything but its arguments.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pillarbox.lab.attackers import Attacker, Heard
from pillarbox.lab.policy import Asked, Policy
from pillarbox.lab.traffic import DAY, Guess, SignIn, account_name, common_tag, origin, secret_tag


class Tried(NamedTuple):
    """One attempt of an attacker, and what became of it."""

    guess: Guess
    refused: bool
    tagged: bool


class RefusedSession(NamedTuple):
    """A rightful sign-in with the right password that was refused."""

    sign_in: SignIn
    familiar: bool


@dataclass(slots=True)
class Outcome:
    """All that a run is measured by.

    Attributes:
        tried: the attackers' attempts, in order of time.
        refused: rightful sign-ins refused, each with its weight.
        sessions: rightful sign-ins with the right password, weights added up.
        delayed: of these, those let in after a penalty.
        familiar_sessions: those of them that came from a familiar origin.
    """

    tried: list[Tried] = field(default_factory=list)
    refused: list[RefusedSession] = field(default_factory=list)
    sessions: float = 0.0
    delayed: float = 0.0
    familiar_sessions: float = 0.0


class Familiar:
    """From where each account has been let in lately: the measure's own idea of a familiar origin."""

    def __init__(self, days: float, last: dict[tuple[int, str], float] | None = None) -> None:
        self._days, self._seconds = days, days * DAY
        self._last = last or {}

    def copy(self) -> Familiar:
        """One that knows the same, and learns on its own."""
        return Familiar(self._days, dict(self._last))

    def knows(self, account: int, address: str, when: float) -> bool:
        """Whether the account's owner was let in from this origin lately."""
        return self._last.get((account, origin(address)), -self._seconds) > when - self._seconds

    def saw(self, account: int, address: str, when: float) -> None:
        """The owner was let in."""
        self._last[account, origin(address)] = when


Arrival = tuple[SignIn, Asked]
"""A rightful sign-in, and what a policy sees of it: made once for all policies."""


def arrivals(sign_ins: Iterable[SignIn]) -> list[Arrival]:
    """Sign-ins as `run` wants them."""
    names: dict[int, str] = {}
    made = []
    for one in sign_ins:
        name = names.get(one.account) or names.setdefault(one.account, account_name(one.account))
        made.append(
            (one, Asked(name, True, one.address, secret_tag(name, one.secret), common_tag(one.secret), one.when))
        )
    return made


def run(
    policy: Policy,
    traffic: Iterable[Arrival],
    attackers: Sequence[Attacker],
    familiar: Familiar,
) -> Outcome:
    """Send traffic through a policy.

    Args:
        policy: keeps what it learns.
        traffic: rightful sign-ins, in order of time.
        attackers: fresh generators.
        familiar: keeps what it sees.
    """
    outcome = Outcome()
    waiting: list[tuple[float, int, Attacker, Guess]] = []
    for number, attacker in enumerate(attackers):
        first = next(attacker, None)
        if first is not None:
            heapq.heappush(waiting, (first.when, number, attacker, first))
    for sign_in, asked in traffic:
        while waiting and waiting[0][0] <= asked.when:
            _step(policy, waiting, outcome)
        _serve(policy, sign_in, asked, outcome, familiar)
    while waiting:
        _step(policy, waiting, outcome)
    return outcome


def _serve(policy: Policy, sign_in: SignIn, asked: Asked, outcome: Outcome, familiar: Familiar) -> None:
    when, account, address, _, right, weight = sign_in
    ruling = policy.before(asked)
    if not ruling.refused:
        policy.after(asked, right)
    if not right:
        return
    outcome.sessions += weight
    is_familiar = familiar.knows(account, address, when)
    if is_familiar:
        outcome.familiar_sessions += weight
    if ruling.refused:
        outcome.refused.append(RefusedSession(sign_in, is_familiar))
    else:
        familiar.saw(account, address, when)
        if ruling.penalty:
            outcome.delayed += weight


def _step(policy: Policy, waiting: list[tuple[float, int, Attacker, Guess]], outcome: Outcome) -> None:
    """The next guess is made, answered, and answered to."""
    when, number, attacker, guess = waiting[0]
    secret, name = guess.secret, guess.name
    asked = Asked(name, guess.account >= 0, guess.address, secret_tag(name, secret), common_tag(secret), when)
    ruling = policy.before(asked)
    if ruling.refused:
        heard = Heard.DROPPED if ruling.visible else Heard.WRONG
    else:
        policy.after(asked, guess.right)
        heard = Heard.IN if guess.right else Heard.WRONG
    # A success is answered at once, and so is a dropped connection; both only after a penalty.
    answered = when + ruling.penalty + (policy.failure_delay if heard is Heard.WRONG else 0.0)
    outcome.tried.append(Tried(guess, ruling.refused, ruling.tagged))
    try:
        following = attacker.send((heard, answered))
    except StopIteration:
        heapq.heappop(waiting)
        return
    heapq.heapreplace(waiting, (following.when, number, attacker, following))
