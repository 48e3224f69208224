r"""What other fetchers remember of a mailbox, for our journal: so that a change of program downloads nothing twice.

Rules: their files are read, never changed; the lists of all mailboxes in a file are given, and the caller says which
one is meant, so that another mailbox's messages are never taken for known; a file that is something else is refused.

What they write: getmail `oldmail-SERVER-PORT-USER`, a line `UID\0TIME` each; mpop `uidls_file`, a line
` COUNT HOST USER` and COUNT unique-ids; fetchmail `.fetchids`, a line `USER@HOST UID` each.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

Program = Literal["getmail", "mpop", "fetchmail"]

MAX_FILE = 256 * 1024 * 1024
"""Octets: a million unique-ids of the longest kind (RFC 1939 §7: 70), and more."""

_UNIQUE_ID = re.compile(rb"[!-~]{1,255}")  # RFC 1939 §7 says 70; real servers go beyond it
_GETMAIL = re.compile(r"oldmail-(?P<host>.+)-(?P<port>[0-9]+)-(?P<user>.+)")
_MPOP = re.compile(rb" (?P<count>[0-9]+) (?P<host>\S+) (?P<user>.+)")


class NotThatFile(Exception):
    """The file is no state file of that program. The text says what was expected."""


class SeenList(NamedTuple):
    """What is remembered of one mailbox. `host` and `user` are as the program has them; "" where it does not say."""

    host: str
    user: str
    unique_ids: list[bytes]


def read_seen(program: Program, path: Path) -> list[SeenList]:
    """All lists in a file.

    Raises:
        NotThatFile: it is another kind of file.
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise NotThatFile(f"{path}: this is not a file: name {_NAMES[program]}")
    with path.open("rb") as file:
        octets = file.read(MAX_FILE + 1)
    if len(octets) > MAX_FILE:
        raise NotThatFile(f"{path}: the file is larger than any {_NAMES[program]}")
    return _READERS[program](path, octets.splitlines() if program != "getmail" else octets.split(b"\n"))


def chosen(lists: Iterable[SeenList], host: str, user: str) -> list[SeenList]:
    """Those of the lists that are for this host and this user; "" for any. What a list does not say fits."""
    return [
        one
        for one in lists
        if (not host or not one.host or one.host.lower() == host.lower()) and (not user or one.user in ("", user))
    ]


def _getmail(path: Path, lines: list[bytes]) -> list[SeenList]:
    named = _GETMAIL.fullmatch(path.name)
    found = []
    for line in filter(None, lines):
        unique_id, mark, time = line.rstrip(b"\r").partition(b"\0")
        if not mark or not time.strip().isdigit():
            raise _other(path, "getmail")
        found.append(_checked(path, "getmail", unique_id))
    return [SeenList(named["host"] if named else "", named["user"] if named else "", found)]


def _mpop(path: Path, lines: list[bytes]) -> list[SeenList]:
    lists: list[SeenList] = []
    left = 0
    for line in lines:
        if left:
            lists[-1].unique_ids.append(_checked(path, "mpop", line))
            left -= 1
        elif header := _MPOP.fullmatch(line):
            left = int(header["count"])
            lists.append(SeenList(_text(header["host"]), _text(header["user"]), []))
        elif line and not line.startswith(b"#"):
            raise _other(path, "mpop")
    if left:
        raise NotThatFile(f"{path}: the file is cut off: it names {left} more unique-ids than it holds")
    return lists


def _fetchmail(path: Path, lines: list[bytes]) -> list[SeenList]:
    lists: dict[tuple[str, str], SeenList] = {}
    for line in filter(None, lines):
        mailbox, blank, unique_id = line.rpartition(b" ")
        user, at, host = mailbox.rpartition(b"@")
        if not blank or not at:
            raise _other(path, "fetchmail")
        one = SeenList(_text(host), _text(user), [])
        one = lists.setdefault((one.host, one.user), one)
        one.unique_ids.append(_checked(path, "fetchmail", unique_id))
    return list(lists.values())


def _checked(path: Path, program: Program, unique_id: bytes) -> bytes:
    if not _UNIQUE_ID.fullmatch(unique_id):
        raise _other(path, program)
    return unique_id


def _other(path: Path, program: Program) -> NotThatFile:
    return NotThatFile(f"{path}: this is not {_NAMES[program]}; name that file")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


_NAMES: dict[Program, str] = {
    "getmail": "getmail's oldmail-SERVER-PORT-USER",
    "mpop": "mpop's uidls_file",
    "fetchmail": "fetchmail's .fetchids",
}
_READERS = {"getmail": _getmail, "mpop": _mpop, "fetchmail": _fetchmail}
