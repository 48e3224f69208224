"""What is older than the moment does not exist for such a session."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from pillarbox.events import MemorySink
from pillarbox.maildrop.newer import newer
from pillarbox.maildrop.stores.maildir import MaildirStore


def test_only_newer_mail_is_shown_read_and_deleted(tmp_path: Path) -> None:
    for name in ("tmp", "new", "cur"):
        (tmp_path / name).mkdir()
    names = ["1700000000.a", "odd-name", "1700000100.b", "1700000200.c"]
    for name in names:
        (tmp_path / "new" / name).write_bytes(name.encode() + b"\n")

    async def run() -> None:
        store = MaildirStore(MemorySink(), clock=time.time)
        maildrop = await newer(await store.open(str(tmp_path), "s"), 1700000050)
        snapshot = await maildrop.list()
        assert (snapshot.count, snapshot.total) == (2, sum(snapshot.octets))
        assert list(snapshot.unique_ids) == [b"1700000100.b", b"1700000200.c"]
        assert (await maildrop.read(1, 0, 99)).data == b"1700000200.c\n"
        assert await maildrop.commit([0], [1]) == 1
        await maildrop.release()
        await store.close()

    asyncio.run(run())
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(n for n in names if n != "1700000100.b")


def test_nothing_newer_is_an_empty_maildrop(tmp_path: Path) -> None:
    async def run() -> None:
        store = MaildirStore(MemorySink(), clock=time.time)
        maildrop = await newer(await store.open(str(tmp_path / "none"), "s"), 0)
        snapshot = await maildrop.list()
        assert (snapshot.count, snapshot.total, list(snapshot.octets)) == (0, 0, [])
        assert not maildrop.read_only
        assert not maildrop.utf8
        assert maildrop.lease.session == "s"
        await maildrop.release()

    asyncio.run(run())
