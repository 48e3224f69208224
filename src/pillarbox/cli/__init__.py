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

COMMANDS = {
    "serve": "Run the server until SIGTERM or Ctrl-C. SIGHUP reloads configuration and certificates.",
    "quickstart": "Start a server to try out: makes a certificate, an account and some mail, and says how to read it.",
    "test-server": "Run a POP3 server with scripted faults, to try a client against.",
    "torture": "Run a POP3 client against hostile servers, cut connections and kills.",
    "account": "Add, change and remove the accounts that may read mail.",
    "app-password": "Make, list and revoke app passwords: one for each mail program.",
    "breach": "Make and ask the offline file of breached passwords.",
    "guard": "See whom the guard refuses, and why; release and allow.",
    "config": "Check, show and explain the configuration.",
    "fetch": "Fetch mail from POP3 servers, exactly once.",
    "archive": "Keep mail in a verifiable archive: add, search, show, export, verify.",
    "lab": "Measure the server's defences.",
}
"""Each is a module here, and what --help says of it."""

_SINGLE = {"serve", "quickstart", "test-server", "torture"}
"""Those with a function `command`; the others have `app` for a group of commands."""

_INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C has ended before it could do its work."""


def build(wanted: str) -> typer.Typer:
    """The command line with the wanted command; the others are listed only."""
    app = typer.Typer(
        name="pillarbox",
        help="Pillarbox, a POP3 system for real mail: server, fetcher, archive.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    for name, told in COMMANDS.items():
        if name != wanted:
            app.command(name, help=told)(_listed)
            continue
        module = importlib.import_module(f"pillarbox.cli.{name.replace('-', '_')}")
        if name in _SINGLE:
            app.command(name, help=told)(module.command)
        else:
            app.add_typer(module.app, name=name, help=told)
    return app


def _listed() -> None:
    """Stands for a command that was not asked for."""


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
        # The first word that is no option: none of ours takes a value.
        build(next((word for word in sys.argv[1:] if not word.startswith("-")), ""))()
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
