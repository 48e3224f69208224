"""The command of a pipe: its arguments with placeholders, its environment, and what its exit status means.

Rules: arguments go to the program as they are, never through a shell; where a shell is asked for, its text is fixed and
values come in the environment only, so that no value is ever read as a command; the environment is made here, and holds
nothing of the fetcher's own that could be a secret.

Serves sysexits(3).
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NAMES = ("sender", "recipient", "account", "name", "size")
"""The placeholders, written `{sender}`; the same values are in the environment, as SENDER and so on."""

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([a-z_]*)\}|[{}]")
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

# sysexits(3), and what a shell answers for a program that it cannot run. These tell of the machine or the program, not
# of the message; a message is never put aside for them.
_TEMPORARY: Mapping[int, str] = {
    69: "a service is unavailable (EX_UNAVAILABLE)",
    71: "the system failed (EX_OSERR)",
    72: "a file of the system is missing (EX_OSFILE)",
    73: "a file could not be made (EX_CANTCREAT)",
    74: "reading or writing failed (EX_IOERR)",
    75: "try again later (EX_TEMPFAIL)",
    77: "permission denied (EX_NOPERM)",
    78: "its configuration is wrong (EX_CONFIG)",
    126: "it could not be run",
    127: "there is no such program",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an exit status means: why it failed ("" for success), and whether that is for now only."""

    reason: str
    temporary: bool = False


def outcome(status: int) -> Outcome:
    """What `subprocess`'s return code means: a negative number is a signal."""
    if status == 0:
        return Outcome("")
    if status < 0 or 128 < status < 128 + signal.NSIG:  # a shell passes on a child's signal as 128 and its number
        number = -status if status < 0 else status - 128
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return Outcome(f"it was ended by {name}", temporary=True)
    if status in _TEMPORARY:
        return Outcome(_TEMPORARY[status], temporary=True)
    return Outcome(f"it refused the message with exit status {status}")


def check_arguments(arguments: Sequence[str], *, shell: bool) -> None:
    """Look whether a command can be used.

    Raises:
        ValueError: there is none, it holds a NUL, or a placeholder that does not exist or that a shell would read.
    """
    if not arguments or not arguments[0]:
        raise ValueError("the command is empty: name a program and its arguments")
    if shell and len(arguments) != 1:
        raise ValueError("with `shell` the command is one text")
    for argument in arguments:
        if "\0" in argument:
            raise ValueError("a command cannot hold a NUL character")
        if shell:
            # A brace is the shell's own here; a placeholder would be text of strangers in a command.
            for name in NAMES:
                if "{" + name + "}" in argument:
                    raise ValueError(f'with `shell` write "${name.upper()}" instead of {{{name}}}')
            continue
        for found in _PLACEHOLDER.finditer(argument):
            if found[0] not in ("{{", "}}") and found[1] not in NAMES:
                known = ", ".join("{" + name + "}" for name in NAMES)
                raise ValueError(f'"{argument}": the placeholders are {known}; a brace itself is written twice')
    if not shell and "{" in arguments[0].replace("{{", ""):
        raise ValueError("the program itself is fixed: placeholders belong into its arguments")


def filled(arguments: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The arguments with every placeholder replaced, once: a value that looks like a placeholder stays as it is."""

    def value(found: re.Match[str]) -> str:
        return values[found[1]] if found[1] else found[0][0]

    return [_PLACEHOLDER.sub(value, argument) for argument in arguments]


def environment(values: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """The program's environment: a few common variables of ours, the settings' own, and the message's values."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, **extra, **{name.upper(): value for name, value in values.items()}}


def check_environment(extra: Mapping[str, str]) -> None:
    """Look whether variables can be set.

    Raises:
        ValueError: a name is none, or a value holds a NUL.
    """
    for name, value in extra.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            raise ValueError(f'"{name}" is no environment variable that can be set')
