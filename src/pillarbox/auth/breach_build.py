"""Makes a breached-password filter from lists of any length and in any order.

Rules: memory hardly grows with the lists (some 200 MB, and 32 MB for a billion entries); a line that cannot be used is
reported with its number and counted, and stops nothing; the output appears complete or not at all. What the file looks
like is in `breach`.

    lines → 64-bit keys, in blocks ─sort→ runs in one temporary file ─merge, a range at a time→ groups in the output

The temporary file takes 8 octets an entry and has no name, so that nothing of it is left whatever happens. Lines are
taken apart by one regular expression for a whole block; only a block with something odd in it is read line by line.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pillarbox.auth.breach import (
    COUNT,
    GROUP_SLOTS,
    HASHES,
    HEADER_OCTETS,
    MAX_BITS,
    MIN_BITS,
    Header,
    Kind,
    payload_digest,
)
from pillarbox.auth.passwords import MAX_PASSWORD_OCTETS, prepared
from pillarbox.files import DurableFile

DEFAULT_BITS = 10
"""One good password in about 1,000 is refused, and another one is asked for: cheap, for 12.5 bits an entry."""

RUN_KEYS = 1 << 20
"""Keys sorted at once: some 60 MB as Python's numbers."""

MAX_LINE = 4096
"""Octets: more than any password or hash line; what is longer is one bad line, however long it is."""

_BLOCK = 1 << 20
_KEY_OCTETS = 8

Progress = Callable[[str, int], None]
"""Is told from time to time what is done ("reading", "writing") and how many entries are through."""

Report = Callable[[str, int, str], None]
"""Is told of each bad line: the list's name, the line's number from 1, and what is wrong. Never the line itself."""


class BuildError(Exception):
    """No filter could be made. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One list.

    Attributes:
        name: for reports.
        stream: where it is read from.
        plain: its lines are passwords, not hashes.
    """

    name: str
    stream: BinaryIO
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """What was made: the header of the filter, the lines read, those that could not be used, and the file's octets."""

    header: Header
    lines: int
    bad: int
    octets: int


