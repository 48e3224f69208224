"""The questions of `pillarbox fetch add`: each has an option that answers it, and a default where there is a sane one.

Rules: nothing is asked whose answer is given; with `--yes` nothing is asked at all, defaults are taken, and what has
none ends the command; a server outside the address's own domain is never chosen without somebody's word.

Elsewhere: what is done with the answers (`fetch_add`).
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

from pillarbox.cli.fetch_place import fail
from pillarbox.cli.telling import WRONG_USE, note
from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pillarbox.client.discover import Discovery, Proposal

ISPDB = "https://autoconfig.thunderbird.net/v1.1"
"""Mozilla's list of mail servers. It is shown the domain of the address, never the address."""

A = TypeVar("A")

Discover = Callable[[str, str], "Discovery"]
"""Looks for the servers of an address, with a public list ("" for none)."""


class Kind(Enum):
    """Destinations."""

    MAILDIR = "maildir"
    MBOX = "mbox"
    ARCHIVE = "archive"
    PIPE = "pipe"
    LMTP = "lmtp"
    SMTP = "smtp"
    IMAP = "imap"


class Provider(Enum):
    """Providers of tokens."""

    GOOGLE = "google"
    MICROSOFT = "microsoft"


class Asker:
    """Asks, unless nobody is to be asked.

    Args:
        yes: take the defaults.
    """

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes

    def text(self, question: str, option: str, given: str = "", default: str = "") -> str:
        """A text: the one given, or an answer."""
        if given:
            return given
        if self._yes:
            if not default:
                self._missing(option)
            return default
        return str(_answer(option, lambda: typer.prompt(question, default=default or None, err=True))).strip()

    def choice(self, question: str, option: str, choices: Sequence[str], default: str) -> str:
        """One of some words."""
        while True:
            answer = self.text(f"{question} ({', '.join(choices)})", option, default=default)
            if answer in choices:
                return answer
            note(f"That is none of them: {answer}")

    def agreed(self, question: str, *, default: bool, option: str = "--yes") -> bool:
        """Yes or no."""
        if self._yes:
            return default
        return _answer(option, lambda: typer.confirm(question, default=default, err=True))

    def secret(self, question: str, *, from_stdin: bool) -> str:
        """A password: from standard input, or typed without being shown."""
        if from_stdin:
            given = sys.stdin.readline().rstrip("\r\n")
            if not given:
                fail("standard input holds no password", WRONG_USE)
            return given
        if self._yes:
            self._missing("--password-stdin")
        return str(_answer("--password-stdin", lambda: typer.prompt(question, hide_input=True, err=True)))

    def retries(self) -> bool:
        """Whether somebody is there who could correct something."""
        return not self._yes

    def _missing(self, option: str) -> NoReturn:
        fail(f"nobody is asked with --yes, and {option} is not given", WRONG_USE)


def _answer(option: str, ask: Callable[[], A]) -> A:
    """What is answered. Ends the command where nobody is there to answer."""
    try:
        return ask()
    except typer.Abort:
        if sys.stdin.isatty():
            raise  # Ctrl-C
        typer.echo(err=True)
        fail(f"nobody is there to answer: give {option}", WRONG_USE)


def find_server(ask: Asker, address: str, discover: Discover, ispdb: str) -> Proposal | None:
    """Look for the server of an address, and let somebody choose. None when there is none to choose from."""
    if not all(address.rpartition("@")[::2]):
        fail(
            f"{address} is no mail address: write one such as ada@example.org, or name the server with --url", WRONG_USE
        )
    note(f"Looking for the mail server of {address.rpartition('@')[2]} …")
    try:
        found = discover(address, ispdb)
    except ValueError as error:
        fail(str(error), WRONG_USE)
    for trouble in found.troubles:
        note(f"  {trouble.source.value}: {trouble.reason}")
    if not found.proposals:
        return None
    if not ask.retries():
        sure = [one for one in found.proposals if not one.needs_confirmation]
        if not sure:
            fail("no server is sure enough to be taken without being asked: name it with --url", WRONG_USE)
        return sure[0]
    for number, one in enumerate(found.proposals, 1):
        typer.echo(clean(f"  {number}. {_shown(one)}"), err=True)
    numbers = [str(number) for number in range(1, len(found.proposals) + 1)]
    answer = int(ask.choice("Which one? 0 for another", "--url", ["0", *numbers], "1"))
    return found.proposals[answer - 1] if answer else None


