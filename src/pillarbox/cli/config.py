"""`pillarbox config`: check, show, explain, reference; and how every command finds its configuration.

Rules: problems go to stderr, each with its key and what to write instead, and the exit code is 1; what was asked for
goes to stdout. Texts from files are cleaned before a terminal sees them. All wording about settings is the schema's.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from pillarbox.cli.telling import fail_with, print_problems
from pillarbox.config import ConfigError, Problem
from pillarbox.config.checks import check_files, warnings
from pillarbox.config.load import load
from pillarbox.config.schema import Settings
from pillarbox.watch.clean import clean

LOCAL_FILE = Path("pillarbox.toml")
SYSTEM_FILE = Path("/etc/pillarbox/pillarbox.toml")
VARIABLE = "PILLARBOX_CONFIG"

config_option = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="PATH",
        envvar=VARIABLE,
        help=f"The configuration file.  [default: ./{LOCAL_FILE} if it exists, else {SYSTEM_FILE}]",
        show_default=False,
    ),
]
"""The `--config` option of every command that needs the configuration."""

app = typer.Typer(no_args_is_help=True)


def find_config(path: Path | None) -> Path:
    """The configuration file to use: `path` if given, else ./pillarbox.toml if it exists, else the system's."""
    if path is not None:
        return path
    return LOCAL_FILE if LOCAL_FILE.exists() else SYSTEM_FILE


def load_or_exit(path: Path | None) -> Settings:
    """The settings of `find_config(path)`; on problems prints all of them and ends the command with exit code 1."""
    try:
        return load(find_config(path))
    except ConfigError as error:
        fail_with(error.problems)


def print_warnings(problems: Iterable[Problem]) -> None:
    """Print warnings to stderr."""
    print_problems(problems, "warning", typer.colors.YELLOW)


@app.command()
def check(config: config_option = None) -> None:
    """Report everything that is wrong with the configuration, and with the files it names."""
    path = find_config(config)
    settings = load_or_exit(path)
    from pillarbox import wiring

    problems = [*check_files(settings), *wiring.problems(settings)]
    if problems:
        fail_with(_in_file(problems, path))
    remarks = [*warnings(settings, datetime.datetime.now(datetime.UTC).date()), *wiring.reminders(settings)]
    print_warnings(_in_file(remarks, path))
    typer.echo(f"{clean(str(path))}: the configuration is fine.")


@app.command()
def show(config: config_option = None) -> None:
    """Print the settings in force as a configuration file, with defaults marked."""
    from pillarbox.config import describe

    path = find_config(config)
    typer.echo(f"# The settings in force with {clean(str(path))}\n\n{describe.show(load_or_exit(path))}", nl=False)


@app.command()
def explain(
    key: Annotated[
        str, typer.Argument(help="A setting or section, such as timeouts.idle; the sections when left out.")
    ] = "",
) -> None:
    """Print what a setting means, its default and an example; for a section, its settings."""
    from pillarbox.config import describe

    try:
        typer.echo(describe.explain(key), nl=False)
    except ConfigError as error:
        fail_with(error.problems)


@app.command()
def reference() -> None:
    """Print the reference page of all settings, in Markdown."""
    from pillarbox.config import describe

    typer.echo(describe.reference(), nl=False)


def _in_file(problems: list[Problem], path: Path) -> list[Problem]:
    return [dataclasses.replace(problem, source=str(path)) for problem in problems]
