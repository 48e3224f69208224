"""The breached-password filter: one file that tells, in microseconds, whether a password is on a list of known ones.

Rules: a listed password is always found; one that is not listed is found by mistake at a known rate, and nothing else
can go wrong silently: a file that is not whole is refused when it is opened, or when the damage is met. The file is
mapped, not read: workers share its pages, and a query touches two of them. Making one is in `breach_build`.

The form: the passwords' hashes are uniform, so their first 64 bits are numbers spread evenly. Scaled to `slots` × 2^r,
a number's upper part is its slot (one entry each, on average), and its lower r bits are the remainder that is kept. For
each group of 256 slots the file has a count, a bit map (for every slot: a one for each of its entries, then a zero) and
the remainders, r bits each, in order: Elias-Fano coding. A look-up compares with the remainders of one slot: the
false-positive rate is entries / (slots × 2^r), about 2^-r, and the cost is r + 2.5 bits an entry: less than a Bloom
filter (1.44 r), and a few per cent above a binary fuse filter, which would need all keys in memory to be built.

    header (96 octets) · directory: (groups + 1) × 8 octets, where each group begins · the groups

All numbers are little-endian. The version in the header rises when any of this changes.
"""

from __future__ import annotations

import enum
import hashlib
import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from pillarbox.auth.md4 import md4
from pillarbox.auth.passwords import prepared

MAGIC = b"PBbreach"
VERSION = 1
GROUP_SLOTS = 256
MIN_BITS, MAX_BITS = 4, 24
"""Bits of a remainder: less refuses too many good passwords, more makes the file larger for nothing."""

_HEADER = struct.Struct("<8sHBBIQQQQ32s16s")
HEADER_OCTETS = _HEADER.size
OFFSET = struct.Struct("<Q")
COUNT = struct.Struct("<I")
_DIGEST = 32
_HEADER_DIGEST = 16
_CHUNK = 1 << 20


class Kind(enum.IntEnum):
    """Which hash the lists hold."""

    SHA1 = 1
    NTLM = 2

    @property
    def digest_octets(self) -> int:
        """The length of one hash."""
        return 20 if self is Kind.SHA1 else 16


class BreachFilterError(Exception):
    """The filter cannot be used. The message says why and what to do; it holds no password."""


def sha1(password: bytes) -> bytes:
    """The hash that lists of SHA-1 hashes have for a password."""
    return hashlib.sha1(password, usedforsecurity=False).digest()


def ntlm(password: bytes) -> bytes:
    """The hash that lists of NTLM hashes have for a password; octets that are not UTF-8 are taken as Latin-1."""
    try:
        text = password.decode()
    except UnicodeDecodeError:
        text = password.decode("latin-1")
    return md4(text.encode("utf-16-le", "surrogatepass"))


HASHES: dict[Kind, Callable[[bytes], bytes]] = {Kind.SHA1: sha1, Kind.NTLM: ntlm}


