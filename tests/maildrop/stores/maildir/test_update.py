"""UPDATE: all or nothing, through crashes, full disks and other programs."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from tests.maildrop.stores.maildir.conftest import Box

from pillarbox.events import UpdateResumed
from pillarbox.maildrop.errors import MaildropReplaced, PartlyCommitted, ReadOnly
from pillarbox.maildrop.stores.maildir import update
from pillarbox.maildrop.stores.maildir.opened import MaildirMaildrop

SESSION = """
import asyncio, os, signal, sys, time
from pillarbox.events import NullSink
from pillarbox.maildrop.stores.maildir import MaildirStore

countdown = int(sys.argv[2])

def step(done):
    global countdown
    print(done, flush=True)
    if countdown == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    countdown -= 1

async def main():
    store = MaildirStore(NullSink(), clock=time.time, step=step)
    maildrop = await store.open(sys.argv[1], "s")
    await maildrop.commit({0, 2, 3})
    print("OK", flush=True)
    await maildrop.release()

asyncio.run(main())
"""


@pytest.mark.parametrize("step", range(9))
def test_killed_at_every_step(box: Box, step: int) -> None:
    """P21: after kill -9 all marked messages are gone or none, never the others; what was made durable happens."""
    names = [box.deliver() for _ in range(6)]
    killed = subprocess.run([sys.executable, "-c", SESSION, str(box.path), str(step)], capture_output=True, check=False)
    done = killed.stdout.split()
    assert killed.returncode == (0 if b"OK" in done else -signal.SIGKILL), killed.stderr
    after = box.ids()
    everything = [name.encode() for name in names]
    rest = [everything[1], everything[4], everything[5]]
    assert after == (rest if b"intended" in done or b"written" in done else everything)
    assert update_files(box) == set()
    assert box.commit(0) == 1  # and no lock is left
    assert len(box.ids()) == len(after) - 1


def update_files(box: Box) -> set[str]:
    return box.ours() - {"pillarbox.index"}


def intent(*bases: str) -> bytes:
    body = "\0".join(bases).encode()
    return b"pillarbox-intent 1 %d %08x s\n%b" % (len(body), zlib.crc32(body), body)


def test_an_intent_is_carried_through(box: Box) -> None:
    """Under any flags, with an event, and before the snapshot."""
    names = [box.deliver() for _ in range(3)]
    (box.path / "new" / names[1]).rename(box.path / "cur" / f"{names[1]}:2,RS")
    (box.path / "pillarbox.intent").write_bytes(intent(names[0], names[1], "gone already"))
    assert box.ids() == [names[2].encode()]
    (event,) = box.sink.of(UpdateResumed)
    assert event.removed == 2
    assert update_files(box) == set()


def test_a_torn_intent_is_nothing(box: Box) -> None:
    """A crash while it was written: it never took effect, at whatever octet it ends."""
    names = [box.deliver() for _ in range(2)]
    whole = intent(*names)
    for length in range(len(whole)):
        (box.path / "pillarbox.intent").write_bytes(whole[:length])
        assert len(box.ids()) == 2
        assert update_files(box) == set()
    for damage in (whole[:-1] + b"X", whole + b"\0x", b"\0" * 4096, intent("../../etc/passwd")):
        (box.path / "pillarbox.intent").write_bytes(damage)
        assert len(box.ids()) == 2


def test_flags_that_changed_do_not_save_a_message(box: Box) -> None:
    """A marked message is found by its base name, wherever it is now."""
    names = [box.deliver() for _ in range(3)]

    async def use(maildrop: MaildirMaildrop) -> int:
        os.rename(box.path / "new" / names[0], box.path / "cur" / f"{names[0]}:2,S")
        return await maildrop.commit({0})

    assert box.run(use) == 1
    assert box.names() == {names[1], names[2]}


def test_a_replaced_maildir_is_not_touched(box: Box) -> None:
    """P20: moved away and replaced by one with the same names: nothing is deleted in either."""
    name = box.deliver()

    async def use(maildrop: MaildirMaildrop) -> None:
        box.path.rename(box.path.parent / "old")
        shutil.copytree(box.path.parent / "old", box.path)
        with pytest.raises(MaildropReplaced):
            await maildrop.commit({0})

    box.run(use)
    assert box.names() == {name}
    assert (box.path.parent / "old" / "new" / name).exists()


@pytest.mark.parametrize("folder", ["new", "cur"])
def test_a_replaced_folder_is_not_touched(box: Box, folder: str) -> None:
    """P20: the same for the directories inside, also when a link took their place."""
    name = box.deliver()

    async def use(maildrop: MaildirMaildrop) -> None:
        (box.path / folder).rename(box.path / "aside")
        (box.path / folder).symlink_to(box.path / "aside")
        with pytest.raises(MaildropReplaced):
            await maildrop.commit({0})

    box.run(use)
    assert (box.path / ("aside" if folder == "new" else "new") / name).exists()


def test_a_removed_maildir(box: Box) -> None:
    """P20."""
    box.deliver()

    async def use(maildrop: MaildirMaildrop) -> None:
        shutil.rmtree(box.path)
        with pytest.raises(MaildropReplaced):
            await maildrop.commit({0})

    box.run(use)


def test_what_cannot_be_removed_stays(box: Box) -> None:
    """P22: the others go, the answer says so, the intent does not remove the rest behind anybody's back."""
    names = [box.deliver() for _ in range(3)]

    async def use(maildrop: MaildirMaildrop) -> PartlyCommitted:
        os.unlink(box.path / "new" / names[1])
        (box.path / "new" / names[1]).mkdir()  # no unlink removes a directory
        with pytest.raises(PartlyCommitted) as failed:
            await maildrop.commit({0, 1, 2})
        with pytest.raises(PartlyCommitted):
            await maildrop.commit({0, 1, 2})
        return failed.value

    error = box.run(use)
    assert (error.removed, error.failed) == (2, 1)
    assert box.names() == {names[1]}
    assert update_files(box) == set()


