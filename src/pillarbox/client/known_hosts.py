"""Servers that had TLS, and their keys, in a file: for trust on first use, and against downgrades.

Rules: one line a server, "host:port sha256//…"; a change is written to another file, made durable and renamed; a file
that cannot be understood is an error, and never taken for an empty one. Whoever owns the server says when a key may be
forgotten: take its line out.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from pillarbox.client.errors import TlsError
from pillarbox.files import write_whole

_MARK = "sha256//"


class KnownHostsFile:
    """A `KnownHosts` in a file, which need not exist yet.

    Raises:
        TlsError: from all methods, when the file cannot be read, understood or written.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()

    def key(self, host: str, port: int) -> bytes | None:
        """The SHA-256 of the key that a server showed, or None."""
        with self._lock:
            return self._read().get(_name(host, port))

    def remember(self, host: str, port: int, key: bytes) -> None:
        """Keep a server's key; durable on return. Others that keep theirs at the same moment are waited for."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._lock, self._alone():
                known = self._read()
                known[_name(host, port)] = key
                lines = (f"{name} {_MARK}{base64.b64encode(one).decode()}\n" for name, one in sorted(known.items()))
                write_whole(self._path, "".join(lines).encode("utf-8"))
        except OSError as error:
            raise TlsError(f"{self._path} cannot be written: {error.strerror}") from None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        # A file of its own, as the other one is replaced; other threads with an object of their own wait for it, too.
        descriptor = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> dict[str, bytes]:
        try:
            lines = self._path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError):
            raise TlsError(f"{self._path} cannot be read") from None
        return dict(self._entry(number, line) for number, line in enumerate(lines, 1) if line.strip())

    def _entry(self, number: int, line: str) -> tuple[str, bytes]:
        name, _, mark = line.strip().partition(" ")
        try:
            key = base64.b64decode(mark.removeprefix(_MARK), validate=True)
        except binascii.Error:
            key = b""
        if not mark.startswith(_MARK) or len(key) != 32:
            raise TlsError(f"{self._path}, line {number}: not a server and its key")
        return name, key


def _name(host: str, port: int) -> str:
    return f"{host.lower()}:{port}"
