r"""The mbox format: separator lines, mboxrd quoting, and finding a message again. No file is changed here.

Rules: every line that matches `>*From ` gets one more ">" (mboxrd), so that taking one away gives back every octet;
the separator line carries the message's name as its address, so that a message is known again wherever other programs
have moved it to; what is written for a message follows from the staged file and its name alone, so that an unfinished
tail can be told from what others wrote. A line ends at LF here, as mbox readers see it; a bare CR ends none.

Serves RFC 4155, and names the quoting that its "default" format leaves out.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pillarbox.fetch.destination import Staged
from pillarbox.fetch.line_ends import CHUNK, exact

DOMAIN = "pillarbox.invalid"
"""Of the address in a separator line; RFC 2606 reserves "invalid", so that no mail ever goes there."""

MAX_HEADER = 1 << 20
"""Octets of a header that are compared field by field; a longer one is no header of real mail."""

_QUOTED = re.compile(rb"\n(>*From )")
_LAST_LINE = re.compile(rb"\n>*(F(?:r(?:om?)?)?)?\Z")
_MARK = re.compile(rb"\nFrom ([!-?A-~]{1,128})@pillarbox\.invalid [^\n]{1,60}\n")
_LONGEST_MARK = 256
_EMPTY_LINE = re.compile(rb"(?:\A|\n)\r?\n")

_CHANGED_BY_READERS = frozenset(
    b"status x-status x-mozilla-status x-mozilla-status2 content-length lines".split()
    + b"x-uid x-imap x-imapbase x-keywords".split()
)
"""Fields that mbox readers add, change and take away as they mark messages."""

Reader = Callable[[int, int], bytes]
"""Reads (octets, offset) of an mbox, as `os.pread` does; fewer octets only at its end."""


def separator(name: str, received: float) -> bytes:
    """The "From " line of a message; the time is UTC, as RFC 4155 has it."""
    moment = time.gmtime(min(max(received, 0.0), 253402300799.0))
    return f"From {name}@{DOMAIN} {time.asctime(moment)}\n".encode("ascii")


def quoted(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The octets with every `>*From ` line quoted once more, from pieces cut anywhere, in constant memory."""
    context = b"\n"  # stands before a piece while the line so far holds nothing but ">"; it is never written
    held = b""  # the start of "From " that only the next octets tell about
    for piece in pieces:
        data = context + held + piece
        last = _LAST_LINE.match(data, data.rfind(b"\n")) if b"\n" in data else None
        held = (last[1] or b"") if last else b""
        yield _QUOTED.sub(rb"\n>\1", data[: len(data) - len(held)])[len(context) :]
        context = b"\n" if last else b""
    if held:
        yield held


def written(name: str, received: float, path: Path) -> Iterator[bytes]:
    """What is appended for a message that is staged at `path`: separator line, quoted octets, an empty line.

    Raises:
        OSError: the staged file cannot be read.
    """
    yield separator(name, received)
    last = b"\n"
    for piece in quoted(exact(path)):
        last = piece[-1:] or last
        yield piece
    yield b"\n" if last == b"\n" else b"\n\n"


def marks(read: Reader) -> Iterator[tuple[str, int]]:
    """The name of every message that was delivered from here, and the offset of the octet after its separator line."""
    offset = 0
    kept = b"\n"  # the end of what was read before, and at first the line end that is thought before the first line
    while data := read(CHUNK, offset):
        base = offset - len(kept)
        offset += len(data)
        data = kept + data
        taken = 0
        for mark in _MARK.finditer(data):
            yield mark[1].decode("ascii"), base + mark.end()
            taken = mark.end() - 1  # the next separator line may follow at once
        kept = data[max(taken, len(data) - _LONGEST_MARK) :]


def holds(read: Reader, offset: int, staged: Staged) -> bool:
    """Whether the message that starts at `offset` is all of `staged`, whatever readers did to its status fields.

    Raises:
        OSError: the staged file cannot be read.
    """
    pieces = quoted(exact(staged.path))
    header, rest = _header(pieces)
    body = offset
    if header:
        lines, body = _stored_header(read, offset)
        if not all(line.rstrip(b"\r") in lines for line in header.split(b"\n") if not _may_change(line)):
            return False
    for piece in itertools.chain((rest,), pieces):
        if read(len(piece), body) != piece:
            return False
        body += len(piece)
    return read(1, body) in (b"", b"\n")


def _header(pieces: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The header with its empty line, and the octets after it that were read, too; no header if it is too long."""
    data = bytearray()
    for piece in pieces:
        data += piece
        if end := _EMPTY_LINE.search(data):
            return bytes(data[: end.end()]), bytes(data[end.end() :])
        if len(data) > MAX_HEADER:
            return b"", bytes(data)
    return bytes(data), b""


def _stored_header(read: Reader, offset: int) -> tuple[Iterator[bytes], int]:
    """The lines of the header at `offset`, without their ends, and where its body starts."""
    data = read(MAX_HEADER + CHUNK, offset)
    end = _EMPTY_LINE.search(data)
    size = end.end() if end else len(data)
    lines = (line.rstrip(b"\r") for line in data[:size].split(b"\n"))
    return itertools.takewhile(lambda line: not line.startswith(b"From "), lines), offset + size


def _may_change(line: bytes) -> bool:
    return line.partition(b":")[0].strip().lower() in _CHANGED_BY_READERS