def test_read_only_file_systems_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P25: nothing is removed where the intent may not be written."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1.a").write_text("x")
    monkeypatch.setattr(update, "_write_intent", lambda *_: (_ for _ in ()).throw(ReadOnly("Read-only file system")))
    root = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(ReadOnly):
        update.remove(root, [(0, "1.a")], "s")
    os.close(root)
    assert (tmp_path / "new" / "1.a").exists()


FULL_DISK = """
import asyncio, os, subprocess, sys, time
from pathlib import Path
path = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", path], check=True)
for name in ("tmp", "new", "cur"):
    (path / name).mkdir()
for number in range(5):
    (path / "new" / f"{number}.a").write_bytes(b"Subject: x\\n\\nx\\n")
try:
    with open(path / "filler", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 1024)
except OSError as error:
    assert error.errno == 28
from pillarbox.events import MemorySink
from pillarbox.maildrop.retrieval import retrieve
from pillarbox.maildrop.stores.maildir import MaildirStore

async def main():
    sink = MemorySink()
    store = MaildirStore(sink, clock=time.time)
    for left in (5, 3):
        maildrop = await store.open(str(path), "s")
        assert (await maildrop.list()).count == left
        assert await retrieve(maildrop, 1) == b"Subject: x\\r\\n\\r\\nx\\r\\n"
        assert await maildrop.commit({0, 2}) == 2
        await maildrop.release()
    assert sink.events == []
    print(sorted(file.name for file in (path / "new").iterdir()))

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs the right to mount")
def test_a_full_disk(tmp_path: Path) -> None:
    """Mail can be read and, above all, deleted where not one octet can be written."""
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    if b"unshare failed" in done.stderr:
        pytest.skip("mount namespaces are not allowed here")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"['3.a']\n"


def test_seen_messages_get_their_flag(box: Box) -> None:
    """P24: only where the setting says so; flags stay sorted; what was deleted or not retrieved is left alone."""
    names = [box.deliver() for _ in range(4)]
    (box.path / "new" / names[1]).rename(box.path / "cur" / f"{names[1]}:2,FT")
    assert box.commit(retrieved=(0, 1)) == 0
    assert names[0] in box.names()
    assert box.commit(3, retrieved=(0, 1, 3), mark_seen=True) == 1
    assert box.names() == {f"{names[0]}:2,S", f"{names[1]}:2,FST", names[2]}
    assert (box.path / "cur" / f"{names[0]}:2,S").exists()


def test_marking_seen_replaces_nothing(box: Box) -> None:
    """A file that has the new name already is another message: it must survive."""
    name = box.deliver(b"one\n")
    root = os.open(box.path, os.O_RDONLY)
    (box.path / "cur" / f"{name}:2,S").write_bytes(b"two\n")
    update.mark_seen(root, [(0, name)])
    os.close(root)
    assert (box.path / "new" / name).read_bytes() == b"one\n"
    assert (box.path / "cur" / f"{name}:2,S").read_bytes() == b"two\n"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_for_the_intent(box: Box, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Deleting is how a full disk gets empty: it must not need room."""
    names = [box.deliver() for _ in range(2)]

    def full(descriptor: int) -> None:
        raise OSError(code, "full")

    root = os.open(box.path, os.O_RDONLY)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.MonkeyPatch.context() as inner:
        inner.setattr(update, "_sync", lambda _: None)
        assert update.remove(root, [(0, names[0])], "s").removed == 1
    os.close(root)
    assert box.names() == {names[1]}
    assert update_files(box) == set()
