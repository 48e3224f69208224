r"""From wire octets to files with LF line ends, without losing an octet; streaming, in constant memory.

Rules: a message is converted only when each of its line ends is CRLF and it holds no bare CR and no bare LF; otherwise
it is kept exactly. So what was fetched can always be made again: a stored file without any CR is turned back by
making every LF a CRLF, and a stored file with a CR in it is the message itself. (A message that came over POP3 ends in
CRLF, so the two cannot be mistaken for each other. A server that is read with the switch for bare LF is the
exception: a message of bare LFs alone is kept exactly, and looks like a converted one.)

Who delivers what: `destinations`. How the server makes CRLF of what is stored: `pillarbox.maildrop.wire_form`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pillarbox.fetch.destination import LineEnds

CHUNK = 256 * 1024
"""Octets read at a time; memory stays at a few times this."""


class LineEndCheck:
    """Tells whether octets that come in pieces, cut anywhere, can become LF without loss."""

    __slots__ = ("_held", "_strict")

    def __init__(self) -> None:
        self._strict = True
        self._held = False  # the last piece ended in a CR, which only the next octet tells about

    def feed(self, data: bytes | bytearray) -> None:
        """Take the next octets."""
        if not data or not self._strict:
            return
        pairs = data.count(b"\r\n")
        line_feeds, returns = data.count(b"\n"), data.count(b"\r")
        if self._held:
            self._strict = data[0] == 0x0A
            line_feeds -= 1
        self._held = data[-1] == 0x0D
        self._strict = self._strict and pairs == line_feeds == returns - self._held

    @property
    def convertible(self) -> bool:
        """Whether everything fed so far, taken as a whole message, can become LF without loss."""
        return self._strict and not self._held


def exact(path: Path) -> Iterator[bytes]:
    """The octets of a file as they are, in pieces of at most `CHUNK`.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(CHUNK):
            yield piece


def wire_form(path: Path, line_ends: LineEnds) -> Iterator[bytes]:
    """The octets of a staged file as the server sent them, in pieces.

    Raises:
        OSError: the file cannot be read.
    """
    for piece in exact(path):
        # A staged file with LF line ends holds no CR, so making each LF a CRLF is exact, wherever it was cut.
        yield piece.replace(b"\n", b"\r\n") if line_ends is LineEnds.LF else piece


def to_lf(path: Path) -> Iterator[bytes]:
    """The octets of a message that can become LF without loss with LF for every CRLF, in pieces.

    Raises:
        OSError: the file cannot be read.
    """
    held = b""
    for piece in exact(path):
        data = held + piece
        held = b"\r" if data.endswith(b"\r") else b""
        yield data[: len(data) - len(held)].replace(b"\r\n", b"\n")
    if held:
        yield held
