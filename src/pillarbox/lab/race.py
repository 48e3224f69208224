"""The race: on each seed one population and one traffic, and every policy against every attack on it.

Rules: all policies see the same rightful traffic and the same attackers; each learns the users during the warm-up, and
meets each attack in the state it then had. Everything follows from the seeds.
"""

from __future__ import annotations

import copy
import gc
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pillarbox.lab.attackers import ATTACKS, Stage
from pillarbox.lab.measure import Estimate, Goal, estimate, goals
from pillarbox.lab.parameters import Parameters
from pillarbox.lab.policies import Racer, racers
from pillarbox.lab.population import Population
from pillarbox.lab.simulate import Arrival, Familiar, Outcome, arrivals, run

QUIET = "none"
_NAT = "carrier-nat"


@dataclass(slots=True)
class Ground:
    """One seed's traffic, made when it is first wanted.

    Args:
        seed: everything follows from it.
        parameters: the numbers.
    """

    seed: int
    parameters: Parameters
    population: Population = field(init=False)
    warm: list[Arrival] = field(init=False)
    stage: Stage = field(init=False)
    _lists: dict[str, list[Arrival]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        numbers = self.parameters
        self.population = Population(self.seed, numbers)
        samples = numbers.number("population.samples")
        days = range(numbers.count("population.warm_days"))
        self.warm = arrivals(one for _ in days for one in self.population.day(samples))
        start = numbers.number("population.unix_start")
        self.stage = Stage(self.seed, start, numbers, self.population, self._target(start))

    def _target(self, start: float) -> int:
        """An account that polls at home and on the move on the day, with a password that is not a popular one."""
        unique = self.parameters.count("passwords.popular")
        fit = [
            index
            for index, account in enumerate(self.population.accounts)
            if len(account.devices) > 1
            and account.carrier > 0
            and account.secret > unique
            and account.silent_until <= start
        ]
        return random.Random(f"{self.seed}/target").choice(fit)

    def traffic(self, attack: str) -> list[Arrival]:
        """The rightful traffic of an attack's days."""
        kind = attack if attack in (QUIET, _NAT) else "day"
        if kind not in self._lists:
            self._lists[kind] = self._make(kind)
        return self._lists[kind]

    def _make(self, kind: str) -> list[Arrival]:
        numbers, population = self.parameters, copy.deepcopy(self.population)
        if kind == QUIET:
            samples = numbers.number("population.samples_quiet")
            days = range(numbers.count("attack.none.days"))
            return arrivals(one for _ in days for one in population.day(samples))
        often = {self.stage.target}
        if kind == _NAT:
            often |= {index for index, account in enumerate(population.accounts) if account.carrier == 0}
        return arrivals(population.day(numbers.number("population.samples"), often=frozenset(often)))

    def race(self, racer: Racer, attacks: Sequence[str]) -> dict[str, Outcome]:
        """One policy against the attacks, each from the state after the warm-up."""
        policy, familiar = racer.make(), Familiar(self.parameters.number("rules.familiar_days"))
        run(policy, self.warm, [], familiar)
        outcomes = {}
        for attack in attacks:
            attackers = ATTACKS[attack](self.stage)
            outcomes[attack] = run(copy.deepcopy(policy), self.traffic(attack), attackers, familiar.copy())
        return outcomes


@dataclass(frozen=True, slots=True)
class Results:
    """What a race found.

    Attributes:
        seeds: those it ran on.
        goals: the measures, in the table's order.
        labels: the policies' names, in the table's order.
        settings: their parameters, by key; empty for ours.
        estimates: by policy and goal.
        accounts: the size of the population.
    """

    seeds: tuple[int, ...]
    goals: list[Goal]
    labels: dict[str, str]
    settings: dict[str, dict[str, float]]
    estimates: dict[tuple[str, str], Estimate]
    accounts: int


def measured(ground: Ground, racer: Racer, attacks: Sequence[str], wanted: Sequence[Goal]) -> dict[str, float]:
    """The measures of one policy on one seed."""
    outcomes = ground.race(racer, attacks)
    return {goal.key: goal.count(outcomes[goal.attack]) for goal in wanted}


def race(
    parameters: Parameters,
    seeds: Sequence[int],
    attacks: Sequence[str],
    policies: Sequence[str],
    progress: Callable[[str], None] = lambda text: None,
) -> Results:
    """Race policies against attacks.

    Args:
        parameters: the numbers.
        seeds: the seeds to run on.
        attacks: names of ATTACKS.
        policies: keys of racers().
        progress: told what is being done.

    Raises:
        KeyError: a name nobody has.
    """
    accounts = parameters.count("population.accounts")
    wanted = [goal for goal in goals(accounts) if goal.attack in attacks]
    known = racers(parameters, 0)
    found: dict[tuple[str, str], list[float]] = {(key, goal.key): [] for key in policies for goal in wanted}
    for turn, seed in enumerate(seeds, 1):
        ground = Ground(seed, parameters)
        entered = racers(parameters, seed)
        for key in policies:
            progress(f"seed {turn} of {len(seeds)}: {known[key].label}")
            for goal_key, value in measured(ground, entered[key], attacks, wanted).items():
                found[key, goal_key].append(value)
        # Copies of an engine hold themselves in circles, and the collector may be off while a race goes on.
        gc.collect()
    return Results(
        seeds=tuple(seeds),
        goals=wanted,
        labels={key: known[key].label for key in policies},
        settings={key: known[key].setting for key in policies},
        estimates={key: estimate(values) for key, values in found.items()},
        accounts=accounts,
    )
