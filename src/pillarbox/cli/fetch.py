"""`pillarbox fetch`: bring mail from POP3 servers to where it belongs, exactly once.

Rules: only the command that was asked for is imported: `fetch run --once` may be started every minute.
Each command is in a file of its own; what they share is in `fetch_place`.
"""

from __future__ import annotations

import importlib
import sys

import typer

_MODULES = {
    "run": "fetch_run",
    "check": "fetch_check",
    "add": "fetch_add",
    "login": "fetch_login",
    "status": "fetch_status",
    "health": "fetch_status",
    "import": "fetch_import",
    "quarantine": "fetch_quarantine",
}
"""The file of each command, where it is a function of its own name, `import_seen` or, for a group, `app`."""


def build(wanted: str) -> typer.Typer:
    """The group with the wanted command; with all of them when it names none, as for --help."""
    group = typer.Typer(no_args_is_help=True)
    group.callback()(_group)
    for name in (wanted,) if wanted in _MODULES else tuple(_MODULES):
        module = importlib.import_module(f"pillarbox.cli.{_MODULES[name]}")
        if name == "quarantine":
            group.add_typer(module.app, name=name)
        else:
            group.command(name)(vars(module)["import_seen" if name == "import" else name])
    return group


def _group() -> None:
    pass  # keeps a group with one command a group


app = build(sys.argv[2] if len(sys.argv) > 2 else "")
