"""The goals table as numbers: what is counted in a run, and means with intervals over seeds.

Rules: a measure is a number of one run; it is reported as mean and 95 % interval (Student's t) over seeds. What never
happened within the attack is infinite, and makes the mean infinite: "never" is not averaged away. A rate of nothing in
n trials has its own upper bound (rule of three), since an interval of equal zeros would claim too much.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pillarbox.lab.simulate import Outcome, RefusedSession, Tried

_Z = 1.959964  # the normal distribution's 97.5 % point
_FEW = {1: 12.706, 2: 4.303, 3: 3.182}  # Student's, where the expansion below is too coarse


@dataclass(frozen=True, slots=True)
class Goal:
    """One measure of one attack.

    Attributes:
        key: "attack.measure".
        attack: the attack it is measured in.
        text: what it is, as the table prints it.
        goal: what is to be reached, or None for a figure that is only reported.
        at_least: reaching means at least, not at most.
        percent: printed as a percentage.
        count: the measure.
    """

    key: str
    attack: str
    text: str
    goal: float | None
    count: Callable[[Outcome], float]
    at_least: bool = False
    percent: bool = False

    def met(self, value: float) -> bool:
        """Whether a value reaches the goal; a figure without one always does."""
        if self.goal is None:
            return True
        return value >= self.goal - 1e-12 if self.at_least else value <= self.goal + 1e-12


# ---- attackers ------------------------------------------------------------------------------------------------------


def _wrong(tried: Tried) -> bool:
    return not tried.refused and not tried.guess.right


def guesses_before_refusal(outcome: Outcome) -> float:
    """Distinct wrong guesses that reached the password before the first refusal."""
    seen: set[tuple[str, int]] = set()
    for tried in outcome.tried:
        if tried.refused:
            return len(seen)
        if _wrong(tried):
            seen.add((tried.guess.name, tried.guess.secret))
    return math.inf


def guesses_before_tag(outcome: Outcome) -> float:
    """Attempts that were made before the first that was tagged."""
    return next((float(turn) for turn, tried in enumerate(outcome.tried) if tried.tagged), math.inf)


def guesses_verified(outcome: Outcome) -> float:
    """Distinct wrong guesses that reached the password in the whole attack."""
    return len({(tried.guess.name, tried.guess.secret) for tried in outcome.tried if _wrong(tried)})


def users_before_refusal(outcome: Outcome) -> float:
    """Different users tried before the first refusal."""
    seen: set[str] = set()
    for tried in outcome.tried:
        if tried.refused:
            return len(seen)
        seen.add(tried.guess.name)
    return math.inf


def users_verified(outcome: Outcome) -> float:
    """Different users whose password was tried in the whole attack."""
    return len({tried.guess.name for tried in outcome.tried if not tried.refused})


def seconds_to_tag(outcome: Outcome) -> float:
    """Seconds from the first attempt to the first that was tagged."""
    first = outcome.tried[0].guess.when
    return next((tried.guess.when - first for tried in outcome.tried if tried.tagged), math.inf)


_WINDOW = 100  # attempts, most of which must be tagged for the campaign to count as flagged


def campaign_flagged(outcome: Outcome) -> float:
    """Attempts until the campaign is flagged: from there on, most of the next 100 are tagged, each a new source."""
    tags = [tried.tagged for tried in outcome.tried]
    window = sum(tags[:_WINDOW])
    for start in range(len(tags) - _WINDOW + 1):
        if tags[start] and window > _WINDOW // 2:
            return start + 1
        window += (tags[start + _WINDOW] if start + _WINDOW < len(tags) else 0) - tags[start]
    return math.inf


def later_tagged(outcome: Outcome) -> float:
    """The share of attempts tagged once the campaign was flagged; 0 when it never was."""
    flagged = campaign_flagged(outcome)
    if math.isinf(flagged):
        return 0.0
    later = outcome.tried[int(flagged) :]
    return sum(tried.tagged for tried in later) / len(later) if later else 0.0


def takeovers(outcome: Outcome) -> float:
    """Attempts with the right password that were let in, as a share of all."""
    return sum(tried.guess.right and not tried.refused for tried in outcome.tried) / len(outcome.tried)


def hashed(outcome: Outcome) -> float:
    """The share of attempts that reached the password hash."""
    return sum(not tried.refused for tried in outcome.tried) / len(outcome.tried)


# ---- users ----------------------------------------------------------------------------------------------------------


def _weight(refused: Sequence[RefusedSession]) -> float:
    return sum(one.sign_in.weight for one in refused)


def sessions_refused(outcome: Outcome) -> float:
    """Rightful sessions refused, as a share of all."""
    return _weight(outcome.refused) / outcome.sessions


def familiar_refused(outcome: Outcome) -> float:
    """Rightful sessions refused though they came from a familiar origin, as a share of those."""
    return _weight([one for one in outcome.refused if one.familiar]) / max(outcome.familiar_sessions, 1.0)


def sessions_delayed(outcome: Outcome) -> float:
    """Rightful sessions let in only after a penalty, as a share of all."""
    return outcome.delayed / outcome.sessions


def of_target(outcome: Outcome) -> list[RefusedSession]:
    """Refusals of the owner of the account that an attack on one account is aimed at."""
    target = outcome.tried[0].guess.account
    return [one for one in outcome.refused if one.sign_in.account == target]


def owner_refused(outcome: Outcome) -> float:
    """The owner's sessions refused in the day, from anywhere."""
    return _weight(of_target(outcome))


