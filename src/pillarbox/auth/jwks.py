"""The identity provider's public keys (JWK set, RFC 7517): from a file or a URL, through rotation and outage.

Rules: no key, no login: where there are none, tokens are refused. Keys that were fetched once serve until `stale`
seconds later while the URL does not answer; a key that is not known is asked for at once, but not more often than once
in `unknown_key` seconds, so that made-up key ids cost the provider nothing. Only public keys for signatures count: no
shared secrets ("oct"), nothing with a private part, no RSA below 2048 bits; one bad key spoils none of the others.
What is done with a key is in `tokens`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from joserfc.jwk import JWKRegistry, Key

from pillarbox.auth.token_http import MAX_ANSWER, JsonClient, Unanswered
from pillarbox.events import Sink, Warned

MAX_KEYS = 64
"""Of one set; providers have fewer than ten."""

MIN_RSA_BITS = 2048
"""NIST SP 800-131A: less is not acceptable."""

RETRY_SECONDS = 5.0
"""Between two attempts while the keys cannot be had."""

_ABOUT = "token-keys"


class KeysUnavailable(Exception):
    """There are no keys to verify anything with. `reason` is a fixed phrase for events."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Keys(Protocol):
    """Gives keys."""

    async def find(self, kid: str | None, algorithm: str) -> list[Key]:
        """The keys that may have signed a token: those with its key id, or all that fit where it names none.

        Raises:
            KeysUnavailable: there are none at all.
        """
        ...


def parse_keys(value: Any) -> list[Key]:
    """The usable keys of a JWK set; none where it is not one. `Any`: whatever JSON held."""
    listed = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return []
    return [key for data in listed[:MAX_KEYS] if (key := _key(data)) is not None]


def _key(data: Any) -> Key | None:
    if not isinstance(data, dict) or data.get("use", "sig") != "sig" or "d" in data:
        return None
    try:
        if data["kty"] not in ("RSA", "EC", "OKP") or (data["kty"] == "RSA" and _bits(data["n"]) < MIN_RSA_BITS):
            return None
        key = JWKRegistry.import_key(data)
        # Looked at here, so that a broken key is found now and not at a login.
        return key if key.public_key is not None and isinstance(key.kid, str | None) else None
    except Exception:
        # The library and its own library raise many types for what is just a key that cannot be used.
        return None


def _bits(number: str) -> int:
    """The size of a number in base64url (RFC 7518 §2)."""
    return int.from_bytes(base64.urlsafe_b64decode(number + "==")).bit_length()


def _fitting(keys: list[Key], kid: str | None, algorithm: str) -> list[Key]:
    """The keys that the token names; where it, or a key, has no id, every key is tried that is of the right type."""
    named = [key for key in keys if kid is None or key.kid is None or key.kid == kid]
    return [key for key in named if key.alg in (None, algorithm)]


class UrlKeys:
    """Keys that are published at a URL.

    Args:
        url: where.
        client: fetches.
        refresh, unknown_key, stale: seconds, as `auth.tokens.jwks_*`.
        clock: monotonic seconds.
        sink: is told when they cannot be fetched.
    """

    def __init__(
        self,
        url: str,
        client: JsonClient,
        *,
        refresh: float,
        unknown_key: float,
        stale: float,
        clock: Callable[[], float],
        sink: Sink,
    ) -> None:
        self._url = url
        self._client = client
        self._refresh = refresh
        self._unknown_key = unknown_key
        self._stale = stale
        self._clock = clock
        self._sink = sink
        self._keys: list[Key] = []
        self._fetched: float | None = None
        self._tried: float | None = None
        self._asked_for_unknown: float | None = None
        self._failing = ""
        self._running: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> list[Key]:
        """See `Keys.find`."""
        age = self._age(self._fetched)
        if age >= self._stale:
            self._keys = []
        if not self._keys:
            if self._age(self._tried) >= RETRY_SECONDS or self._running:
                await self._fetch()
        elif age >= self._refresh and self._age(self._tried) >= RETRY_SECONDS:
            # What is there serves meanwhile.
            self._start()
        found = _fitting(self._keys, kid, algorithm)
        if not found and self._keys and self._age(self._asked_for_unknown) >= self._unknown_key:
            self._asked_for_unknown = self._clock()
            await self._fetch()
            found = _fitting(self._keys, kid, algorithm)
        elif not found and self._running:
            await self._fetch()
            found = _fitting(self._keys, kid, algorithm)
        if not self._keys:
            raise KeysUnavailable(self._failing or "no keys could be fetched")
        return found

    def _age(self, since: float | None) -> float:
        return float("inf") if since is None else self._clock() - since

    def _fetch(self) -> Awaitable[None]:
        # Shielded: all who wait share one request, and the first to give up must not take it from the others.
        return asyncio.shield(self._start())

    def _start(self) -> asyncio.Task[None]:
        if self._running is None:
            self._tried = self._clock()
            self._running = asyncio.ensure_future(self._fetched_anew())
            self._running.add_done_callback(self._ended)
        return self._running

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None

    async def _fetched_anew(self) -> None:
        try:
            keys = parse_keys(await self._client.ask(self._url))
        except Unanswered as error:
            self._failed(error.reason)
            return
        if not keys:
            self._failed("the answer holds no usable key")
            return
        self._keys, self._fetched, self._failing = keys, self._clock(), ""

    def _failed(self, reason: str) -> None:
        # Once for each trouble, not for each attempt.
        if reason != self._failing:
            self._failing = reason
            self._sink.emit(Warned(about=_ABOUT, text=f"the keys at {self._url} cannot be fetched: {reason}"))


class FileKeys:
    """Keys in a file that an administrator, or a job of theirs, keeps current.

    A file that has become unreadable or empty of keys lets nobody in; what it held before is not used any longer.

    Args:
        path: the file.
        clock: monotonic seconds; the file is looked at once a second at most.
        sink: is told when it cannot be used.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float], sink: Sink) -> None:
        self._path = path
        self._clock = clock
        self._sink = sink
        self._keys: list[Key] = []
        self._looked: float | None = None
        self._mark: tuple[int, ...] | None = None
        self._failing = ""

    async def find(self, kid: str | None, algorithm: str) -> list[Key]:
        """See `Keys.find`."""
        now = self._clock()
        if self._looked is None or now - self._looked >= 1.0:
            self._looked = now
            self._look()
        if not self._keys:
            raise KeysUnavailable(self._failing)
        return _fitting(self._keys, kid, algorithm)

    def _look(self) -> None:
        mark = None
        try:
            found = self._path.stat()
            mark = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if mark == self._mark:
                return
            self._keys = []
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(fd, "rb") as stream:
                self._keys = parse_keys(json.loads(stream.read(MAX_ANSWER)))
            self._failed("" if self._keys else "it holds no usable key")
        except OSError as error:
            mark, self._keys = None, []
            self._failed(f"it cannot be read: {error.strerror}")
        except (ValueError, RecursionError):
            self._failed(f"it is not JSON of at most {MAX_ANSWER} octets")
        self._mark = mark

    def _failed(self, reason: str) -> None:
        if reason and reason != self._failing:
            self._sink.emit(Warned(about=_ABOUT, text=f"the keys in {self._path}: {reason}"))
        self._failing = reason
