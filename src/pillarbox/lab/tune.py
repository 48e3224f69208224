"""The rivals at their best: every setting of a grid, on the tuning seeds alone.

Rules: best is what meets most goals, and among these what misses the others least; the reporting seeds are never looked
at. What was found stands in rivals.toml, so that a race need not search again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pillarbox.lab.measure import Goal, estimate, goals
from pillarbox.lab.parameters import Parameters, Setting, rivals
from pillarbox.lab.policies import rival
from pillarbox.lab.race import Ground, measured

_WORST = 4.0  # orders of magnitude; further off is not worse


def miss(goal: Goal, value: float) -> float:
    """How far a value is from its goal, in orders of magnitude: 0 where it is met, at most 4."""
    if goal.goal is None or goal.met(value):
        return 0.0
    reached, wanted = (1 - value, 1 - goal.goal) if goal.at_least else (value, goal.goal)
    if math.isinf(reached) or not wanted:
        return _WORST if math.isinf(reached) else min(_WORST, 1 + math.log10(1 + reached))
    return min(_WORST, math.log10(reached / wanted))


def tune(
    parameters: Parameters,
    attacks: Sequence[str],
    keys: Sequence[str],
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Setting]:
    """The best setting of each rival.

    Raises:
        KeyError: a rival nobody knows.
    """
    wanted = [
        goal
        for goal in goals(parameters.count("population.accounts"))
        if goal.goal is not None and goal.attack in attacks
    ]
    grounds = [Ground(int(seed), parameters) for seed in parameters.numbers("seeds.tuning")]
    best: dict[str, Setting] = {}
    for key in keys:
        ranked: list[tuple[int, float, int, Setting]] = []
        for number, setting in enumerate(rivals()[key].choices()):
            racer = rival(key, setting, parameters)
            runs = [measured(ground, racer, attacks, wanted) for ground in grounds]
            means = {goal.key: estimate([one[goal.key] for one in runs]).mean for goal in wanted}
            missed = [miss(goal, means[goal.key]) for goal in wanted]
            ranked.append((sum(one > 0 for one in missed), sum(missed), number, setting))
            progress(f"{key} {setting}: {ranked[-1][0]} goals missed, by {ranked[-1][1]:.2f} orders of magnitude")
        best[key] = min(ranked)[3]
    return best