def _shown(one: Proposal) -> str:
    doubt = ", outside of the address's domain or guessed: sure?" if one.needs_confirmation else ""
    return f"{one.url}, user {one.user}, {one.auth.value} (said by {one.source.value}{doubt})"


def destination(
    ask: Asker, name: str, to: Kind | None, given: dict[str, str], settled: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The table `deliver`: what its kind needs, and what is settled already. `Any`: what TOML can hold."""
    settled = settled or {}
    kind = to or Kind(ask.choice("Where does the mail go?", "--to", [kind.value for kind in Kind], "maildir"))
    table: dict[str, Any] = {"to": kind.value}
    for setting, question, default in _NEEDS[kind]:
        if setting in settled:
            continue
        answer = ask.text(question, f"--{setting}", given.get(setting, ""), default.format(name=name))
        if setting == "command":
            table[setting] = _words(answer, shell=settled.get("shell") is True)
        else:
            table[setting] = absolute(answer) if setting in ("path", "socket") else answer
        if setting == "path":
            _make_parent(ask, Path(table["path"]).expanduser().parent, named=bool(given.get("path")))
    return {**table, **settled}


def _words(command: str, *, shell: bool) -> list[str]:
    """A program and its arguments; with a shell one text. Ends the command where a shell is missing."""
    if shell:
        return [command]
    found = _FOR_A_SHELL.search(_QUOTED.sub("", command))
    if found:
        fail(
            f"--command: {found[0]} means something to a shell only, and none reads the command: add "
            '--set deliver.shell=true, or give a list: --set \'deliver.command=["PROGRAM", "ARGUMENT"]\'',
            WRONG_USE,
        )
    try:
        return shlex.split(command)
    except ValueError:
        fail(f"--command: a quote is not closed: {command}", WRONG_USE)


def _make_parent(ask: Asker, directory: Path, *, named: bool) -> None:
    """Destinations are made where they are missing, the directory they are in is not: it may be a disk that is off.

    Only where somebody agrees, or where the place was ours to choose, is it made.
    """
    if directory.is_dir():
        return
    if named and not ask.retries():
        fail(f"there is no directory {directory}: mkdir -p {shlex.quote(str(directory))}")
    if not ask.agreed(f"There is no directory {directory}. Make it?", default=True):
        return
    try:
        directory.mkdir(parents=True, mode=0o700)
    except OSError as error:
        fail(f"{directory}: {error.strerror}: choose another place")


_QUOTED = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.""", re.DOTALL)
_FOR_A_SHELL = re.compile(r"[><|;&$`*]")


def absolute(path: str) -> str:
    """A path as it is to stand in the file: what a person typed is meant from where that person is."""
    return path if path.startswith("~") else os.path.abspath(path)


_NEEDS: dict[Kind, tuple[tuple[str, str, str], ...]] = {
    Kind.MAILDIR: (("path", "Which Maildir?", "~/Mail/{name}"),),
    Kind.MBOX: (("path", "Which file?", "~/mail/{name}"),),
    Kind.ARCHIVE: (("path", "Which archive?", "~/.local/share/pillarbox/archive"),),
    Kind.PIPE: (("command", "Which program, with its arguments?", ""),),
    Kind.LMTP: (("socket", "Which socket?", "/run/dovecot/lmtp"), ("recipient", "To whom?", "")),
    Kind.SMTP: (("host", "Which server?", "localhost"), ("recipient", "To whom?", "")),
    Kind.IMAP: (("host", "Which server?", ""), ("user", "Which user there?", "")),
}
