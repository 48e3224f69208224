"""A Maildir on a real disk, and short ways to use it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pillarbox.events import MemorySink
from pillarbox.maildrop.stores.maildir import MaildirStore
from pillarbox.maildrop.stores.maildir.opened import MaildirMaildrop

R = TypeVar("R")


class Box:
    """One Maildir."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sink = MemorySink()
        self._numbers = itertools.count()
        for name in ("tmp", "new", "cur"):
            (path / name).mkdir(parents=True)

    def deliver(self, message: bytes = b"Subject: x\n\nx\n", name: str | None = None) -> str:
        """As a delivering program does it: written to tmp, then renamed to new."""
        number = next(self._numbers)
        name = name or f"{1700000000 + number}.M{number}P1.host.example"
        (self.path / "tmp" / name).write_bytes(message)
        (self.path / "tmp" / name).rename(self.path / "new" / name)
        return name

    def names(self) -> set[str]:
        """The names of all messages."""
        return {file.name for folder in ("new", "cur") for file in (self.path / folder).iterdir()}

    def ours(self) -> set[str]:
        """The files the store itself keeps."""
        return {file.name for file in self.path.iterdir() if file.name.startswith("pillarbox.")}

    def store(self, **settings: Any) -> MaildirStore:
        """A store with these settings."""
        settings.setdefault("clock", time.time)
        return MaildirStore(self.sink, **settings)

    def run(self, use: Callable[[MaildirMaildrop], Awaitable[R]], **settings: Any) -> R:
        """Open the maildrop, use it, release it."""

        async def session() -> R:
            store = self.store(**settings)
            maildrop = await store.open(str(self.path), "session")
            try:
                return await use(maildrop)
            finally:
                await maildrop.release()
                await store.close()

        return asyncio.run(session())

    def ids(self, **settings: Any) -> list[bytes]:
        """The unique-ids a session sees."""

        async def use(maildrop: MaildirMaildrop) -> list[bytes]:
            return list((await maildrop.list()).unique_ids)

        return self.run(use, **settings)

    def commit(self, *marked: int, retrieved: tuple[int, ...] = (), **settings: Any) -> int:
        """Delete messages as a session does."""

        async def use(maildrop: MaildirMaildrop) -> int:
            return await maildrop.commit(marked, retrieved)

        return self.run(use, **settings)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """An empty Maildir."""
    return Box(tmp_path / "box")