@dataclass(frozen=True, slots=True)
class Header:
    """What a filter says of itself.

    Attributes:
        kind: the hash of the lists it was made from.
        bits: of each remainder.
        slots: the number of slots.
        entries: different hashes in the lists.
        stored: different entries kept; a little less, where two hashes became one.
        octets: the length of the groups.
        digest: BLAKE2b of the directory and the groups.
    """

    kind: Kind
    bits: int
    slots: int
    entries: int
    stored: int
    octets: int
    digest: bytes

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return -(-self.slots // GROUP_SLOTS)

    @property
    def directory_octets(self) -> int:
        """The length of the directory."""
        return (self.groups + 1) * OFFSET.size

    @property
    def false_positive_rate(self) -> float:
        """The share of unlisted passwords that are found all the same."""
        return self.stored / (self.slots << self.bits)

    def encoded(self) -> bytes:
        """The header's octets."""
        fields = (
            *(MAGIC, VERSION, self.kind, self.bits, GROUP_SLOTS),
            *(self.slots, self.entries, self.stored, self.octets, self.digest),
        )
        bare = _HEADER.pack(*fields, bytes(_HEADER_DIGEST))
        return _HEADER.pack(*fields, header_digest(bare))

    @classmethod
    def decoded(cls, data: bytes) -> Header:
        """Read a header.

        Raises:
            BreachFilterError: it is not one, or is damaged.
        """
        if len(data) < HEADER_OCTETS or data[:8] != MAGIC:
            raise BreachFilterError("it is not a breach filter; make one with: pillarbox breach build")
        fields = _HEADER.unpack_from(data)
        _, version, kind, bits, group_slots, slots, entries, stored, octets, digest, own = fields
        if header_digest(data[: HEADER_OCTETS - _HEADER_DIGEST] + bytes(_HEADER_DIGEST)) != own:
            raise BreachFilterError("its header is damaged; build it again")
        if version != VERSION or group_slots != GROUP_SLOTS:
            raise BreachFilterError(f"it has version {version}, which is not known here; build it again")
        return cls(Kind(kind), bits, slots, entries, stored, octets, digest)


def header_digest(bare: bytes) -> bytes:
    """The check of a header whose last field is zero."""
    return hashlib.blake2b(bare, digest_size=_HEADER_DIGEST).digest()


def payload_digest() -> hashlib.blake2b:
    """A new digest for the directory and the groups."""
    return hashlib.blake2b(digest_size=_DIGEST)


def fingerprint(digest: bytes, slots: int, bits: int) -> int:
    """The number that stands for a hash: its slot, and below it the remainder. It grows as the hash does."""
    return int.from_bytes(digest[:8], "big") * slots >> (64 - bits)


class BreachFilter:
    """A filter file, open for queries. Safe to share between threads and over a fork.

    Args:
        path: the file.

    Raises:
        BreachFilterError: it is missing, not readable, or not a whole filter.
    """

    def __init__(self, path: Path) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise BreachFilterError(f"it cannot be opened: {error.strerror}") from None
        try:
            self.header = Header.decoded(os.pread(fd, HEADER_OCTETS, 0))
            self._start = HEADER_OCTETS + self.header.directory_octets
            if os.fstat(fd).st_size != self._start + self.header.octets:
                raise BreachFilterError("it is cut short, or something was added; build it again")
            self._map = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise BreachFilterError(f"it cannot be read: {error.strerror}") from None
        finally:
            os.close(fd)
        self._hash = HASHES[self.header.kind]

    def __enter__(self) -> BreachFilter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()

    def knows(self, password: bytes) -> bool:
        """Whether the password is on the lists, in the octets given or in their NFC form.

        Raises:
            BreachFilterError: the file is damaged where the answer would be.
        """
        normal = prepared(password)
        found = self.holds(self._hash(normal))
        return found or (normal != password and self.holds(self._hash(password)))

    def holds(self, digest: bytes) -> bool:
        """Whether a hash is on the lists.

        Raises:
            BreachFilterError: as in `knows`.
        """
        header = self.header
        slot, remainder = divmod(fingerprint(digest, header.slots, header.bits), 1 << header.bits)
        group, place = divmod(slot, GROUP_SLOTS)
        block = self._group(group)
        # A map of as many ones as there are entries, and of a zero for each slot, follows the count.
        entries = COUNT.unpack_from(block)[0]
        end = COUNT.size + (GROUP_SLOTS + entries + 7) // 8
        if len(block) != end + (entries * header.bits + 7) // 8:
            raise BreachFilterError("it is damaged; build it again")
        ones = format(int.from_bytes(block[COUNT.size : end], "little"), "b")[::-1]
        # The ones before each zero are a slot's entries; what is left of the top of the map are zeros.
        parts = ones.split("0", place + 1)
        if len(parts) <= place:
            return False
        here = len(parts[place])
        if not here:
            return False
        before = sum(map(len, parts[:place]))
        kept = int.from_bytes(block[end:], "little") >> before * header.bits
        mask = (1 << header.bits) - 1
        return any(kept >> index * header.bits & mask == remainder for index in range(here))

    def check(self) -> None:
        """Read the whole file and compare its digest: seconds for a gigabyte.

        Raises:
            BreachFilterError: it is damaged.
        """
        digest = payload_digest()
        with memoryview(self._map) as view:
            for start in range(HEADER_OCTETS, len(view), _CHUNK):
                digest.update(view[start : start + _CHUNK])
        if digest.digest() != self.header.digest:
            raise BreachFilterError("its checksum is wrong: it is damaged; build it again")

    def _group(self, group: int) -> bytes:
        place = HEADER_OCTETS + group * OFFSET.size
        begin = OFFSET.unpack_from(self._map, place)[0]
        end = OFFSET.unpack_from(self._map, place + OFFSET.size)[0]
        if not begin + COUNT.size <= end <= self.header.octets:
            raise BreachFilterError("it is damaged; build it again")
        return self._map[self._start + begin : self._start + end]
