"""The table, JSON, and results put together."""

from __future__ import annotations

import json
import math

import pytest
from tests.lab.small import small

from pillarbox.lab import report
from pillarbox.lab.measure import estimate, goals
from pillarbox.lab.race import Results
from pillarbox.lab.report import SIMULATED, ReportError

GOALS = [goal for goal in goals(200) if goal.attack in ("single", "stuffing")]


def results(key: str = "one", *, seeds: tuple[int, ...] = (1, 2), before: tuple[float, float] = (8, 10)) -> Results:
    values = {goal.key: (0.0, 0.0) for goal in GOALS} | {
        "single.before": before,
        "stuffing.takeovers": (0.01, 0.02),
    }
    return Results(
        seeds=seeds,
        goals=GOALS,
        labels={key: key.title()},
        settings={key: {"maxretry": 5}},
        estimates={(key, name): estimate(value) for name, value in values.items()},
        accounts=200,
    )


def test_the_table_marks_what_is_met_and_missed() -> None:
    text = report.markdown(results())
    assert SIMULATED in text
    assert "| policy | wrong guesses verified before refusal (≤ 10) |" in text
    assert "| One | 9 [0, 21.7] ✓ | 0 ✓ | 0 | 0 |" in text
    assert "| policy | takeovers, of all pairs (≤ 0.1 %) | rightful sessions refused |" in text
    assert "| One | 1.5 % [0, 7.853 %] ✗ | 0 % |" in text
    assert "| One | 2 of 3 | maxretry = 5 |" in text


def test_a_page_keeps_what_is_outside_its_markers() -> None:
    page = "# Guard\n\n<!-- pillarbox lab guard: begin -->\nold\n<!-- pillarbox lab guard: end -->\n\nMore.\n"
    new = report.inserted(page, "table\n")
    assert new == page.replace("old", "table")
    assert report.inserted(new, "table") == new
    with pytest.raises(ReportError, match="the page has no lines"):
        report.inserted("# Guard\n", "table")


def test_never_is_printed_as_never() -> None:
    (before, *_) = GOALS
    assert report.cell(estimate([math.inf, math.inf]), before) == "never ✗"
    assert report.cell(estimate([3.0, math.inf]), before) == "never (1 of 2 seeds) ✗"


def test_json_comes_back_as_it_was() -> None:
    found = results(before=(3, math.inf))
    text = report.as_json(found, small())
    assert json.loads(text)["simulated"] == SIMULATED
    again = report.from_json(text, small())
    assert (again.seeds, again.labels, again.settings, again.estimates) == (
        found.seeds,
        found.labels,
        found.settings,
        found.estimates,
    )


def test_results_of_other_numbers_seeds_or_attacks_are_not_mixed() -> None:
    text = report.as_json(results(), small())
    with pytest.raises(ReportError, match="other parameters"):
        report.from_json(text, small(population__typo=0.5))
    for broken in ("", "[]", "{}", '{"parameters": 3}'):
        with pytest.raises(ReportError):
            report.from_json(broken, small())
    with pytest.raises(ReportError, match="other seeds"):
        report.joined(results(), results("two", seeds=(1, 2, 3)))


def test_joined_results_keep_the_first_of_two() -> None:
    found = report.joined(results(), results("two"), results("one", before=(99, 99)))
    assert list(found.labels) == ["one", "two"]
    assert found.estimates["one", "single.before"].mean == 9
    assert [row[0] for row in report.tables(found)[0].rows] == ["One", "Two"]
