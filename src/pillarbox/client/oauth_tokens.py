"""The token file: one login at one provider, kept so that no process loses a refresh token another one got.

Rules: the file is the user's only (0600), else it is not read; it is replaced whole: written beside it, fsync, rename,
fsync of the directory. Whoever changes it holds the lock (`PATH.lock`, never removed) from reading to renaming. Room
on the disk is taken before the provider is asked, for a provider that rotates refresh tokens has forgotten the old one
by the time we hold the new one. What is lost when a process is killed just then is in docs/oauth.md.

Elsewhere: when to refresh (`oauth`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pillarbox.client.oauth_errors import TokenFileError
from pillarbox.events import Secret
from pillarbox.files import NotAFile, OpenToOthers, read_private, sync_directory

__all__ = ["TokenFile", "Tokens"]

MAX_FILE = 64 * 1024
"""Octets: two tokens of some 2 KB each, and their names. The same is reserved before a refresh."""

LOCK_WAIT = 90.0
"""Seconds to wait for another process: longer than its request to the provider can take, with its name looked up."""

_LOCK_POLL = 0.05
_VERSION = 1
_ACCESS = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z")  # RFC 6750 §2.1
_REFRESH = re.compile(r"[\x20-\x7e]+\Z")  # RFC 6749 appendix A.17


@dataclass(frozen=True, slots=True)
class Tokens:
    """One login. It never prints its tokens.

    Attributes:
        client_id, token_url: whom the tokens belong to; they are shown to nobody else.
        access_token: for the mail server.
        refresh_token: for `token_url` only.
        expires_at: when the access token ends, in seconds since 1970.
        scope: what was consented to, separated by spaces.
    """

    client_id: str
    token_url: str
    access_token: Secret
    refresh_token: Secret
    expires_at: float
    scope: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a token.

        Raises:
            ValueError: one of them holds what no token may.
        """
        for token, form in ((self.access_token, _ACCESS), (self.refresh_token, _REFRESH)):
            if len(token) > MAX_FILE // 4 or form.match(token.reveal().decode("latin-1")) is None:
                raise ValueError("not a token")

    def encoded(self) -> bytes:
        """As it stands in the file. Handle it like the tokens themselves."""
        fields = {
            "version": _VERSION,
            "client_id": self.client_id,
            "token_url": self.token_url,
            "scope": self.scope,
            "expires_at": self.expires_at,
            "access_token": self.access_token.reveal().decode("ascii"),
            "refresh_token": self.refresh_token.reveal().decode("ascii"),
        }
        return json.dumps(fields, indent=1).encode() + b"\n"

    @classmethod
    def decoded(cls, data: bytes) -> Self:
        """The opposite of `encoded`.

        Raises:
            ValueError: it is not that.
        """
        try:
            fields = json.loads(data)
            if not isinstance(fields, dict) or fields["version"] != _VERSION:
                raise ValueError("another version")
            texts = [
                _text(fields[name]) for name in ("client_id", "token_url", "scope", "access_token", "refresh_token")
            ]
            client_id, token_url, scope, access, refresh = texts
            return cls(client_id, token_url, Secret(access), Secret(refresh), float(fields["expires_at"]), scope)
        except (KeyError, TypeError, RecursionError, OverflowError) as problem:
            raise ValueError("not a token file") from problem


def _text(value: Any) -> str:  # any JSON value
    if not isinstance(value, str):
        raise TypeError
    return value


class TokenFile:
    """Where a login is kept.

    Args:
        path: of the file; its directory has to exist. A symbolic link is followed once, now.
        lock_wait: seconds to wait for another process that changes the file.
    """

    def __init__(self, path: str | os.PathLike[str], *, lock_wait: float = LOCK_WAIT) -> None:
        self.path = Path(os.path.realpath(path))  # Path.resolve raises where links go in a circle
        self._lock_wait = lock_wait

    def load(self) -> Tokens | None:
        """What the file holds, or None when there is no file.

        Raises:
            TokenFileError: it cannot be read, is open to others, or is not a token file.
        """
        try:
            return Tokens.decoded(read_private(self.path, MAX_FILE + 1, follow=False))
        except FileNotFoundError:
            return None
        except NotAFile:
            raise TokenFileError(f"{self.path} is not a file") from None
        except OpenToOthers:
            raise TokenFileError(
                f"{self.path} is open to other users: run chmod 600 on it. "
                "If it has been read, whoever did can read the mail: withdraw the consent, and log in again"
            ) from None
        except ValueError:
            raise TokenFileError(f"{self.path} is not a token file, or is damaged: log in again") from None
        except OSError as problem:
            raise TokenFileError(f"{self.path} cannot be read: {problem.strerror}") from None

    def save(self, tokens: Tokens) -> None:
        """Keep `tokens` instead of what is there, durably.

        Raises:
            TokenFileError: it cannot be done; what was there is still there.
        """
        with self.locked(), self.reserved() as room:
            room.commit(tokens)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep everybody else from changing the file: other processes, and other threads of this one.

        Raises:
            TokenFileError: the lock cannot be made, or another process held it for too long.
        """
        path = f"{self.path}.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as problem:
            raise TokenFileError(f"{path} cannot be made: {problem.strerror}") from None
        try:
            self._take(descriptor, path)
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int, path: str) -> None:
        deadline = time.monotonic() + self._lock_wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TokenFileError(f"another process has held {path} for too long: end it") from None
                time.sleep(_LOCK_POLL)
            except OSError as problem:
                raise TokenFileError(f"{path} cannot be locked: {problem.strerror}") from None

    def reserved(self) -> Room:
        """Take room on the disk for a file that replaces this one. Call it with the lock held, and use it in `with`.

        Raises:
            TokenFileError: there is none, or the directory cannot be written.
        """
        return Room(self.path)


class Room:
    """A new file beside the token file, with room in it; gone again unless something was committed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new = path.with_name(path.name + ".new")  # one name: the lock is held, and a killed process leaves one
        try:
            self._descriptor = os.open(
                self._new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            try:
                os.fchmod(self._descriptor, 0o600)
                os.posix_fallocate(self._descriptor, 0, MAX_FILE)
                os.fsync(self._descriptor)
            except OSError:
                self._discard()
                raise
        except OSError as problem:
            raise TokenFileError(f"{self._new} cannot be written: {problem.strerror}") from None

    def commit(self, tokens: Tokens) -> None:
        """Replace the token file; when this returns, it is durable.

        Raises:
            TokenFileError: it cannot be written; the old file is still there.
        """
        data = tokens.encoded()
        try:
            if os.pwrite(self._descriptor, data, 0) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.truncate(self._descriptor, len(data))
            os.fsync(self._descriptor)
            os.replace(self._new, self._path)
            sync_directory(self._path.parent)
        except OSError as problem:
            raise TokenFileError(f"{self._path} cannot be written: {problem.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def _discard(self) -> None:
        os.close(self._descriptor)
        with contextlib.suppress(OSError):  # it has been renamed, or nothing can be done about it
            os.unlink(self._new)
