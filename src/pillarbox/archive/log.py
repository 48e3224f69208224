"""The log: one line of JSON for each message and each place it came from, in the order they were added.

    {"sha256":"…","size":1234,"account":"ada@example.org","unique_id":"…","received":1770000000.0,
     "block":4096,"sums":"…","chain":"…"}

Rules: lines are only ever appended; a line counts when it is whole, newline and all, and it is durable before anything
is acknowledged. `chain` is the SHA-256 (hexadecimal) of the chain of the line before (64 zeros before the first) and
of the line up to `,"chain"`: so a changed, removed or exchanged line shows. `sums` are the checksums of the
message's blocks of `block` octets (`blocks`); a further line for a message that is known has block 0 and no sums.
Times are UTC seconds. An account or unique-id of "" means that nobody said.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

FIRST = b"0" * 64
"""The chain before the first line."""

LONGEST = 64 << 20
"""Octets of the longest line that is read: the sums of a message of 512 GiB."""

_MARK = b',"chain":"'
_END = b'"}\n'
_CHAIN = 64
_TAIL = len(_MARK) + _CHAIN + len(_END)
_SEARCHED = 8192
"""Octets of a damaged region in which a single flipped bit is looked for: it takes a hash for each bit."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the log, without its chain."""

    sha256: str
    size: int
    account: str
    unique_id: str
    received: float
    block: int = 0
    sums: str = ""

    @property
    def digest(self) -> bytes:
        """The SHA-256 as octets."""
        return bytes.fromhex(self.sha256)


@dataclass(frozen=True, slots=True)
class Entry:
    """A good line: what it says, where it is (0-based octet), the octet behind it, and its chain."""

    record: Record
    start: int
    end: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class Flaw:
    """Lines that are not as they were written: their octets, and the flipped bit if it is a single one.

    `chain` is what a line that is appended behind them goes on from.
    `torn` says that it is an unfinished last line, as a stopped writer leaves it; it was never acknowledged.
    """

    start: int
    end: int
    bit: tuple[int, int] | None
    chain: bytes
    torn: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def encode(record: Record, chain: bytes) -> tuple[bytes, bytes]:
    """The line for a record that follows the line with `chain`, and the line's own chain."""
    body = _encoder.encode(record)[:-1]
    own = _chained(chain, body)
    return body + _MARK + own + _END, own


def read(path: Path, start: int = 0, chain: bytes = FIRST) -> Iterator[Entry | Flaw]:
    """All lines from an octet on, where the line before has `chain`.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(start)
        bad: list[bytes] = []  # the lines since the last good one
        chains: tuple[bytes, ...] = (chain,)  # any of these may be the one before the next line
        offset = begin = start
        while line := file.readline(LONGEST):
            own = next((found for before in chains if (found := own_chain(line, before))), None)
            record = _decoded(line) if own else None
            if own is None or record is None:
                if not bad:
                    begin = offset
                bad.append(line)
                chains = _possible(line, chains) or chains
            else:
                if bad:
                    yield _flaw(bad, begin, chain, chains[0], last=False)
                    bad = []
                yield Entry(record, offset, offset + len(line), own)
                chain, chains = own, (own,)
            offset += len(line)
        if bad:
            yield _flaw(bad, begin, chain, chains[0], last=True)


def append(path: Path, lines: bytes, end: int) -> None:
    """Append lines at octet `end`, durably; what follows it (a torn line) is cut off first.

    Raises:
        OSError: they cannot be written; the log ends at `end` again.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size != end:
            os.ftruncate(descriptor, end)
        try:
            view, offset = memoryview(lines), end
            while view:
                written = os.pwrite(descriptor, view, offset)
                view, offset = view[written:], offset + written
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)


def own_chain(line: bytes, before: bytes) -> bytes | None:
    """The chain of a line that is as it was written, else None."""
    if line[-_TAIL : -_TAIL + len(_MARK)] != _MARK or not line.endswith(_END):
        return None
    stated = line[-len(_END) - _CHAIN : -len(_END)]
    return stated if _chained(before, line[:-_TAIL]) == stated else None


def _chained(before: bytes, body: bytes) -> bytes:
    return hashlib.sha256(before + body).hexdigest().encode("ascii")


def _decoded(line: bytes) -> Record | None:
    try:
        record = _decoder.decode(line[:-_TAIL] + b"}")
        return record if len(record.digest) == 32 else None
    except (msgspec.DecodeError, ValueError):
        return None


def _possible(line: bytes, before: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """What the next line may count as the chain of this damaged one: the one it states, or the one it should have."""
    if len(line) < _TAIL:
        return ()
    stated = line[-len(_END) - _CHAIN : -len(_END)]
    return (stated, *(_chained(chain, line[:-_TAIL]) for chain in before[:2]))


def _flaw(bad: list[bytes], start: int, chain: bytes, after: bytes, *, last: bool) -> Flaw:
    """Describe damaged lines; nothing good follows the last ones."""
    region = b"".join(bad)
    bit = _single_bit(region, chain) if len(region) <= _SEARCHED else None
    torn = last and not region.endswith(b"\n") and bit is None
    return Flaw(start, start + len(region), None if bit is None else (start + bit[0], bit[1]), after, torn)


def _single_bit(region: bytes, chain: bytes) -> tuple[int, int] | None:
    """The one bit that has to be turned to make all lines good again."""
    changed = bytearray(region)
    for octet in range(len(changed)):
        for bit in range(8):
            changed[octet] ^= 1 << bit
            good = _good(bytes(changed), chain)
            changed[octet] ^= 1 << bit
            if good:
                return octet, bit
    return None


def _good(region: bytes, chain: bytes) -> bool:
    before: bytes | None = chain
    if not region.endswith(_END):
        return False
    for line in region[:-1].split(b"\n"):
        before = own_chain(line + b"\n", before) if before else None
    return before is not None
