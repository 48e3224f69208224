"""Finds the messages in what a person names: files, mboxes, Maildirs, directories of them, standard input.

Rules: octets are taken as they are, except that an mbox's quoting (`>From `, as mboxrd has it) is undone, since it is
not the message's. What is no message is reported and passed over, never guessed at; symbolic links to directories are
not followed; an archive within what was named is left out. A mailbox is only read.

When a message came in: by the file name in a Maildir, the From line in an mbox, else by the first Received line, the
Date, or the file's own time.
"""

from __future__ import annotations

import os
import re
import stat
import time
from calendar import timegm
from collections.abc import Callable, Iterator
from pathlib import Path

from pillarbox.archive.archive import Incoming
from pillarbox.archive.headers import date_of
from pillarbox.archive.layout import Layout
from pillarbox.archive.mime import Octets, header_of
from pillarbox.archive.objects import mapped

Skipped = Callable[[Path, str], None]
"""Told of a file that was passed over, and why."""

_MAILDIR = ("cur", "new")
_FROM = re.compile(rb"From \S[^\r\n]{0,300}[0-9]{1,2}:[0-9]{2}[^\r\n]{0,60}\r?\n")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_FIELD = re.compile(rb"[!-9;-~]{1,200}[ \t]*:")
_ASCTIME = re.compile(
    rb"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +([0-9]{1,2}) ([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)[^0-9]*([0-9]{4})"
)
_SECONDS = re.compile(r"([0-9]{9,11})\.")


def messages(path: Path, account: str, skipped: Skipped) -> Iterator[Incoming]:
    """All messages in a file or, however deep, in a directory; in the order of their names.

    Raises:
        OSError: what was named cannot be read.
    """
    if not path.is_dir():
        yield from _file(path, account, skipped)
        return
    for directory, below, names in os.walk(
        path, onerror=lambda error: skipped(Path(str(error.filename)), str(error.strerror))
    ):
        here = Path(directory)
        if Layout(here).marker.name in names:
            below.clear()
            skipped(here, "it is an archive")
            continue
        if all(name in below for name in _MAILDIR) and "tmp" in below:
            below.remove("tmp")  # what lies there is not delivered yet
        below.sort()
        maildir = here.name in _MAILDIR and all((here.parent / name).is_dir() for name in _MAILDIR)
        for name in sorted(names):
            try:
                yield from (_delivered if maildir else _file)(here / name, account, skipped)
            except OSError as error:
                skipped(here / name, error.strerror or str(error))


def mbox(path: Path, account: str) -> Iterator[Incoming]:
    """The messages of an mbox file; its name is recorded as their unique-id.

    Raises:
        OSError: it cannot be read.
    """
    with mapped(path) as data:
        when = path.stat().st_mtime
        for start, end in _spans(data):
            line = data.find(b"\n", start, end) + 1
            octets = _QUOTED.sub(rb"\1", data[line:end])
            received = _from_line(data[start:line]) or _said(octets) or when
            yield Incoming(octets, account, path.name, received)


def _file(path: Path, account: str, skipped: Skipped) -> Iterator[Incoming]:
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        skipped(path, "it is no file")
        return
    if about.st_size == 0:
        skipped(path, "it is empty")
        return
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if _FROM.match(head):
        yield from mbox(path, account)
    elif _FIELD.match(head) or path.suffix == ".eml":
        yield Incoming(path, account, path.name, _said(head) or about.st_mtime)
    else:
        skipped(path, "it does not begin as a message or an mbox does")


def _delivered(path: Path, account: str, skipped: Skipped) -> Iterator[Incoming]:
    about = path.stat()
    if path.name.startswith(".") or not stat.S_ISREG(about.st_mode):
        return
    unique_id = path.name.partition(":2,")[0]
    seconds = _SECONDS.match(unique_id)
    yield Incoming(path, account, unique_id, float(seconds[1]) if seconds else about.st_mtime)


def _spans(data: Octets) -> Iterator[tuple[int, int]]:
    """Where the messages of an mbox are, each with its From line, without the empty line that ends it."""
    start, position = 0, 0
    while True:
        found = data.find(b"\nFrom ", position)
        if found < 0:
            break
        position = found + 1
        # An empty line stands before a From line that is one, and a time in it: "From here on" in a text has neither.
        empty = data[found - 1 : found] == b"\n" or data[found - 2 : found] == b"\n\r"
        if empty and _FROM.match(data[position : position + 400]):
            yield start, found - (data[found - 1 : found] == b"\r")
            start = position
    end = len(data)
    for ending in (b"\r\n\r\n", b"\n\n"):
        if end - start >= len(ending) and data[end - len(ending) : end] == ending:
            end -= len(ending) // 2
            break
    yield start, end


def _from_line(line: bytes) -> float | None:
    found = _ASCTIME.search(line)
    if found is None:
        return None
    month, day, clock, year = (part.decode("ascii") for part in found.groups())
    clock = clock if clock.count(":") == 2 else f"{clock}:00"
    try:
        return float(timegm(time.strptime(f"{year} {month} {day} {clock}", "%Y %b %d %H:%M:%S")))
    except ValueError:
        return None


def _said(data: bytes) -> float | None:
    """When a message says that it came in, or was written."""
    header, _ = header_of(data)
    received = header.text("received").rpartition(";")[2]
    return date_of(received) or header.date()
