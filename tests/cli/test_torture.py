"""`pillarbox torture`: cases are chosen, results are written where they belong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pillarbox.testing.torture.report import BEGIN, END

PROGRAM = (sys.executable, "-m", "pillarbox.cli", "torture")
PATIENCE = 120.0


def run(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def test_a_few_cases_with_all_that_is_written(tmp_path: Path) -> None:
    page, details = tmp_path / "page.md", tmp_path / "details.json"
    page.write_text(f"{BEGIN}\n{END}\n")
    files = ("--details", str(details), "--into", str(page))
    status, shown, said = run("poplib", "--family", "cut connections", "--case", "lost", "--quick", *files)
    assert status == 1, said  # the loop of poplib's documentation fetches everything again
    assert "| poplib | 3." in shown
    assert "lost 0, twice 10" in shown
    assert shown in page.read_text()
    assert "poplib: QUIT lost: mail is there twice" in said
    (found,) = json.loads(details.read_text())
    assert {failed["case"] for failed in found["details"]} == {"QUIT lost"}
    assert details.stat().st_mode & 0o077 == 0


def test_earlier_details_are_joined(tmp_path: Path) -> None:
    described = tmp_path / "mine.toml"
    described.write_text('[mine]\ncommand = ["/bin/sh", "-c", "exit 0"]\ndelivers = false\nmodes.implicit = {}\n')
    files = ("--describe", str(described), "--case", "a dot not stuffed")
    details = tmp_path / "details.json"
    assert run("mine", *files, "--details", str(details))[0] == 0
    status, shown, _ = run("mine", *files, "--join", str(details))
    assert status == 0
    assert shown.count("| mine |  | passed (1) | not run | not run |") == 2


def test_a_client_of_ones_own(tmp_path: Path) -> None:
    described = tmp_path / "mine.toml"
    described.write_text(
        '[mine]\ncommand = ["/bin/sh", "-c", "exit 0"]\ndelivers = false\nmodes.implicit = {}\nnote = "does nothing"\n'
    )
    status, shown, _ = run("mine", "--describe", str(described), "--family", "framing")
    assert status == 0
    assert "| mine |  | passed (9) | not run | not run |" in shown


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("nothing",), 2, "there is no client 'nothing'; there are: pillarbox fetch, pillarbox, mpop"),
        (("--family", "x"), 2, "there is no kind 'x'; there are: framing, size"),
        (("--describe", "/dev/null", "zzz"), 2, "there is no client 'zzz'"),
    ],
)
def test_what_is_wrong_is_told(arguments: tuple[str, ...], status: int, told: str) -> None:
    found, shown, said = run(*arguments)
    assert (found, shown) == (status, "")
    assert told in " ".join(said.replace("│", " ").split())


def test_a_client_that_works_with_no_server_is_told(tmp_path: Path) -> None:
    described = tmp_path / "mine.toml"
    described.write_text('[mine]\ncommand = ["/bin/sh", "-c", "exit 0"]\nmodes.implicit = {}\n')
    status, _, said = run("mine", "--describe", str(described))
    assert status == 1
    assert "error: mine does not work with an honest server" in said
    described.write_text("[mine")
    assert "error: " in run("mine", "--describe", str(described))[2]