def build(
    output: Path,
    listings: Iterable[Listing],
    *,
    kind: Kind = Kind.SHA1,
    bits: int = DEFAULT_BITS,
    report: Report = lambda name, line, what: None,
    progress: Progress = lambda doing, count: None,
    run_keys: int = RUN_KEYS,
) -> Built:
    """Make the filter `output`; an older one is replaced when the new one is on the disk.

    Raises:
        BuildError: there was no usable line.
        OSError: a list cannot be read, or the output not written.
        ValueError: `bits` is out of range.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f"a remainder has {MIN_BITS} to {MAX_BITS} bits")
    reader = _Reader(kind, report)
    with tempfile.TemporaryFile(dir=output.parent) as spill:
        runs = _Runs(spill, run_keys)
        for listing in listings:
            for keys in reader.keys(listing):
                runs.add(keys)
                progress("reading", runs.total)
        runs.flush()
        if not runs.total:
            raise BuildError("no line of the lists could be used; a line is a SHA-1 hash in hexadecimal, as HASH:COUNT")
        header = Header(kind, bits, runs.total, 0, 0, 0, b"")
        # The lists are public, and the server's user must read the file that root may have made.
        with DurableFile(output, 0o644) as file:
            with open(file.fileno(), "w+b", closefd=False) as out:
                header = _write(out, header, runs.merged(), progress)
                octets = os.fstat(out.fileno()).st_size
            file.commit()
    return Built(header, reader.lines, reader.bad, octets)


# ---- lines to keys --------------------------------------------------------------------------------------------


class _Reader:
    """Reads lists; counts lines and the bad ones."""

    def __init__(self, kind: Kind, report: Report) -> None:
        self.lines = 0
        self.bad = 0
        self._number = 1  # of the line at which the block begins
        self._report = report
        self._hash = HASHES[kind]
        digits = 2 * kind.digest_octets
        # The first 16 digits are the key; what follows the hash is a count, which does not matter.
        pattern = rb"([0-9A-Fa-f]{16})[0-9A-Fa-f]{%d}(?::\d{1,20})?[ \t]*\r?" % (digits - 16)
        self._line = re.compile(pattern)
        self._all = re.compile(rb"^" + pattern + rb"$", re.MULTILINE)
        self._wanted = f"not a hash of {digits} hexadecimal digits"

    def keys(self, listing: Listing) -> Iterator[array[int]]:
        """The keys of a list, a block at a time."""
        self._number = 1
        for block in self._blocks(listing):
            yield self._plain(listing.name, block) if listing.plain else self._hashes(listing.name, block)
            count = block.count(b"\n")
            self._number += count
            self.lines += count

    def _blocks(self, listing: Listing) -> Iterator[bytes]:
        """Whole lines, each ended by LF; an over-long one is an empty line, after it was reported."""
        rest = b""
        skipping = False
        while data := listing.stream.read(_BLOCK):
            if skipping:
                _, found, data = data.partition(b"\n")
                if not found:
                    continue
                skipping, rest = False, b"\n"
            block, found, tail = (rest + data).rpartition(b"\n")
            rest = tail
            if found:
                yield block + b"\n"
            if len(rest) > MAX_LINE:
                self._spoilt(listing.name, self._number, f"longer than {MAX_LINE} octets")
                rest, skipping = b"", True
        if rest or skipping:
            yield rest + b"\n"

    def _hashes(self, name: str, block: bytes) -> array[int]:
        found = self._all.findall(block)
        if len(found) != block.count(b"\n"):
            found = self._one_by_one(name, block)
        return _to_keys(bytes.fromhex(b"".join(found).decode("ascii")))

    def _one_by_one(self, name: str, block: bytes) -> list[bytes]:
        found = []
        for index, line in enumerate(block.split(b"\n")[:-1]):
            if match := self._line.fullmatch(line):
                found.append(match[1])
            elif line.strip():
                self._spoilt(name, self._number + index, self._wanted)
        return found

    def _plain(self, name: str, block: bytes) -> array[int]:
        keys = bytearray()
        for index, line in enumerate(block.split(b"\n")[:-1]):
            password = line.removesuffix(b"\r")
            if len(password) > MAX_PASSWORD_OCTETS:
                self._spoilt(name, self._number + index, "longer than any password can be")
            elif password:
                keys += self._hash(prepared(password))[:_KEY_OCTETS]
        return _to_keys(keys)

    def _spoilt(self, name: str, line: int, what: str) -> None:
        self.bad += 1
        self._report(name, line, what)


def _to_keys(data: bytes | bytearray) -> array[int]:
    keys = array("Q")
    keys.frombytes(data)
    if sys.byteorder == "little":
        keys.byteswap()
    return keys


# ---- sorting outside of memory --------------------------------------------------------------------------------


class _Runs:
    """Sorted runs of keys in a temporary file, and their merger."""

    def __init__(self, spill: BinaryIO, run_keys: int) -> None:
        self.total = 0
        self._spill = spill
        self._run_keys = run_keys
        self._held = array("Q")
        self._runs: list[array[int]] = []  # as they lie in the file: where each range of each run begins, in keys

    def add(self, keys: array[int]) -> None:
        """Take keys in any order."""
        self._held.extend(keys)
        self.total += len(keys)
        if len(self._held) >= self._run_keys:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if not self._held:
            return
        ordered = sorted(self._held)
        self._held = array("Q")
        start = self._spill.tell() // _KEY_OCTETS
        array("Q", ordered).tofile(self._spill)
        # 1024 ranges: a billion keys make ranges of a million.
        bounds = (bisect_left(ordered, edge << 54) for edge in range(1024))
        self._runs.append(array("Q", [start + bound for bound in bounds] + [start + len(ordered)]))

    def merged(self) -> Iterator[list[int]]:
        """All keys in order, a range at a time; equal ones are still there."""
        self._spill.flush()
        fd = self._spill.fileno()
        together: list[int] = []
        for number in range(1024):
            part = array("Q")
            for run in self._runs:
                begin, end = run[number], run[number + 1]
                if end > begin:
                    part.frombytes(os.pread(fd, (end - begin) * _KEY_OCTETS, begin * _KEY_OCTETS))
            together += part
            if len(together) >= self._run_keys or number == 1023:
                # Sorting runs that are in order is a merge, for Python's sort.
                together.sort()
                yield together
                together = []


# ---- keys to a file -------------------------------------------------------------------------------------------


def _write(out: BinaryIO, header: Header, ranges: Iterable[list[int]], progress: Progress) -> Header:
    """Write the groups, then the directory before them, then the header; return it, complete."""
    begins = array("Q", [0])
    out.seek(HEADER_OCTETS + header.directory_octets)
    writer = _Groups(out, header, begins)
    for keys in ranges:
        writer.add(keys)
        progress("writing", writer.entries)
    writer.close()
    out.seek(HEADER_OCTETS)
    if sys.byteorder != "little":
        begins.byteswap()
    begins.tofile(out)
    out.flush()
    full = replace(header, entries=writer.entries, stored=writer.stored, octets=writer.octets, digest=_digest(out))
    out.seek(0)
    out.write(full.encoded())
    return full


def _digest(out: BinaryIO) -> bytes:
    digest = payload_digest()
    out.seek(HEADER_OCTETS)
    while data := out.read(_BLOCK):
        digest.update(data)
    return digest.digest()


class _Groups:
    """Cuts keys that come in order into groups, and writes each."""

    def __init__(self, out: BinaryIO, header: Header, begins: array[int]) -> None:
        self.entries = 0
        self.stored = 0
        self.octets = 0
        self._out = out
        self._header = header
        self._begins = begins
        self._open: list[int] = []  # the fingerprints of the group that is not complete

    def add(self, keys: list[int]) -> None:
        """Take a sorted range of keys; equal ones never lie in two ranges."""
        slots, shift = self._header.slots, 64 - self._header.bits
        different = list(dict.fromkeys(keys))
        if not different:
            return
        self.entries += len(different)
        # Two ranges may meet within one fingerprint, which is then in the open group.
        prints = list(dict.fromkeys(self._open + [key * slots >> shift for key in different]))
        span = GROUP_SLOTS << self._header.bits
        begin = 0
        for group in range(len(self._begins) - 1, prints[-1] // span):
            end = bisect_left(prints, (group + 1) * span, begin)
            self._group(group, prints[begin:end])
            begin = end
        self._open = prints[begin:]

    def close(self) -> None:
        """Write the last group, and the empty ones behind it."""
        for group in range(len(self._begins) - 1, self._header.groups):
            self._group(group, self._open)
            self._open = []

    def _group(self, group: int, prints: list[int]) -> None:
        bits = self._header.bits
        mask = (1 << bits) - 1
        first = group * GROUP_SLOTS
        ones = bytearray((GROUP_SLOTS + len(prints) + 7) // 8)
        kept = 0
        for index, number in enumerate(prints):
            place = (number >> bits) - first + index
            ones[place >> 3] |= 1 << (place & 7)
            kept |= (number & mask) << index * bits
        data = COUNT.pack(len(prints)) + ones + kept.to_bytes((len(prints) * bits + 7) // 8, "little")
        self._out.write(data)
        self.stored += len(prints)
        self.octets += len(data)
        self._begins.append(self.octets)
