"""`pillarbox lab`: a race from the command line, its files, and errors in a sentence."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tests.lab.small import small
from typer.testing import CliRunner, Result

from pillarbox.cli import lab
from pillarbox.lab import parameters
from pillarbox.lab.report import SIMULATED


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "load", small)
    monkeypatch.setattr(parameters, "quick", lambda numbers: numbers)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(lab.app, arguments)


def test_a_race_prints_a_table_that_says_that_it_is_simulated(tmp_path: Path) -> None:
    page = tmp_path / "guard.md"
    page.write_text("<!-- pillarbox lab guard: begin -->\n<!-- pillarbox lab guard: end -->\n")
    files = ("--out", str(tmp_path / "out"), "--into", str(page))
    found = run("guard", "--quick", "--attack", "single,none", "--seeds", "2", *files)
    assert found.exit_code == 0, found.output
    assert SIMULATED in found.stdout
    assert "Pillarbox" in found.stdout
    assert SIMULATED in page.read_text()
    assert "fail2ban" in found.stdout
    assert SIMULATED in (tmp_path / "out" / "results.md").read_text()
    assert ET.fromstring((tmp_path / "out" / "results.svg").read_text()).tag.endswith("svg")
    assert json.loads((tmp_path / "out" / "results.json").read_text())["seeds"] == [1, 2]


def test_json_and_joining_an_earlier_run(tmp_path: Path) -> None:
    common = ("guard", "--attack", "single", "--seeds", "1", "--json")
    rivals = run(*common, "--policy", "fail2ban,strikes", "--out", str(tmp_path))
    assert rivals.exit_code == 0, rivals.output
    both = run(*common, "--policy", "pillarbox", "--join", str(tmp_path / "results.json"))
    document = json.loads(both.stdout)
    assert document["simulated"] == SIMULATED
    assert [one["key"] for one in document["policies"]] == ["pillarbox", "fail2ban", "strikes"]
    other = run("guard", "--attack", "spray", "--seeds", "1", "--join", str(tmp_path / "results.json"))
    assert other.exit_code == 1
    assert "other seeds or attacks" in other.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--attack", "nobody"), "there is no attack 'nobody'"),
        (("--policy", "nobody"), "there is no policy 'nobody'"),
        (("--tune", "--policy", "pillarbox"), "has no grid"),
    ],
)
def test_a_wrong_name_lists_the_right_ones(arguments: tuple[str, ...], said: str) -> None:
    found = run("guard", *arguments)
    assert found.exit_code == 2
    assert said.split("'")[0] in found.output


def test_too_many_seeds_would_reach_the_tuning_seeds() -> None:
    found = run("guard", "--seeds", "2000")
    assert found.exit_code == 1
    assert "tuning seed" in found.output


def test_the_search_prints_what_goes_into_the_file() -> None:
    found = run("guard", "--tune", "--policy", "strikes", "--attack", "single")
    assert found.exit_code == 0, found.output
    assert "[strikes]\nbest = { strikes = " in found.stdout


def test_replay_wants_accounts(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text("anna\n")
    found = run("replay", "--port", "1", "--accounts", str(accounts))
    assert found.exit_code == 1
    assert "not name:password" in found.output


def test_replay_against_nobody_has_nothing_to_compare(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text("".join(f"user{number}:secret\n" for number in range(12)))
    found = run("replay", "--port", "1", "--accounts", str(accounts), "--attempts", "5", "--seconds", "1")
    assert found.exit_code == 0, found.output
    assert "0 compared" in found.stdout
