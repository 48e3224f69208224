"""What docs/fetch.md and packaging/ say of the fetcher holds."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pillarbox.cli import fetch
from pillarbox.fetch import accounts_file

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "fetch.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (pillarbox fetch (?:.*\\\n)?.*)$", GUIDE, re.MULTILINE)
UNITS = sorted((ROOT / "packaging").glob("pillarbox-fetch*"))


def test_the_guides_file_loads(tmp_path: Path) -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "fetch.toml").write_text(toml)
    loaded = accounts_file.load(tmp_path / "fetch.toml")
    assert [one.account.name for one in loaded.accounts] == ["ada", "work"]
    assert loaded.accounts[1].account.delete_after == 30 * 86_400
    assert loaded.accounts[1].account.filter is not None


def test_the_packaged_file_loads_and_uses_what_it_explains() -> None:
    loaded = accounts_file.load(ROOT / "packaging" / "fetch.toml")
    assert [one.account.name for one in loaded.accounts] == ["ada", "office"]
    assert loaded.disabled == ("gmail",)


def test_the_guide_has_commands() -> None:
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_of_the_guide_is_one(line: str) -> None:
    """Its options and arguments are taken: it is parsed by the program itself, and not carried out."""
    words = shlex.split(line.replace("\\\n", " ").partition(" <")[0], comments=True)[2:]
    command = typer.main.get_command(fetch.app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]  # type: ignore[attr-defined]  # a group, as just seen
    command.make_context("fetch", words)


def test_every_command_is_in_the_guide_and_explains_itself() -> None:
    commands = typer.main.get_command(fetch.app).commands  # type: ignore[attr-defined]  # a group
    for name in commands:
        assert f"pillarbox fetch {name}" in GUIDE
        done = CliRunner().invoke(fetch.app, [name, "--help"])
        assert done.exit_code == 0
        assert "Usage" in done.output


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", GUIDE):
        assert (ROOT / "docs" / target).is_file(), target


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    assert len(UNITS) == 3
    for unit in UNITS:
        # The program of the units is not installed here.
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/bin/pillarbox ", "/bin/true "))
    paths = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True)
    if "Failed to" in done.stderr and "bus" in done.stderr:
        pytest.skip("systemd-analyze does not work here")
    assert (done.returncode, done.stderr) == (0, "")
