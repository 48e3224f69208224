"""Into a Maildir: staged in its `tmp/`, renamed into its `new/`, found again by name after a crash. Exactly once.

Rules: a file name holds the hash of account and unique-id behind "P" (`Staged.name`), so that a message is recognised
in `new/` and `cur/` of the Maildir and of its folders, whatever flags it has got and wherever a mail program moved it
within; a batch is renamed and then made durable by one fsync of `new/`; nothing is ever written over: a name belongs
to one message of one account.

Serves the Maildir convention (https://cr.yp.to/proto/maildir.html), with the sizes S= (octets of the file) and W=
(octets with CRLF) that Dovecot and Courier read from names.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from pillarbox.fetch.destination import Delivered, DestinationError, Failed, LineEnds, Staged, Sure
from pillarbox.fetch.destinations.problems import file_problem
from pillarbox.files import sync_directory

_PARTS = ("tmp", "new", "cur")
_NAME = re.compile(r"[0-9]+\.M[0-9]+P([0-9a-f]{40})Q[0-9]+\.")
_DEPTH = 8
"""Levels of folders that are looked through: the `.a.b` of Maildir++ is one, `a/b` of other layouts are two."""


class MaildirDestination:
    """Delivers into one Maildir, which is made when missing (its parent directory has to exist).

    Args:
        path: the Maildir.
        line_ends: how lines end in its files; see `LineEnds`.
        host: stands in file names, as the convention wants it.
    """

    sure = Sure.EXACTLY_ONCE

    def __init__(
        self, path: Path | str, *, line_ends: LineEnds = LineEnds.LF, host: str = socket.gethostname()
    ) -> None:
        self.path = Path(path)
        self.line_ends = line_ends
        # The convention's own way to write what would end a path or begin the flags.
        self._host = host.replace("/", "\\057").replace(":", "\\072") or "localhost"
        self._new: int | None = None
        self._there: dict[str, str] | None = None
        self._count = 0

    def staging(self) -> Path:
        """Its `tmp/`."""
        return self.path / "tmp"

    def open(self) -> None:
        """Make it where it is missing; check that it can be written.

        Raises:
            DestinationError: it cannot.
        """
        try:
            for part in ("", *_PARTS):
                self._check(self.path / part)
            self._new = os.open(self.path / "new", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise file_problem(error, error.filename or self.path) from error

    def _check(self, directory: Path) -> None:
        if not directory.is_dir():
            if directory.exists():
                raise NotADirectoryError(errno.ENOTDIR, "", str(directory))
            directory.mkdir(mode=0o700, exist_ok=True)  # another account may make it just now
            sync_directory(directory.parent)
        if os.statvfs(directory).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, "", str(directory))
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "", str(directory))

    def close(self) -> None:
        """Let go of the directory."""
        if self._new is not None:
            os.close(self._new)
            self._new = None
        self._there = None

    def find(self, staged: Staged) -> str | None:
        """Its path below the Maildir, wherever it is by now."""
        if self._there is None:
            try:
                self._there = dict(_messages(self.path, ""))
            except OSError as error:
                raise file_problem(error, error.filename or self.path) from error
        return self._there.get(staged.name)

    def deliver(self, batch: Sequence[Staged]) -> list[Delivered | Failed]:
        """Rename into `new/`, then one fsync for all of them."""
        if self._new is None:
            raise DestinationError(f"{self.path}: the Maildir is not open", temporary=False)
        results: list[Delivered | Failed] = []
        for staged in batch:
            name = self._name(staged)
            try:
                os.rename(staged.path, name, dst_dir_fd=self._new)
            except OSError as error:
                problem = file_problem(error, self.path / "new" / name)
                results.append(Failed(staged, problem.text, temporary=problem.temporary))
            else:
                results.append(Delivered(staged, f"new/{name}"))
        try:
            os.fsync(self._new)
        except OSError as error:
            raise file_problem(error, self.path / "new") from error
        return results

    def _name(self, staged: Staged) -> str:
        self._count += 1
        seconds, micros = divmod(int(staged.received * 1_000_000), 1_000_000)
        unique = f"{seconds}.M{micros:06}P{staged.name}Q{self._count}"
        return f"{unique}.{self._host},S={staged.stored},W={staged.size}"


def _messages(maildir: Path, below: str, depth: int = 0) -> list[tuple[str, str]]:
    """The messages that were fetched, by `Staged.name`, with their paths; those of folders first."""
    found: list[tuple[str, str]] = []
    here = maildir / below
    for entry in sorted(os.scandir(here), key=lambda entry: entry.name) if depth < _DEPTH else ():
        if entry.name not in _PARTS and entry.is_dir(follow_symlinks=False):
            found += _messages(maildir, f"{below}{entry.name}/", depth + 1)
    # `new` before `cur`: a message is moved from the first to the second, and must not slip through between.
    for part in ("new", "cur"):
        try:
            names = os.listdir(here / part)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            match = _NAME.match(name)
            if match is not None:
                found.append((match[1], f"{below}{part}/{name}"))
    return found
