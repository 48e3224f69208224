"""Reading an opened Maildir while others work on it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.maildrop.stores.maildir.conftest import Box

from pillarbox.maildrop.errors import MaildropBusy, MaildropUnavailable, MessageGone
from pillarbox.maildrop.retrieval import retrieve
from pillarbox.maildrop.stores.maildir import update
from pillarbox.maildrop.stores.maildir.opened import MaildirMaildrop
from pillarbox.testing.messages import wire_form
from pillarbox.testing.store_kit import whole


def descriptors() -> set[str]:
    return {os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _is_open(name)}


def _is_open(name: str) -> bool:
    return Path(f"/proc/self/fd/{name}").is_symlink()


def test_found_again_under_other_flags(box: Box) -> None:
    """P14, P19: a flag change during the session hides nothing."""
    names = [box.deliver(b"Subject: %d\n\nx\n" % number) for number in range(4)]

    async def use(maildrop: MaildirMaildrop) -> None:
        (box.path / "new" / names[1]).rename(box.path / "cur" / f"{names[1]}:2,S")
        assert (await maildrop.read(1, 0, 99)).data == b"Subject: 1\n\nx\n"
        (box.path / "cur" / f"{names[1]}:2,S").rename(box.path / "cur" / f"{names[1]}:2,RS")
        assert (await maildrop.read(1, 0, 99)).data == b"Subject: 1\n\nx\n"
        (box.path / "cur" / f"{names[1]}:2,RS").unlink()
        with pytest.raises(MessageGone):
            await maildrop.read(1, 0, 99)
        assert (await maildrop.read(2, 0, 99)).data == b"Subject: 2\n\nx\n"

    box.run(use)


def test_an_idle_session_holds_one_descriptor(box: Box) -> None:
    for _ in range(3):
        box.deliver()

    async def use(maildrop: MaildirMaildrop) -> None:
        assert len([name for name in descriptors() if name.startswith(str(box.path))]) == 1
        await maildrop.read(0, 0, 10)
        await maildrop.read(1, 0, 9999)

    box.run(use)
    assert not [name for name in descriptors() if name.startswith(str(box.path))]


@pytest.mark.parametrize("nowait", [True, False])
def test_large_messages_by_slices(box: Box, nowait: bool) -> None:
    """P5: with and without the kernel's help to read what is in memory."""
    message = b"Subject: x\n\n" + b".line\r\n\r" * 100_000
    box.deliver(message)
    box.deliver(message, name="1900000000.x,S=1,W=1")  # a wrong hint: examined before it is sent

    async def use(maildrop: MaildirMaildrop) -> None:
        maildrop._shared.nowait = nowait
        for at in range(2):
            assert await whole(await retrieve(maildrop, at)) == wire_form(message)

    box.run(use)


def test_a_message_that_shrinks_while_it_is_read(box: Box) -> None:
    """P19: never octets that are not the message's."""
    name = box.deliver(b"x" * 100_000)

    async def use(maildrop: MaildirMaildrop) -> None:
        await maildrop.read(0, 0, 1000)
        os.truncate(box.path / "new" / name, 2000)
        with pytest.raises(MessageGone, match="altered"):
            await maildrop.read(0, 1000, 50_000)

    box.run(use)


def test_a_folder_that_became_a_link_is_not_followed(box: Box) -> None:
    """Somebody with a shell must not read another's mail through the server."""
    name = box.deliver(b"mine\n")
    other = box.path.parent / "other"
    other.mkdir()
    (other / name).write_bytes(b"yours\n"[:5])

    async def use(maildrop: MaildirMaildrop) -> None:
        (box.path / "new").rename(box.path / "aside")
        (box.path / "new").symlink_to(other)
        with pytest.raises(MessageGone):
            await maildrop.read(0, 0, 99)

    box.run(use)


def test_the_lock_is_kept_until_the_update_has_ended(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that is cut off in the middle of UPDATE: it ends first, in its own Maildir, and then the lock goes."""
    names = [box.deliver() for _ in range(3)]
    real = update.remove
    running = asyncio.Event()

    async def run() -> None:
        loop = asyncio.get_running_loop()

        def slow(*args: Any, **settings: Any) -> update.Outcome:
            loop.call_soon_threadsafe(running.set)
            time.sleep(0.2)
            return real(*args, **settings)

        monkeypatch.setattr(update, "remove", slow)
        store = box.store()
        maildrop = await store.open(str(box.path), "s1")
        committing = asyncio.create_task(maildrop.commit({0, 1}))
        await running.wait()
        committing.cancel()
        releasing = asyncio.create_task(maildrop.release())
        await asyncio.sleep(0.01)
        with pytest.raises(MaildropBusy):
            await store.open(str(box.path), "s2")
        await releasing
        assert await maildrop.commit({0, 1}) == 2  # the outcome can still be asked for
        again = await store.open(str(box.path), "s2")
        assert list((await again.list()).unique_ids) == [names[2].encode()]
        await again.release()
        await store.close()

    asyncio.run(run())


def test_nothing_works_after_release(box: Box) -> None:
    box.deliver()

    async def run() -> None:
        maildrop = await box.store().open(str(box.path), "s")
        await maildrop.release()
        for call in (maildrop.read(0, 0, 1), maildrop.commit({0})):
            with pytest.raises(MaildropUnavailable):
                await call

    asyncio.run(run())


@pytest.mark.parametrize("in_place", [True, False])
def test_p7_a_message_replaced_by_one_of_equal_size_is_not_sent_by_what_was_known_of_it(
    box: Box, in_place: bool
) -> None:
    """P7: a line that has to be stuffed must not get through because an older message had none."""
    name = box.deliver(b"Subject: y\r\n\r\n" + b"a" * 24 + b"\r\n")
    box.run(lambda maildrop: retrieve(maildrop, 0))
    forged = b"Subject: y\r\n\r\naaa\r\n.\r\n+OK forged!\n.\nx\r\r\n"
    path = box.path / "new" / name
    if in_place:
        path.write_bytes(forged)
    else:
        (box.path / "tmp" / "x").write_bytes(forged)
        (box.path / "tmp" / "x").rename(path)

    async def altered(maildrop: MaildirMaildrop) -> None:
        with pytest.raises(MessageGone, match="altered"):
            await retrieve(maildrop, 0)

    box.run(altered)

    async def examined(maildrop: MaildirMaildrop) -> None:
        assert await retrieve(maildrop, 0) == wire_form(forged)

    box.run(examined)


def test_a_message_restored_with_the_same_octets_is_sent(box: Box) -> None:
    """A backup that is played back changes inodes and times, and nothing for the client."""
    message = b"Subject: y\n\n.dot\n"
    name = box.deliver(message)
    box.run(lambda maildrop: retrieve(maildrop, 0))
    (box.path / "tmp" / "x").write_bytes(message)
    (box.path / "tmp" / "x").rename(box.path / "new" / name)

    async def use(maildrop: MaildirMaildrop) -> None:
        assert await retrieve(maildrop, 0) == wire_form(message)

    box.run(use)
