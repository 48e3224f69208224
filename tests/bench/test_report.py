"""The report: aligned columns, honest numbers, both files."""

from pathlib import Path

import msgspec
import pytest
from bench.method import Goal, RowResult, sample
from bench.report import number, render, save, table

_MET = RowResult("login", "login", "µs", sample([209.0]), sample([1030.0]), sample([0.2]), Goal(0.3), 12.0)
_MISSED = RowResult("drain", "drain", "µs", sample([5000.0]), sample([5742.0]), sample([0.8, 0.9]), Goal(0.55))
_FAILED = RowResult("start", "start", "ms", goal=Goal(500), failed="it did not greet")
_OPEN = RowResult("workers", "workers", "1/s", sample([2000.0]), None, sample([1.9]), note="not judged")


@pytest.mark.parametrize(
    ("value", "text"),
    [(12917.4, "12,917"), (100.4, "100"), (42.84, "42.8"), (1.03, "1.03"), (0.2034, "0.203"), (0.0, "0.000")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_the_columns_are_aligned() -> None:
    lines = table([_MET, _MISSED, _FAILED, _OPEN], "Ours", "Peer").splitlines()

    assert len({len(line) for line in lines}) == 1
    assert {line.count("|") for line in lines} == {10}
    assert "Ours" in lines[0]
    assert "Peer" in lines[0]


def test_verdicts_and_failures_are_said() -> None:
    text = render([_MET, _MISSED, _FAILED, _OPEN], {"cores": "2"}, "Ours", "Peer")

    assert "1 of 2 goals met" in text
    assert "MISSED" in text
    assert "start was not measured: it did not greet" in text
    assert "workers: not judged" in text
    assert "cores 2" in text


def test_quartiles_only_where_there_are_several_rounds() -> None:
    _, _, met, missed = table([_MET, _MISSED], "Ours", "Peer").splitlines()

    assert " – " not in met
    assert "0.825 – 0.875" in missed


def test_both_files_are_written(tmp_path: Path) -> None:
    save(tmp_path / "results", [_MET, _FAILED], {"cores": "2"}, "the text\n")

    data = msgspec.json.decode((tmp_path / "results" / "latest.json").read_bytes())
    assert data["facts"] == {"cores": "2"}
    assert data["rows"][0]["figure"]["median"] == 0.2
    assert data["rows"][0]["verdict"] == "pass"
    assert data["rows"][1]["failed"] == "it did not greet"
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["latest.json", "latest.md"]
