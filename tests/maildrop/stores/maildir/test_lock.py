"""P48, P49: one session for each Maildir."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os

import pytest
from tests.maildrop.stores.maildir.conftest import Box

from pillarbox.events import Warned
from pillarbox.maildrop.errors import MaildropBusy, MaildropUnavailable
from pillarbox.maildrop.stores.maildir.lock import Locks


def nfs(descriptor: int, operation: int) -> None:
    """As on NFS, where a directory cannot be locked."""
    if os.path.isdir(f"/proc/self/fd/{descriptor}"):
        raise OSError(errno.EBADF, "Bad file descriptor")
    fcntl.flock(descriptor, operation)


@pytest.mark.parametrize("flock", [fcntl.flock, nfs])
def test_exclusive_and_told_by_whom(box: Box, flock: object) -> None:
    first, second = (os.open(box.path, os.O_RDONLY) for _ in range(2))
    locks = Locks(flock)  # type: ignore[arg-type]  # a parameter of the test
    held = locks.acquire(first, "s1", 123.0)
    with pytest.raises(MaildropBusy) as busy:
        locks.acquire(second, "s2", 124.0)
    assert (busy.value.holder, busy.value.since) == ("session s1", 123.0)
    # Another registry stands for another process here: it only knows what the kernel tells.
    with pytest.raises(MaildropBusy) as busy:
        Locks(flock).acquire(second, "s3", 124.0)  # type: ignore[arg-type]
    assert busy.value.holder == f"process {os.getpid()}"
    locks.release(held)
    os.close(first)
    locks.release(locks.acquire(second, "s2", 125.0))
    os.close(second)


def test_without_locks_nothing_is_opened(box: Box) -> None:
    """A file system that locks nothing at all: an error, never two sessions."""

    def broken(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    root = os.open(box.path, os.O_RDONLY)
    with pytest.raises(MaildropUnavailable):
        Locks(broken).acquire(root, "s", 1.0)
    os.close(root)


def test_a_lock_file_is_reported_once(box: Box) -> None:
    async def run() -> None:
        store = box.store(flock=nfs)
        for _ in range(2):
            maildrop = await store.open(str(box.path), "s")
            with pytest.raises(MaildropBusy):
                await store.open(str(box.path), "s2")
            await maildrop.release()

    asyncio.run(run())
    assert [event.about for event in box.sink.of(Warned)] == ["lock"]


def test_no_file_is_left(box: Box) -> None:
    box.ids()
    assert "pillarbox.lock" not in box.ours()
