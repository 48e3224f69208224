"""A file that is there whole, or not at all, and stays there: what `Message.save_to` writes.

Rules: written under another name in the same directory, made durable (fsync), renamed, and the directory made durable;
a file name holds a hash of the unique-id and never the unique-id; mail is private (mode 0600).
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from pillarbox.client.values import Entry


def target(where: str | os.PathLike[str], account: str, entry: Entry) -> Path:
    """The file for a message: `where` itself, or in the directory `where` a name made of account and unique-id.

    Text that ends in "/" is a directory, which is made if need be.
    """
    path = Path(where)
    if str(where).endswith(("/", os.sep)):
        path.mkdir(parents=True, exist_ok=True)
    elif not path.is_dir():
        return path
    if entry.unique_id:
        name = hashlib.sha256(account.encode() + b"\0" + entry.unique_id).hexdigest()[:32]
    else:
        name = secrets.token_hex(16)  # nothing tells it from other messages
    return path / f"{name}.eml"


class DurableFile:
    """Being written; `commit` makes it appear. As a context manager it is given up after an exception.

    Raises:
        OSError: from every method, when the disk is full or the directory cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{secrets.token_hex(8)}.part")
        self._descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, data: bytes) -> None:
        """Add octets."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def commit(self) -> Path:
        """Make it durable under its own name, and return that."""
        os.fsync(self._descriptor)
        self._close()
        self._temporary.replace(self._path)
        if os.name == "posix":
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        return self._path

    def abandon(self) -> None:
        """Leave nothing behind. After `commit`, nothing happens."""
        if self._descriptor >= 0:
            self._close()
        self._temporary.unlink(missing_ok=True)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()
