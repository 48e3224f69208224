"""The program as a whole: help, versions, wrong usage; and no traceback, whatever goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.program import PATIENCE, PROGRAM, run

from pillarbox import __version__, cli
from pillarbox.cli import COMMANDS


def test_version() -> None:
    assert run("--version") == (0, f"pillarbox {__version__}\n", "")


def test_help_names_every_command() -> None:
    status, shown, said = run("--help")
    assert (status, said) == (0, "")
    assert [line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines()] == list(COMMANDS)
    assert run() == (2, "", shown)  # without a command it is told on standard error, and is wrong usage


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help_that_says_what_it_does(command: str) -> None:
    status, shown, said = run(command, "--help")
    assert (status, said) == (0, "")
    assert shown.startswith("Usage: ")
    assert len(shown.splitlines()[2].split()) >= 4


@pytest.mark.parametrize("group", ["account", "config"])
def test_each_command_of_a_group_has_one_too(group: str) -> None:
    shown = run(group, "--help")[1]
    names = [line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines() if line.startswith("  ")]
    assert len(names) >= 4
    for name in names:
        status, told, _ = run(group, name, "--help")
        assert (status, told.splitlines()[2].strip() != "") == (0, True), name


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sever"], "No such command 'sever'. Did you mean 'serve'"),
        (["zzz"], "No such command 'zzz'"),
        (["serve", "--confg", "x"], "No such option: --confg"),
        (["serve", "--config"], "requires an argument"),
        (["quickstart", "a", "b"], "unexpected extra argument"),
        (["account", "ad"], "No such command 'ad'"),
        (["account", "add"], "Missing argument"),
        (["--zzz"], "No such option: --zzz"),
    ],
)
def test_wrong_usage_is_told_on_standard_error(arguments: list[str], told: str) -> None:
    status, shown, said = run(*arguments)
    assert (status, shown) == (2, "")
    assert told in said
    assert "Traceback" not in said


@pytest.mark.parametrize("arguments", [["serve"], ["config", "check"], ["config", "show"], ["account", "list"]])
@pytest.mark.parametrize("text", [None, "[server", "[server]\nworkers = 'x'\n", "\udcff\udcfe", "a = " + "[" * 9000])
def test_a_bad_configuration_is_told_by_every_command(tmp_path: Path, arguments: list[str], text: str | None) -> None:
    config = tmp_path / "p.toml"
    if text is not None:
        config.write_bytes(text.encode(errors="surrogateescape"))
    status, shown, said = run(*arguments, "--config", str(config))
    assert (status, shown) == (1, "")
    assert said.startswith(f"error: {config}")
    assert "Traceback" not in said


def test_an_operating_system_error_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PROGRAM, "config", "reference"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
        )
    assert (done.returncode, done.stderr) == (1, "pillarbox: No space left on device\n")
    assert run("quickstart", "/proc/x") == (1, "", "pillarbox: /proc/x: No such file or directory\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PROGRAM, "config", "reference"], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
    )
    os.close(writing)
    assert done.stderr == ""


BROKEN = (
    "import sys; from pillarbox import cli; sys.argv = ['pillarbox', 'serve']; cli.build = lambda _: {}['secret']; "
)


def test_a_defect_names_its_type_and_asks_for_a_report() -> None:
    command = [sys.executable, "-c", BROKEN + "cli.main()"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert done.stderr.startswith("pillarbox: internal error (KeyError). Please report it")
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1
    traced = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "PILLARBOX_TRACEBACK": "1"}
    )
    assert traced.stderr.startswith("Traceback")


def test_ctrl_c_while_it_is_starting_is_no_traceback() -> None:
    program = (
        "import os, signal; from pillarbox import cli; cli.build = lambda _: os.kill(os.getpid(), signal.SIGINT); "
    )
    command = [sys.executable, "-c", program + "cli.main()"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "")


@pytest.mark.parametrize("wanted", ["config", ""])
def test_only_the_wanted_command_is_imported(wanted: str) -> None:
    """What `config check` and --help must not cost: the server."""
    program = f"import sys; from pillarbox import cli; cli.build({wanted!r}); print('pillarbox.wiring' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "False\n", done.stderr


def test_the_installed_program_is_this_one() -> None:
    from importlib.metadata import entry_points

    (found,) = entry_points(group="console_scripts", name="pillarbox")
    assert found.load() is cli.main
