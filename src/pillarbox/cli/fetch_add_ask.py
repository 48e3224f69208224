"""The questions of `pillarbox fetch add`: each has an option that answers it, and a default where there is a sane one.

Rules: nothing is asked whose answer is given; with `--yes` nothing is asked at all, defaults are taken, and what has
none ends the command; a server outside the address's own domain is never chosen without somebody's word.

Elsewhere: what is done with the answers (`fetch_add`).
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from pillarbox.cli.fetch_place import WRONG_USE, fail, note
from pillarbox.watch.clean import clean

if TYPE_CHECKING:
    from pillarbox.client.discover import Discovery, Proposal

ISPDB = "https://autoconfig.thunderbird.net/v1.1"
"""Mozilla's list of mail servers. It is shown the domain of the address, never the address."""

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
        return str(typer.prompt(question, default=default or None, err=True)).strip()

    def choice(self, question: str, option: str, choices: Sequence[str], default: str) -> str:
        """One of some words."""
        while True:
            answer = self.text(f"{question} ({', '.join(choices)})", option, default=default)
            if answer in choices:
                return answer
            note(f"That is none of them: {answer}")

    def agreed(self, question: str, *, default: bool) -> bool:
        """Yes or no."""
        return default if self._yes else typer.confirm(question, default=default, err=True)

    def secret(self, question: str, *, from_stdin: bool) -> str:
        """A password: from standard input, or typed without being shown."""
        if from_stdin:
            given = sys.stdin.readline().rstrip("\r\n")
            if not given:
                fail("standard input holds no password", WRONG_USE)
            return given
        if self._yes:
            self._missing("--password-stdin")
        return str(typer.prompt(question, hide_input=True, err=True))

    def retries(self) -> bool:
        """Whether somebody is there who could correct something."""
        return not self._yes

    def _missing(self, option: str) -> NoReturn:
        fail(f"nobody is asked with --yes, and {option} is not given", WRONG_USE)


def find_server(ask: Asker, address: str, discover: Discover, ispdb: str) -> Proposal | None:
    """Look for the server of an address, and let somebody choose. None when there is none to choose from."""
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


def destination(ask: Asker, name: str, to: Kind | None, given: dict[str, str]) -> dict[str, Any]:
    """The table `deliver`: what its kind needs. `Any`: what TOML can hold."""
    kind = to or Kind(ask.choice("Where does the mail go?", "--to", [kind.value for kind in Kind], "maildir"))
    table: dict[str, Any] = {"to": kind.value}
    for setting, question, default in _NEEDS[kind]:
        answer = ask.text(question, f"--{setting}", given.get(setting, ""), default.format(name=name))
        if setting == "command":
            table[setting] = shlex.split(answer)
        else:
            table[setting] = absolute(answer) if setting in ("path", "socket") else answer
        if setting == "path":
            _make_parent(ask, Path(table["path"]).expanduser().parent)
    return table


def _make_parent(ask: Asker, directory: Path) -> None:
    """Destinations are made where they are missing, the directory they are in is not: it may be a disk that is off."""
    if directory.is_dir() or not ask.agreed(f"There is no directory {directory}. Make it?", default=True):
        return
    try:
        directory.mkdir(parents=True, mode=0o700)
    except OSError as error:
        fail(f"{directory}: {error.strerror}: choose another place")


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
