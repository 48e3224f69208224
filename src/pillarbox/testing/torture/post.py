"""The mail of the torture suite, and what became of it: every message is known by a token, whatever a client adds.

Rules: a delivered message counts as whole when its body, line endings aside, is what was sent; headers that a client
puts before it do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TOKEN = re.compile(rb"torture-token-(\d+)-begin")


def message(number: int, body: bytes = b"") -> bytes:
    """The message with this token, in CRLF form; `body` stands between its first and its last line."""
    return (
        b"From: Ada <ada@example.org>\r\nTo: you@example.org\r\nDate: Thu, 1 Jan 2026 12:00:00 +0000\r\n"
        b"Message-ID: <torture-%d@example.org>\r\nSubject: torture %d\r\n\r\n"
        b"torture-token-%d-begin\r\n%b%b"
        b".a line that begins with a dot\r\ntorture-token-%d-end\r\n"
    ) % (number, number, number, b"some line of text to fill it\r\n" * 12, body, number)


def messages(count: int = 10) -> list[bytes]:
    """So many of them, of some 600 octets each."""
    return [message(number) for number in range(1, count + 1)]


def token(octets: bytes) -> int:
    """The token of a message; 0 where it has none."""
    found = _TOKEN.search(octets)
    return int(found[1]) if found else 0


def body(octets: bytes) -> bytes:
    """What stands behind the header, with LF for every line ending."""
    text = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text.partition(b"\n\n")[2].rstrip(b"\n")


@dataclass(slots=True)
class Arrived:
    """What a client has delivered.

    Attributes:
        whole: how often each token came, complete.
        damaged: how often each token came otherwise.
        strange: messages without a token.
    """

    whole: dict[int, int] = field(default_factory=dict)
    damaged: dict[int, int] = field(default_factory=dict)
    strange: int = 0


def arrived(maildir: Path, expected: Mapping[int, Iterable[bytes]]) -> Arrived:
    """Look into a Maildir; `expected` has, for each token, the bodies that count as whole."""
    found = Arrived()
    for octets in _files(maildir):
        number = token(octets)
        if not number:
            found.strange += 1
            continue
        counts = found.whole if body(octets) in expected.get(number, ()) else found.damaged
        counts[number] = counts.get(number, 0) + 1
    return found


def _files(maildir: Path) -> Iterator[bytes]:
    for part in ("new", "cur"):
        if (maildir / part).is_dir():
            for file in sorted((maildir / part).iterdir()):
                if file.is_file() and not file.name.startswith("."):  # hidden: not delivered yet
                    yield file.read_bytes()
