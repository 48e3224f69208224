"""Checksums of the blocks of a file, and from them the very bit that was flipped. Pure.

A CRC is linear: the difference between the checksum of a block and the one it should have depends only on which bits
are wrong. The CRC-32 of zlib gives every single bit of a block of up to 512 MiB a difference of its own, so one flipped
bit can be named, and named for certain. More than one wrong bit in a block is found too, but only its block is named.

Rules: a block is `SMALL` octets, in a message of more than `MANY` octets `LARGE`; the last one may be shorter. Sums are
stored as 4 octets each, most significant first.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

SMALL = 4096
LARGE = 65_536
MANY = 1 << 20
"""Octets from which on blocks are large, so that the sums of a message stay below a thousandth of it."""

_POLYNOMIAL = 0xEDB88320  # CRC-32 of ISO 3309, bits reversed, as zlib has it
_SUM = 4


def block_size(size: int) -> int:
    """Octets of a block in a message of `size` octets."""
    return SMALL if size <= MANY else LARGE


class Summer:
    """Computes the checksums of all blocks of octets that come in pieces cut anywhere."""

    __slots__ = ("_block", "_crc", "_filled", "_found")

    def __init__(self, block: int) -> None:
        self._block = block
        self._crc = self._filled = 0
        self._found = bytearray()

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next octets."""
        view = memoryview(piece)
        while view:
            taken = view[: self._block - self._filled]
            self._crc = zlib.crc32(taken, self._crc)
            self._filled += len(taken)
            view = view[len(taken) :]
            if self._filled == self._block:
                self._end_block()

    def finish(self) -> bytes:
        """The checksums, once everything was fed."""
        if self._filled:
            self._end_block()
        return bytes(self._found)

    def _end_block(self) -> None:
        self._found += self._crc.to_bytes(_SUM, "big")
        self._crc = self._filled = 0


def split(stored: bytes) -> Iterator[int]:
    """The checksums in a string of them."""
    for start in range(0, len(stored), _SUM):
        yield int.from_bytes(stored[start : start + _SUM], "big")


def flipped_bit(octets: int, difference: int) -> tuple[int, int] | None:
    """Which single bit of a block explains a checksum that is wrong.

    Args:
        octets: the block's length.
        difference: the checksum it has, exclusive-or the one it should have.

    Returns:
        The 0-based octet within the block and the bit (0 is the least significant); None: more than one is wrong.
    """
    state = _POLYNOMIAL  # what bit 7 of the last octet leaves behind: bits go in from the least significant on
    for octet in range(octets - 1, -1, -1):
        for bit in range(7, -1, -1):
            if state == difference:
                return octet, bit
            state = (state >> 1) ^ (_POLYNOMIAL if state & 1 else 0)
    return None
