"""Staged messages for the tests of destinations, as the fetcher makes them."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

from pillarbox.fetch.destination import LineEnds, Staged, staged_name
from pillarbox.fetch.line_ends import LineEndCheck

RECEIVED = 1_700_000_000.0
"""2023-11-14 22:13:20 UTC."""

AWKWARD = (
    b"From: a@example.org\r\nSubject: awkward\r\n\r\nFrom here\r\n>From there\r\n>>From afar\r\n.\r\n..\r\nFrom\r\n"
    b"NUL:\0: 8-bit: \xe9\xff\r\n>\r\nFrom "
)
"""A body in which every line is one that some program takes for something else; its end is no line end."""


def message(number: int, octets: int = 0) -> bytes:
    """A message in wire form, the same for the same number, of at least so many octets."""
    source = random.Random(number)
    head = f"From: ada{number}@example.org\r\nTo: b@example.org\r\nSubject: number {number}\r\n"
    body = [f"Message-ID: <{number}@example.org>\r\n\r\nFrom the start\r\n"]
    size = len(head)
    while size < octets:
        line = "".join(source.choices(">From abcdefgh.", k=source.randrange(1, 76))) + "\r\n"
        body.append(line)
        size += len(line)
    return (head + "".join(body) + f"end of {number}\r\n").encode("ascii")


def stage(
    directory: Path, octets: bytes, number: int = 1, *, account: str = "ada", ends: LineEnds = LineEnds.CRLF
) -> Staged:
    """Write a staged file as the fetcher does."""
    unique_id = b"uid-%d" % number
    name = staged_name(account, unique_id)
    directory.mkdir(exist_ok=True)
    path = directory / name
    check = LineEndCheck()
    check.feed(octets)
    lossless = ends is LineEnds.LF and check.convertible
    kept = octets.replace(b"\r\n", b"\n") if lossless else octets
    path.write_bytes(kept)
    return Staged(
        name=name,
        path=path,
        size=len(octets),
        sha256=hashlib.sha256(octets).digest(),
        account=account,
        unique_id=unique_id,
        received=RECEIVED + number,
        stored=len(kept),
        line_ends=LineEnds.LF if lossless else LineEnds.CRLF,
    )


def mbox_messages(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The separator lines and messages of an mboxrd, read by other means than ours; LF becomes CRLF again."""
    separator = b""
    lines: list[bytes] = []
    for line in [*data.split(b"\n")[:-1], b"From end"]:
        if line.startswith(b"From "):
            if separator:
                assert lines.pop() == b"", "no empty line before a separator"
                octets = b"".join(one + b"\n" for one in lines)
                yield separator, octets if b"\r" in octets else octets.replace(b"\n", b"\r\n")
            else:
                assert not lines, lines
            separator, lines = line, []
        else:
            unquoted = line[1:] if line.startswith(b">") and line.lstrip(b">").startswith(b"From ") else line
            lines.append(unquoted)


def as_root() -> bool:
    """Whether permissions mean nothing to this process."""
    return os.geteuid() == 0
