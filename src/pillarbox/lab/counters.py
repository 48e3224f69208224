"""Rivals that count at the server: lockout after K strikes, Dovecot's penalty, Weakforced's sample policy.

Rules: each class is the documented algorithm and nothing more; its defaults and their sources are in rivals.toml.
"""

from __future__ import annotations

from collections import deque

from pillarbox.lab.policy import HIDE, PASS, Asked, Ruling

_DOVECOT_IPV6_GROUPS = 3  # auth-penalty.c, PENALTY_IPV6_MASK_BITS 48
_WEAKFORCED_HASH = 0xFFF  # Dovecot's auth_policy_hash_truncate = 12 bits, of name and password


class NoDefence:
    """Lets everything pass: what the attacks do when nobody stands in their way."""

    def __init__(self, failure_delay: float) -> None:
        self.failure_delay = failure_delay

    def before(self, asked: Asked) -> Ruling:
        """Passes."""
        return PASS

    def after(self, asked: Asked, succeeded: bool) -> None:
        """Forgets."""


class Strikes:
    """`strikes` wrong attempts in a row at an account lock it for everybody, for `lock` seconds."""

    def __init__(self, failure_delay: float, *, strikes: float, lock: float) -> None:
        self.failure_delay = failure_delay
        self._strikes, self._lock = strikes, lock
        self._failures: dict[str, int] = {}
        self._locked: dict[str, float] = {}

    def before(self, asked: Asked) -> Ruling:
        """Refused while locked, and not counted."""
        until = self._locked.get(asked.name)
        if until is None:
            return PASS
        if asked.when < until:
            return HIDE
        del self._locked[asked.name]
        return PASS

    def after(self, asked: Asked, succeeded: bool) -> None:
        """A success forgets the failures before it."""
        if succeeded:
            self._failures.pop(asked.name, None)
            return
        count = self._failures.get(asked.name, 0) + 1
        if count >= self._strikes:
            self._failures.pop(asked.name, None)
            self._locked[asked.name] = asked.when + self._lock
        else:
            self._failures[asked.name] = count


class DovecotPenalty:
    """An address that fails waits before its next attempt is looked at: `first` seconds, doubling to `most`."""

    def __init__(self, failure_delay: float, *, first: float, most: float, steps: float, remembered: float) -> None:
        self.failure_delay = failure_delay
        self._first, self._most, self._steps, self._remembered = first, most, int(steps), int(remembered)
        self._penalties: dict[str, tuple[int, float]] = {}
        self._recent: dict[str, deque[int]] = {}

    def before(self, asked: Asked) -> Ruling:
        """Held back by what is left of the penalty; never refused."""
        held = self._penalty(asked)
        if not held:
            return PASS
        return Ruling(penalty=self._seconds(held), tagged=held >= self._steps)

    def after(self, asked: Asked, succeeded: bool) -> None:
        """A success ends the penalty; one of the last wrong pairs again does not add to it."""
        key = self._key(asked.address)
        if succeeded:
            self._penalties.pop(key, None)
            self._recent.pop(key, None)
            return
        held = self._penalty(asked)
        recent = self._recent.setdefault(key, deque(maxlen=self._remembered))
        if asked.tag not in recent:
            recent.append(asked.tag)
            held = min(held + 1, self._steps)
        if held:
            self._penalties[key] = (held, asked.when)

    def _seconds(self, penalty: int) -> float:
        return min(self._first * 2.0**penalty, self._most)

    def _penalty(self, asked: Asked) -> int:
        """The penalty that is left: it falls step by step, the highest step first."""
        penalty, last = self._penalties.get(self._key(asked.address), (0, 0.0))
        drop = self._steps
        while penalty > 0 and asked.when - last >= self._seconds(drop):
            drop -= 1
            penalty -= 1
        return penalty

    @staticmethod
    def _key(address: str) -> str:
        return ":".join(address.split(":", _DOVECOT_IPV6_GROUPS)[:_DOVECOT_IPV6_GROUPS]) if ":" in address else address


class Weakforced:
    """Different wrong passwords in a sliding hour: many of an address are refused, of address and login tarpitted."""

    def __init__(
        self, failure_delay: float, *, by_address: float, by_pair: float, tarpit: float, window: float, windows: float
    ) -> None:
        self.failure_delay = failure_delay
        self._by_address, self._by_pair, self._tarpit = by_address, by_pair, tarpit
        self._window, self._windows = window, int(windows)
        self._tags: dict[str, dict[int, set[int]]] = {}

    def before(self, asked: Asked) -> Ruling:
        """Refused, tarpitted or passed."""
        if self._different(asked.address, asked.when) > self._by_address:
            return HIDE
        if self._different(f"{asked.address}:{asked.name}", asked.when) > self._by_pair:
            return Ruling(penalty=self._tarpit, tagged=True)
        return PASS

    def after(self, asked: Asked, succeeded: bool) -> None:
        """Remembers the hash of each wrong pair."""
        if succeeded:
            return
        now = int(asked.when / self._window)
        for key in (asked.address, f"{asked.address}:{asked.name}"):
            windows = self._tags.setdefault(key, {})
            windows.setdefault(now, set()).add(asked.tag & _WEAKFORCED_HASH)
            for old in [one for one in windows if one <= now - self._windows]:
                del windows[old]

    def _different(self, key: str, when: float) -> int:
        windows = self._tags.get(key)
        if not windows:
            return 0
        now = int(when / self._window)
        return len(set().union(*(tags for one, tags in windows.items() if one > now - self._windows)))
