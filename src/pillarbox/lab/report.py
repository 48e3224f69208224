"""Results as a table for people and as JSON for programs; and results of two runs put together.

Rules: every table says that it is simulated; goals that are missed are marked, never left out; what never happened is
printed as "never". Results are joined only when they come from the same seeds and the same numbers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pillarbox.lab.measure import Estimate, Goal, estimate, goals
from pillarbox.lab.parameters import Parameters
from pillarbox.lab.race import Results

SIMULATED = "Simulated: no public labelled POP3 login data exists."


class ReportError(Exception):
    """Results that cannot be read or joined. The text says why."""


def digest(parameters: Parameters) -> str:
    """A short name of all the numbers, so that results of different ones are not mixed."""
    return hashlib.sha256(json.dumps(dict(parameters.values), sort_keys=True).encode()).hexdigest()[:16]


def _number(value: float, goal: Goal) -> str:
    if math.isinf(value):
        return "never"
    if goal.percent:
        text = f"{value * 100:.3f}".rstrip("0").rstrip(".")
        return f"{text or '0'} %"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def cell(found: Estimate, goal: Goal) -> str:
    """One figure: the mean, the interval where there is one, and whether the goal was met."""
    text = _number(found.mean, goal)
    if math.isinf(found.mean):
        happened = sum(not math.isinf(value) for value in found.values)
        text += f" ({happened} of {len(found.values)} seeds)" if happened else ""
    elif found.high > found.low:
        text += f" [{_number(found.low, goal)}, {_number(found.high, goal)}]".replace(" %,", ",")
    if goal.goal is None:
        return text
    return f"{text} {'✓' if goal.met(found.mean) else '✗'}"


def wanted(goal: Goal) -> str:
    """A goal as the table prints it."""
    if goal.goal is None:
        return ""
    return f"{'≥' if goal.at_least else '≤'} {_number(goal.goal, goal)}" if goal.goal else "0"


@dataclass(frozen=True, slots=True)
class AttackTable:
    """One attack: a column for each measure, a row for each policy."""

    attack: str
    head: list[str]
    rows: list[list[str]]


def tables(results: Results) -> list[AttackTable]:
    """The results, attack by attack."""
    found = []
    for attack in dict.fromkeys(goal.attack for goal in results.goals):
        measures = [goal for goal in results.goals if goal.attack == attack]
        head = ["policy", *(f"{goal.text} ({wanted(goal)})" if wanted(goal) else goal.text for goal in measures)]
        rows = [
            [label, *(cell(results.estimates[key, goal.key], goal) for goal in measures)]
            for key, label in results.labels.items()
        ]
        found.append(AttackTable(attack, head, rows))
    return found


def summary(results: Results) -> list[tuple[str, str]]:
    """For each policy how many of the goals it meets."""
    counted = [goal for goal in results.goals if goal.goal is not None]
    return [
        (label, f"{sum(goal.met(results.estimates[key, goal.key].mean) for goal in counted)} of {len(counted)}")
        for key, label in results.labels.items()
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows), ""]


def markdown(results: Results) -> str:
    """The results as Markdown: what they rest on, goals met, a table for each attack, and the rivals' parameters."""
    seeds = results.seeds
    lines = [
        f"{SIMULATED} {results.accounts:,} accounts, {len(seeds)} seeds ({seeds[0]} to {seeds[-1]}).",
        "Mean [95 % interval] over seeds; ✓ goal met, ✗ missed; no mark: a figure without a goal.",
        "",
    ]
    settings = {
        results.labels[key]: ", ".join(f"{name} = {value:g}" for name, value in setting.items())
        for key, setting in results.settings.items()
    }
    rows = [[label, met, settings[label] or "as installed"] for label, met in summary(results)]
    lines += _table(["policy", "goals met", "parameters"], rows)
    for table in tables(results):
        lines += [f"**{table.attack}**", "", *_table(table.head, table.rows)]
    return "\n".join(lines)


_BEGIN, _END = "<!-- pillarbox lab guard: begin -->", "<!-- pillarbox lab guard: end -->"


def inserted(page: str, text: str) -> str:
    """A page with `text` between its two markers.

    Raises:
        ReportError: the page has no such markers.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ReportError(f"the page has no lines {_BEGIN} and {_END}")
    return f"{before}{begin}\n{text.rstrip()}\n{end}{after}"


def as_json(results: Results, parameters: Parameters) -> str:
    """The results with every seed's value. What never happened is null."""
    document = {
        "simulated": SIMULATED,
        "parameters": digest(parameters),
        "accounts": results.accounts,
        "seeds": list(results.seeds),
        "policies": [
            {"key": key, "label": label, "setting": results.settings[key]} for key, label in results.labels.items()
        ],
        "values": [_value(results, key, goal) for key in results.labels for goal in results.goals],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _value(results: Results, key: str, goal: Goal) -> dict[str, Any]:
    found = results.estimates[key, goal.key]
    return {
        "policy": key,
        "measure": goal.key,
        "goal": goal.goal,
        "met": goal.met(found.mean),
        "mean": _finite(found.mean),
        "interval": [_finite(found.low), _finite(found.high)],
        "by_seed": [_finite(value) for value in found.values],
    }


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value


def from_json(text: str, parameters: Parameters) -> Results:
    """Results that `as_json` wrote.

    Raises:
        ReportError: the text is no such thing, or comes from other numbers.
    """
    try:
        document: Any = json.loads(text)
        if document["parameters"] != digest(parameters):
            raise ReportError("the earlier results come from other parameters; run them again")
        values = document["values"]
        measures = {one["measure"] for one in values}
        return Results(
            seeds=tuple(document["seeds"]),
            goals=[goal for goal in goals(document["accounts"]) if goal.key in measures],
            labels={one["key"]: one["label"] for one in document["policies"]},
            settings={one["key"]: one["setting"] for one in document["policies"]},
            estimates={
                (one["policy"], one["measure"]): estimate(
                    [math.inf if value is None else value for value in one["by_seed"]]
                )
                for one in values
            },
            accounts=document["accounts"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError("not the results of a race") from error


def joined(first: Results, *others: Results) -> Results:
    """Results of several runs as one table; where a policy is in two, the first counts.

    Raises:
        ReportError: they come from other seeds, or measure different things.
    """
    labels, settings, estimates = dict(first.labels), dict(first.settings), dict(first.estimates)
    for other in others:
        if other.seeds != first.seeds or _keys(other.goals) != _keys(first.goals):
            raise ReportError("the earlier results come from other seeds or attacks")
        for key in other.labels:
            if key not in labels:
                labels[key], settings[key] = other.labels[key], other.settings[key]
                estimates |= {pair: found for pair, found in other.estimates.items() if pair[0] == key}
    return dataclasses.replace(first, labels=labels, settings=settings, estimates=estimates)


def _keys(found: Sequence[Goal]) -> list[str]:
    return [goal.key for goal in found]