def owner_familiar_refused(outcome: Outcome) -> float:
    """The owner's sessions refused in the day, from familiar origins."""
    return _weight([one for one in of_target(outcome) if one.familiar])


def users_blocked(accounts: int) -> Callable[[Outcome], float]:
    """The share of users that were refused at least once."""

    def count(outcome: Outcome) -> float:
        return len({one.sign_in.account for one in outcome.refused}) / accounts

    return count


def goals(accounts: int) -> list[Goal]:
    """The goals table, with a few figures beside it that have no goal."""
    return [
        Goal("single.before", "single", "wrong guesses verified before refusal", 10, guesses_before_refusal),
        Goal("single.flag", "single", "attempts before it is flagged", 10, guesses_before_tag),
        Goal("single.day", "single", "distinct guesses verified in the day", None, guesses_verified),
        Goal("single.owner", "single", "owner's familiar sessions refused", None, owner_familiar_refused),
        Goal("distributed.day", "distributed", "distinct guesses verified in the day", 50, guesses_verified),
        Goal("distributed.familiar", "distributed", "owner's familiar sessions refused", 0, owner_familiar_refused),
        Goal("distributed.owner", "distributed", "owner's sessions refused, from anywhere", None, owner_refused),
        Goal("spray.users", "spray", "users tried before refusal", 20, users_before_refusal),
        Goal("spray.flag", "spray", "seconds until flagged", 10, seconds_to_tag),
        Goal("spray.day", "spray", "users tried in the day", None, users_verified),
        Goal("slow-spray.flag", "slow-spray", "attempts until the campaign is flagged", 300, campaign_flagged),
        Goal("slow-spray.tagged", "slow-spray", "later sources tagged", 0.9, later_tagged, at_least=True, percent=True),
        Goal("slow-spray.cost", "slow-spray", "rightful sessions refused", None, sessions_refused, percent=True),
        Goal("stuffing.takeovers", "stuffing", "takeovers, of all pairs", 0.001, takeovers, percent=True),
        Goal("stuffing.cost", "stuffing", "rightful sessions refused", None, sessions_refused, percent=True),
        Goal("stuffing-app.takeovers", "stuffing-app", "takeovers, app passwords only", 0, takeovers, percent=True),
        Goal("carrier-nat.refused", "carrier-nat", "rightful sessions refused", 0.001, sessions_refused, percent=True),
        Goal("carrier-nat.familiar", "carrier-nat", "familiar sessions refused", 0, familiar_refused, percent=True),
        Goal("carrier-nat.guesses", "carrier-nat", "distinct guesses verified in the day", None, guesses_verified),
        Goal("carrier-nat.delayed", "carrier-nat", "rightful sessions delayed", None, sessions_delayed, percent=True),
        Goal("flood.hashed", "flood", "bogus sign-ins that are hashed", None, hashed, percent=True),
        Goal("flood.familiar", "flood", "familiar sessions refused", None, familiar_refused, percent=True),
        Goal("none.refused", "none", "sessions refused in 30 days", 0.0001, sessions_refused, percent=True),
        Goal("none.blocked", "none", "users ever blocked in 30 days", 0.001, users_blocked(accounts), percent=True),
        Goal("none.delayed", "none", "sessions delayed in 30 days", None, sessions_delayed, percent=True),
    ]


# ---- over seeds -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds with its 95 % interval. All three are infinite when it never happened on some seed."""

    mean: float
    low: float
    high: float
    values: tuple[float, ...]


def t_quantile(freedom: int) -> float:
    """Student's t, 97.5 %: from a table up to 3, then by the expansion of Abramowitz & Stegun 26.7.5, to 1 %."""
    if freedom in _FEW:
        return _FEW[freedom]
    z, n = _Z, freedom
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / n + second / n**2 + third / n**3 + fourth / n**4


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95 % interval; no measure here can be below zero, so neither is the interval."""
    if any(math.isinf(value) for value in values):
        return Estimate(math.inf, math.inf, math.inf, tuple(values))
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean, mean, mean, tuple(values))
    half = t_quantile(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(mean, max(0.0, mean - half), mean + half, tuple(values))
