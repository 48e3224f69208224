"""The command line: `pillarbox COMMAND`.

Rules: only the command that was asked for is imported, so that the server starts quickly; no traceback reaches a user:
what a person can mend is said in a sentence, a defect names its type and asks for a report.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated

import typer

_SINGLE = ("serve", "quickstart", "test-server", "torture")
COMMANDS = (*_SINGLE, "account", "app-password", "breach", "guard", "config", "fetch", "archive", "lab")
"""Each is a module here: the single ones with a function `command`, the others with `app` for a group of commands."""

_INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C has ended before it could do its work."""


def build(wanted: str) -> typer.Typer:
    """The command line with the wanted command; with all of them when it names none, as for --help."""
    app = typer.Typer(
        name="pillarbox",
        help="Pillarbox, a POP3 system for real mail: server, fetcher, archive.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    for name in (wanted,) if wanted in COMMANDS else COMMANDS:
        module = importlib.import_module(f"pillarbox.cli.{name.replace('-', '_')}")
        if name in _SINGLE:
            app.command(name)(module.command)
        else:
            app.add_typer(module.app, name=name)
    return app


def _version(asked: bool) -> None:
    if asked:
        from pillarbox import __version__

        typer.echo(f"pillarbox {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The `pillarbox` program."""
    try:
        build(sys.argv[1] if len(sys.argv) > 1 else "")()
    except BrokenPipeError:
        # The reader of our output has gone: that is its right, and no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        sys.exit(f"pillarbox: {named}{error.strerror or error}")
    except Exception as error:
        if os.environ.get("PILLARBOX_TRACEBACK"):
            raise
        sys.exit(
            f"pillarbox: internal error ({type(error).__name__}). Please report it, with what is printed when the "
            "environment variable PILLARBOX_TRACEBACK is set to 1."
        )
