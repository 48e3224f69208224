"""Counts connections over all worker processes, and says which limit a new one would exceed.

Rules: counts live in memory shared by all workers, made before they are forked; each worker writes only to its own
region, so there are no locks, and the region of a dead worker is simply cleared; a question sums over the regions.

A region holds the worker's total and, for client addresses and for accounts, two rows of counters chosen by a keyed
hash. The smaller of two counters counts: to be taken for a busy neighbour one would have to share both with it, and
nobody outside can search for such a name without the key. Counts may therefore be a little too high, never too low.
Two workers that admit at the same instant do not see each other yet, so a limit may be exceeded by the number of
workers less one; that keeps a connection's cost at a few microseconds.

Elsewhere: which slot belongs to which worker (`supervisor`); telling the client (`connection`).
"""

from __future__ import annotations

import hashlib
import mmap
import socket

from pillarbox.config.schema_server import Limits

CONNECTIONS = "limits.connections"
PER_ADDRESS = "limits.connections_per_address"
PER_ACCOUNT = "limits.connections_per_account"

_COUNTERS = 65_536  # in a row: two octets of the hash choose one
_HEADER = 1024  # 32-bit numbers, a page: the total, and in region 0 the number of regions in use
_ADDRESSES, _ACCOUNTS = _HEADER, _HEADER + 2 * _COUNTERS
_REGION = _HEADER + 4 * _COUNTERS
_TOTAL, _IN_USE = 0, 1

_KEPT = 4
"""One in so many places is kept for addresses from where somebody was let in lately: strangers who say nothing hold
theirs for a minute, and must not hold all."""

_MAPPED = bytes(10) + b"\xff\xff"


class GateMemory:
    """The shared counters. Make it before forking.

    Memory is taken by the page as counters are used, about 1 MiB for a busy slot.

    Args:
        slots: how many workers can count at once, those of an old generation that finish their sessions included.
        key: 16 random octets for the hash.
    """

    def __init__(self, slots: int, key: bytes) -> None:
        self.slots = slots
        self._key = key
        self._map = mmap.mmap(-1, slots * _REGION * 4)
        self._numbers = memoryview(self._map).cast("I")

    def gate(self, slot: int, limits: Limits) -> Gate:
        """The gate of the worker in `slot`."""
        return Gate(self._numbers, slot, self._key, limits)

    def use(self, slots: int) -> None:
        """Say that slots from `slots` upwards are free, so that questions need not look at them."""
        self._numbers[_IN_USE] = slots

    def clear(self, slot: int) -> None:
        """Forget the connections of a worker that has ended."""
        start = slot * _REGION
        self._numbers[start + _TOTAL] = 0
        self._numbers[start + _HEADER : start + _REGION] = memoryview(bytes(4 * (_REGION - _HEADER))).cast("I")

    def connections(self) -> int:
        """Open connections of all workers."""
        return sum(self._numbers[slot * _REGION + _TOTAL] for slot in range(self.slots))


class Gate:
    """One worker's view of the counters: what it counts itself, and what all count together."""

    def __init__(self, numbers: memoryview[int], slot: int, key: bytes, limits: Limits) -> None:
        self._numbers = numbers
        self._start = slot * _REGION
        self._key = key
        self._limits = limits

    def admit(self, address: str, *, known: bool = True) -> str | None:
        """Count a connection from `address` (canonical text), or return the key of the setting it would exceed.

        What was admitted must `leave` later; what was refused must not. `known` says that somebody was let in from
        there lately: strangers do not get the last places.
        """
        numbers = self._numbers
        regions = range(0, numbers[_IN_USE] * _REGION, _REGION)
        connections = self._limits.connections
        most = connections if known else connections - connections // _KEPT
        if sum([numbers[region] for region in regions]) >= most:
            return CONNECTIONS
        if not self._count(_ADDRESSES, _address_key(address), self._limits.connections_per_address):
            return PER_ADDRESS
        numbers[self._start + _TOTAL] += 1
        return None

    def leave(self, address: str) -> None:
        """A connection that was admitted has ended."""
        self._uncount(_ADDRESSES, _address_key(address))
        self._numbers[self._start + _TOTAL] -= 1

    def admit_account(self, name: str) -> str | None:
        """Count a session of an account (canonical name), or return the key of the setting it would exceed."""
        if self._count(_ACCOUNTS, name.encode(), self._limits.connections_per_account):
            return None
        return PER_ACCOUNT

    def leave_account(self, name: str) -> None:
        """A session that was admitted for an account has ended."""
        self._uncount(_ACCOUNTS, name.encode())

    def _count(self, table: int, name: bytes, limit: int) -> bool:
        numbers = self._numbers
        first, second = self._counters(table, name)
        regions = range(0, numbers[_IN_USE] * _REGION, _REGION)
        if limit <= min(
            sum([numbers[region + first] for region in regions]),
            sum([numbers[region + second] for region in regions]),
        ):
            return False
        numbers[self._start + first] += 1
        numbers[self._start + second] += 1
        return True

    def _uncount(self, table: int, name: bytes) -> None:
        first, second = self._counters(table, name)
        self._numbers[self._start + first] -= 1
        self._numbers[self._start + second] -= 1

    def _counters(self, table: int, name: bytes) -> tuple[int, int]:
        """Where in a region the two counters of a name are."""
        chosen = hashlib.blake2b(name, digest_size=4, key=self._key).digest()
        first, second = chosen[0] << 8 | chosen[1], chosen[2] << 8 | chosen[3]
        return table + first, table + _COUNTERS + second


def _address_key(address: str) -> bytes:
    """What an address is counted by: an IPv4 address, or the /64 network that an IPv6 customer gets at least."""
    if ":" not in address:
        return address.encode()
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    if packed.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[12:]).encode()
    return packed[:8]
