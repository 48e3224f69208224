"""The arithmetic of the comparison: what a round is charged with, ratios, and goals."""

import pytest
from bench.method import Goal, RowResult, Verdict, compare, interleave, per_unit, sample


def test_cost_is_cpu_between_readings_divided_by_work() -> None:
    assert per_unit([10.0, 16.0, 20.0], [3, 2]) == [2.0, 2.0]


@pytest.mark.parametrize(("marks", "units"), [([1.0], [1]), ([1.0, 2.0, 3.0], [1]), ([1.0, 2.0], [0])])
def test_readings_that_do_not_fit_the_work_are_refused(marks: list[float], units: list[int]) -> None:
    with pytest.raises(ValueError):
        per_unit(marks, units)


def test_work_put_off_until_the_other_servers_turn_is_charged() -> None:
    """A server that uses 1 s in its slice and 1 s more while the other is measured costs 2 s a round."""
    used = {"lazy": 0.0, "other": 0.0}

    def work(name: str) -> int:
        used[name] += 1.0
        if name == "other":
            used["lazy"] += 1.0
        return 1

    costs = interleave(["lazy", "other"], work, used.__getitem__, rounds=4)

    assert costs == {"lazy": [2.0] * 4, "other": [1.0] * 4}


def test_the_servers_take_turns_and_the_order_alternates() -> None:
    order: list[str] = []
    clock = iter(range(100))

    def work(name: str) -> int:
        order.append(name)
        return 1

    interleave(["a", "b"], work, lambda _: float(next(clock)), rounds=3)

    assert order == ["a", "b", "b", "a", "a", "b"]


def test_a_ratio_is_taken_inside_each_round() -> None:
    """The machine is ten times slower in the last round: a ratio of sums would be pulled there, this is not."""
    ratio = compare([1.0, 1.0, 20.0], [2.0, 2.0, 20.0])

    assert (ratio.median, ratio.rounds) == (0.5, 3)


def test_ratios_need_as_many_rounds_and_a_positive_peer() -> None:
    with pytest.raises(ValueError, match="rounds"):
        compare([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="positive"):
        compare([1.0], [0.0])


def test_a_sample_has_median_quartiles_and_spread() -> None:
    result = sample([1.0, 2.0, 3.0, 4.0, 5.0])

    assert (result.median, result.low, result.high, result.rounds) == (3.0, 2.0, 4.0, 5)
    assert result.spread == pytest.approx(1 / 3)
    assert sample([7.0]).spread == 0.0
    with pytest.raises(ValueError, match="no measurement"):
        sample([])


@pytest.mark.parametrize(
    ("goal", "figure", "verdict", "text"),
    [
        (Goal(0.55), 0.55, Verdict.PASS, "≤ 0.55"),
        (Goal(0.55), 0.551, Verdict.MISSED, "≤ 0.55"),
        (Goal(0.05), -0.01, Verdict.PASS, "≤ 0.05"),  # memory may have shrunk
        (Goal(low=1.8), 1.79, Verdict.MISSED, "≥ 1.8"),
        (Goal(low=1.8), 2.0, Verdict.PASS, "≥ 1.8"),
        (Goal(1.1, low=0.9), 0.89, Verdict.MISSED, "0.9 – 1.1"),
        (Goal(1.1, low=0.9), 1.0, Verdict.PASS, "0.9 – 1.1"),
    ],
)
def test_goals(goal: Goal, figure: float, verdict: Verdict, text: str) -> None:
    assert goal.judge(figure) is verdict
    assert str(goal) == text


def test_a_row_without_goal_or_measurement_has_no_verdict() -> None:
    figure = sample([0.5])

    assert RowResult("a", "A", "µs", figure=figure, goal=Goal(0.6)).verdict is Verdict.PASS
    assert RowResult("a", "A", "µs", figure=figure).verdict is Verdict.NONE
    assert RowResult("a", "A", "µs", goal=Goal(0.6), failed="why").verdict is Verdict.NONE
