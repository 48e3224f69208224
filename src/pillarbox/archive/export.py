"""Messages out of an archive, into formats that every mail program reads.

Rules: an .eml file is the message octet for octet. An mbox is written as mboxrd (`>From ` quoting can be undone) and,
like a Maildir, with LF line ends, which is what programs expect there; `exact` keeps the octets. Only a message whose
every line ends in CRLF is converted, so that nothing is lost. Exporting again into the same Maildir or directory adds
what is not there yet. Octets are compared with their SHA-256 before they are written; a damaged message is left out.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from pillarbox.archive import mime, objects
from pillarbox.archive.archive import Archive
from pillarbox.archive.errors import ArchiveError
from pillarbox.archive.search import Found
from pillarbox.files import sync_directory, write_durably

_QUOTED = re.compile(rb"^(>*From )", re.MULTILINE)
_ADDRESS = re.compile(rb"[^\s<>()\",;:]+@[^\s<>()\",;:]+")


class Form(Enum):
    """What is made."""

    EML = "eml"
    MBOX = "mbox"
    MAILDIR = "maildir"


DAMAGED = "is damaged: run pillarbox archive verify"
"""What to tell of a message whose octets are not those that were added."""

Lost = Callable[[Found, str], None]
"""Told of a message that is left out, and why: `is damaged: …`, a predicate for the person who asked."""


def to_mbox(archive: Archive, found: Iterable[Found], file: BinaryIO, lost: Lost, *, exact: bool = False) -> int:
    """Append messages to an open mbox file; how many there were.

    Raises:
        OSError: the file cannot be written.
    """
    count = 0
    for message in found:
        octets = _read(archive, message, lost, exact=exact)
        if octets is None:
            continue
        received = min((origin.received for origin in message.origins), default=message.date)
        file.write(b"From " + _sender(octets) + b" " + _asctime(received) + b"\n")
        file.write(_QUOTED.sub(rb">\1", octets))
        file.write(b"\n" if octets.endswith(b"\n") or not octets else b"\n\n")
        count += 1
    return count


def to_directory(
    archive: Archive, found: Iterable[Found], directory: Path, form: Form, lost: Lost, *, exact: bool = False
) -> int:
    """Write messages as files into a Maildir, or as .eml files into a directory; how many are new there.

    Raises:
        ArchiveError: the directory holds something else.
        OSError: it cannot be written.
    """
    waiting, place = _prepared(directory, form)
    count = 0
    for message in found:
        name = f"{message.date}.{message.sha256.hex()[:32]}" + (".pillarbox:2,S" if form is Form.MAILDIR else ".eml")
        if (place / name).exists():
            continue
        octets = _read(archive, message, lost, exact=exact or form is Form.EML)
        if octets is None:
            continue
        temporary = waiting / f".{name}.{os.getpid()}"
        write_durably(temporary, octets)
        temporary.rename(place / name)
        count += 1
    sync_directory(place)
    return count


def _prepared(directory: Path, form: Form) -> tuple[Path, Path]:
    """Where files are written, and where they go."""
    if form is Form.EML:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory, directory
    if directory.exists() and os.listdir(directory) and not (directory / "cur").is_dir():
        raise ArchiveError(f"{directory} is not empty and no Maildir; choose another directory")
    for part in ("cur", "new", "tmp"):
        (directory / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory / "tmp", directory / "cur"


def _read(archive: Archive, message: Found, lost: Lost, *, exact: bool) -> bytes | None:
    try:
        octets = objects.where(archive.layout, message.sha256).read_bytes()
    except (ArchiveError, OSError) as error:
        lost(message, f"cannot be read: {error}")
        return None
    if hashlib.sha256(octets).digest() != message.sha256:
        lost(message, DAMAGED)
        return None
    pairs = octets.count(b"\r\n")
    if exact or not pairs or octets.count(b"\n") != pairs or octets.count(b"\r") != pairs:
        return octets
    return octets.replace(b"\r\n", b"\n")


def _sender(octets: bytes) -> bytes:
    header, _ = mime.header_of(octets)
    for name in ("return-path", "from", "sender"):
        found = _ADDRESS.search(header.raw(name)[:1000])
        if found is not None and found[0].isascii():
            return found[0]
    return b"MAILER-DAEMON"


def _asctime(seconds: float) -> bytes:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%a %b %e %H:%M:%S %Y").encode("ascii")
    except (ValueError, OverflowError, OSError):
        return b"Thu Jan  1 00:00:00 1970"
