"""Rivals that ban an address when it failed often: fail2ban, CrowdSec and Stalwart, each as its own files describe it.

Rules: each class is the documented algorithm and nothing more; its defaults and their sources are in rivals.toml. A ban
drops connections, so nothing of a banned address is counted.
"""

from __future__ import annotations

from collections import deque

from pillarbox.lab.policy import DROP, PASS, Asked, Ruling

_BLACKHOLE = 300.0  # seconds: dovecot-spam.yaml, `blackhole: 5m`


class _Bans:
    """Addresses that are banned, from a time until another."""

    def __init__(self, failure_delay: float) -> None:
        self.failure_delay = failure_delay
        self._bans: dict[str, tuple[float, float]] = {}

    def before(self, asked: Asked) -> Ruling:
        """Dropped while banned."""
        ban = self._bans.get(asked.address)
        if ban is None or asked.when < ban[0]:
            return PASS
        if asked.when < ban[1]:
            return DROP
        del self._bans[asked.address]
        return PASS

    def _ban(self, address: str, start: float, seconds: float) -> None:
        # One that is about to begin is not put off by the failures that arrive meanwhile.
        if address not in self._bans:
            self._bans[address] = (start, start + seconds)


class Fail2ban(_Bans):
    """`maxretry` failures of an address within `findtime` seconds: banned for `bantime`, `latency` seconds later."""

    def __init__(
        self, failure_delay: float, *, maxretry: float, findtime: float, bantime: float, latency: float
    ) -> None:
        super().__init__(failure_delay)
        self._retries, self._window, self._seconds, self._latency = maxretry, findtime, bantime, latency
        self._failures: dict[str, deque[float]] = {}

    def after(self, asked: Asked, succeeded: bool) -> None:
        """Counts failures; a success changes nothing."""
        if succeeded:
            return
        seen = self._failures.setdefault(asked.address, deque())
        seen.append(asked.when)
        while seen[0] <= asked.when - self._window:
            seen.popleft()
        if len(seen) >= self._retries:
            del self._failures[asked.address]
            self._ban(asked.address, asked.when + self._latency, self._seconds)


class CrowdSec(_Bans):
    """A bucket for each address: a failure adds one, `leak` seconds take one out; above `capacity` it is banned."""

    def __init__(self, failure_delay: float, *, capacity: float, leak: float, ban: float, latency: float) -> None:
        super().__init__(failure_delay)
        self._capacity, self._leak, self._seconds, self._latency = capacity, leak, ban, latency
        self._buckets: dict[str, tuple[float, float]] = {}
        self._quiet: dict[str, float] = {}

    def after(self, asked: Asked, succeeded: bool) -> None:
        """Counts failures; after an overflow the bucket stays silent for five minutes."""
        if succeeded or self._quiet.get(asked.address, 0.0) > asked.when:
            return
        level, last = self._buckets.get(asked.address, (0.0, asked.when))
        level = max(0.0, level - (asked.when - last) / self._leak) + 1
        if level > self._capacity:
            self._buckets.pop(asked.address, None)
            self._quiet[asked.address] = asked.when + _BLACKHOLE
            self._ban(asked.address, asked.when + self._latency, self._seconds)
        else:
            self._buckets[asked.address] = (level, asked.when)


class Stalwart(_Bans):
    """More than `count` failures within a period, of an address or at a login, ban the address."""

    def __init__(self, failure_delay: float, *, count: float, period: float, ban: float) -> None:
        super().__init__(failure_delay)
        self._count, self._period, self._seconds = count, period, ban
        self._failures: dict[str, tuple[int, int]] = {}

    def after(self, asked: Asked, succeeded: bool) -> None:
        """Counts failures in fixed periods, by address and by login."""
        if succeeded:
            return
        period = int(asked.when / self._period)
        spent = False
        for key in (asked.address, asked.name):
            began, count = self._failures.get(key, (period, 0))
            count = count + 1 if began == period else 1
            self._failures[key] = (period, count)
            spent |= count > self._count
        if spent:
            self._ban(asked.address, asked.when, self._seconds)
