"""The Maildir store keeps the whole promise, on a real directory."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pillarbox.events import MemorySink, MessagesHidden, Warned
from pillarbox.maildrop.errors import MaildropBusy, MaildropUnavailable
from pillarbox.maildrop.stores.maildir import MaildirStore
from pillarbox.testing import store_kit

NUMBERS = itertools.count()
READ_ONLY_MOUNT = "PILLARBOX_TEST_READ_ONLY_MOUNT"


def make(path: Path) -> Path:
    for name in ("tmp", "new", "cur"):
        (path / name).mkdir(parents=True, exist_ok=True)
    return path


def deliver(path: Path, message: bytes, name: str | None = None) -> str:
    """As a delivering program does it: written to tmp, then renamed to new."""
    number = next(NUMBERS)
    name = name or f"{1700000000 + number}.M{number}P1.host.example"
    (path / "tmp" / name).write_bytes(message)
    (path / "tmp" / name).rename(path / "new" / name)
    return name


def names(path: Path) -> set[str]:
    return {file.name for folder in ("new", "cur") for file in (path / folder).iterdir()}


class MaildirHarness:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.maildrop = str(path)
        self.sink = MemorySink()
        self.store = self._make()

    def _make(self) -> MaildirStore:
        return MaildirStore(self.sink, clock=time.time, mark_seen=True)

    async def deliver(self, message: bytes) -> None:
        deliver(make(self.path), message)

    async def remove(self, unique_id: bytes) -> None:
        for folder in ("new", "cur"):
            for file in (self.path / folder).iterdir():
                if os.fsencode(file.name).startswith(unique_id):
                    file.unlink()

    async def restart(self) -> None:
        await self.store.close()
        self.store = self._make()

    async def write_protect(self) -> bool:
        if os.geteuid() == 0:
            return READ_ONLY_MOUNT in os.environ and _remount_read_only(self.path)
        for folder in ("new", "cur", "."):
            (self.path / folder).chmod(0o500)
        return True


def _remount_read_only(path: Path) -> bool:
    """The super-user may write everywhere but on a read-only mount. Only in a mount namespace of its own."""
    subprocess.run(["mount", "--bind", path, path], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", path], check=True)
    return True


@pytest.fixture
def harness(tmp_path: Path) -> MaildirHarness:
    return MaildirHarness(tmp_path / "Maildir")


@pytest.mark.parametrize("check", store_kit.CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: store_kit.Check, harness: MaildirHarness) -> None:
    asyncio.run(check(harness))


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs the right to mount")
def test_read_only_mount(tmp_path: Path) -> None:
    """P25: the write-protection check on a read-only file system, in a mount namespace that ends with its process."""
    selected = f"{__file__}::test_conformance[write_protected_maildrop]"
    base = f"--basetemp={tmp_path / 'inner'}"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "pytest", "-q", base, selected],
        env={**os.environ, READ_ONLY_MOUNT: "1"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    if b"unshare failed" in done.stderr:
        pytest.skip("mount namespaces are not allowed here")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(b".")


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    return make(tmp_path / "box")


def opened_ids(path: Path, sink: MemorySink | None = None) -> list[bytes]:
    async def run() -> list[bytes]:
        store = MaildirStore(sink or MemorySink(), clock=time.time)
        maildrop = await store.open(str(path), "s")
        try:
            return list((await maildrop.list()).unique_ids)
        finally:
            await maildrop.release()
            await store.close()

    return asyncio.run(run())


def test_missing_maildir_is_empty_and_not_made(tmp_path: Path) -> None:
    """P12: an account that never got mail; two sessions do not disturb each other."""

    async def run() -> None:
        store = MaildirStore(MemorySink(), clock=time.time)
        one = await store.open(str(tmp_path / "no" / "box"), "s1")
        two = await store.open(str(tmp_path / "no" / "box"), "s2")
        assert (await one.list()).count == (await two.list()).count == 0
        assert await one.commit(()) == 0
        await one.release()
        await two.release()

    asyncio.run(run())
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("folder", ["new", "cur"])
def test_missing_new_or_cur_is_empty(maildir: Path, folder: str) -> None:
    deliver(maildir, b"x\n", "1.a")
    if folder == "new":
        (maildir / "new" / "1.a").rename(maildir / "cur" / "1.a:2,")
    (maildir / folder).rmdir()
    assert opened_ids(maildir) == [b"1.a"]


def test_wrong_kinds_of_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    link = make(tmp_path / "link")
    (link / "cur").rmdir()
    (link / "cur").symlink_to(make(tmp_path / "other") / "cur")
    for path in (tmp_path / "file", link, Path("relative")):
        with pytest.raises(MaildropUnavailable) as refused:
            opened_ids(path)
        assert refused.value.permanent
        assert refused.value.reason


def test_root_may_be_a_link(tmp_path: Path, maildir: Path) -> None:
    """An administrator may place a Maildir elsewhere."""
    deliver(maildir, b"x\n", "1.a")
    (tmp_path / "link").symlink_to(maildir)
    assert opened_ids(tmp_path / "link") == [b"1.a"]


def test_only_regular_files_are_messages(maildir: Path) -> None:
    """Links, pipes, directories and hidden names are not offered; the mail beside them is."""
    secret = maildir.parent / "secret"
    secret.write_text("secret\n")
    deliver(maildir, b"x\n", "5.a")
    (maildir / "new" / "1.link").symlink_to(secret)
    (maildir / "cur" / "2.dir:2,").mkdir()
    os.mkfifo(maildir / "cur" / "3.pipe")
    (maildir / "new" / ".hidden").write_text("x")
    (maildir / "tmp" / "4.half").write_text("half")
    sink = MemorySink()
    assert opened_ids(maildir, sink) == [b"5.a"]
    (hidden,) = sink.of(MessagesHidden)
    assert hidden.count == 3
    assert hidden.reason == "not regular files"


def test_a_link_with_size_hints_is_not_followed(maildir: Path) -> None:
    """A hinted name is not opened at first sight; what it points to must still never be sent."""
    secret = maildir.parent / "secret"
    secret.write_text("secret\n")
    (maildir / "new" / "1.a,S=7,W=8").symlink_to(secret)

    async def run() -> None:
        store = MaildirStore(MemorySink(), clock=time.time, hints_from=0)
        maildrop = await store.open(str(maildir), "s")
        with pytest.raises(Exception, match="not a regular file"):
            await maildrop.read(0, 0, 100)
        await maildrop.release()

    asyncio.run(run())


@pytest.mark.skipif(os.geteuid() == 0, reason="the super-user can read every file")
def test_unreadable_files_are_hidden_until_they_can_be_read(maildir: Path) -> None:
    deliver(maildir, b"x\n", "1.a")
    deliver(maildir, b"y\n", "2.b")
    (maildir / "new" / "1.a").chmod(0)
    sink = MemorySink()
    assert opened_ids(maildir, sink) == [b"2.b"]
    assert "unreadable" in sink.of(MessagesHidden)[0].reason
    (maildir / "new" / "1.a").chmod(stat.S_IRUSR)
    assert opened_ids(maildir) == [b"1.a", b"2.b"]


def test_flags_and_moves_change_nothing(maildir: Path) -> None:
    """P26: neither a flag nor the move to cur changes a number or a unique-id."""
    for name in ("1.a", "2.b", "3.c"):
        deliver(maildir, b"x\n", name)
    before = opened_ids(maildir)
    (maildir / "new" / "1.a").rename(maildir / "cur" / "1.a:2,")
    assert opened_ids(maildir) == before
    (maildir / "cur" / "1.a:2,").rename(maildir / "cur" / "1.a:2,FRS")
    (maildir / "new" / "3.c").rename(maildir / "cur" / "3.c:2,S")
    assert opened_ids(maildir) == before == [b"1.a", b"2.b", b"3.c"]


def test_delivery_order(maildir: Path) -> None:
    """P14: by the seconds and microseconds in the name, not by its letters."""
    order = ["999.x", "1000.M9P1.h", "1000.M10P1.h", "1000.V801I2M11.h", "1001.H5P1.h", "1002.a"]
    for name in reversed(order):
        deliver(maildir, b"x\n", name)
    assert opened_ids(maildir) == [name.encode() for name in order]
    deliver(maildir, b"x\n", "1000.M10P0.h")
    assert opened_ids(maildir)[2] == b"1000.M10P0.h"


def test_odd_names_get_a_safe_unique_id(maildir: Path) -> None:
    """P26, P27: spaces, control octets, bytes that are no UTF-8 and names longer than 70 octets."""
    odd = [b"1.with space", b"2.line\nfeed\r", b"3.\xff\xfe", b"4." + b"x" * 100, "5.ümlaut".encode()]
    for name in odd:
        (maildir / "new" / os.fsdecode(name)).write_bytes(b"x\n")
    ids = opened_ids(maildir)
    assert len(set(ids)) == 5
    assert all(len(unique_id) <= 70 and unique_id.isascii() and b" " not in unique_id for unique_id in ids)
    (maildir / "new" / os.fsdecode(odd[2])).rename(maildir / "cur" / os.fsdecode(odd[2] + b":2,S"))
    (maildir / "pillarbox.index").unlink()
    assert opened_ids(maildir) == ids


def test_two_names_of_one_file_are_one_message(maildir: Path) -> None:
    """A move by link and unlink that is half done; both names go with the message."""
    deliver(maildir, b"x\n", "1.a")
    os.link(maildir / "new" / "1.a", maildir / "cur" / "1.a:2,S")
    assert opened_ids(maildir) == [b"1.a"]

    async def run() -> None:
        store = MaildirStore(MemorySink(), clock=time.time)
        maildrop = await store.open(str(maildir), "s")
        assert await maildrop.commit({0}) == 1
        await maildrop.release()

    asyncio.run(run())
    assert names(maildir) == set()


def test_two_files_of_one_name_are_never_mixed_up(maildir: Path) -> None:
    """P27: the second is hidden and reported, and survives the deletion of the first."""
    deliver(maildir, b"one\n", "1.a")
    (maildir / "cur" / "1.a:2,S").write_bytes(b"two\n")
    sink = MemorySink()
    assert opened_ids(maildir, sink) == [b"1.a"]
    assert sink.of(MessagesHidden)[0].count == 1

    async def run() -> None:
        store = MaildirStore(MemorySink(), clock=time.time)
        maildrop = await store.open(str(maildir), "s")
        assert (await maildrop.read(0, 0, 10)).data == b"two\n"
        assert await maildrop.commit({0}) == 1
        await maildrop.release()

    asyncio.run(run())
    assert names(maildir) == {"1.a"}
    assert opened_ids(maildir) == [b"1.a"]


def test_an_idle_poll_writes_nothing(maildir: Path) -> None:
    """Once the directories have rested, an opening changes no file."""
    deliver(maildir, b"x\n")

    def stamps() -> list[tuple[str, int]]:
        return [(file.name, file.stat().st_mtime_ns) for file in (maildir, *sorted(maildir.iterdir()))]

    async def run() -> None:
        now = time.time() + 10  # the time stamps have settled
        store = MaildirStore(MemorySink(), clock=lambda: now)
        for _ in range(2):
            await (await store.open(str(maildir), "s")).release()
        before = stamps()
        for _ in range(3):
            maildrop = await store.open(str(maildir), "s")
            await maildrop.list()
            await maildrop.commit(())
            await maildrop.release()
        assert stamps() == before

    asyncio.run(run())


def test_a_directory_that_just_changed_is_not_trusted(maildir: Path) -> None:
    """Two deliveries under one coarse time stamp: the second must be seen (racily clean)."""

    async def run() -> None:
        store = MaildirStore(MemorySink(), clock=time.time)
        deliver(maildir, b"x\n", "1.a")
        await (await store.open(str(maildir), "s")).release()
        status = (maildir / "new").stat()
        deliver(maildir, b"y\n", "2.b")
        os.utime(maildir / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
        maildrop = await store.open(str(maildir), "s")
        assert (await maildrop.list()).count == 2
        await maildrop.release()

    asyncio.run(run())


def test_lock_is_seen_by_other_processes_and_dies_with_them(maildir: Path) -> None:
    """P48, P49: a second process is refused and told the holder's pid; kill -9 frees the lock; delivery goes on."""
    deliver(maildir, b"x\n", "1.a")
    script = (
        "import asyncio,sys,time\n"
        "from pillarbox.events import NullSink\n"
        "from pillarbox.maildrop.stores.maildir import MaildirStore\n"
        "async def main():\n"
        "    m = await MaildirStore(NullSink(), clock=time.time).open(sys.argv[1], 's')\n"
        "    print('held', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(maildir)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(MaildropBusy) as busy:
        opened_ids(maildir)
    assert busy.value.holder == f"process {child.pid}"
    deliver(maildir, b"y\n", "2.b")
    child.kill()
    child.wait()
    child.stdout.close()
    assert opened_ids(maildir) == [b"1.a", b"2.b"]


def test_p3_size_hints_of_a_few_new_messages_are_not_believed(maildir: Path) -> None:
    """P1, P3, P4: Dovecot's `W=` counts neither a missing last line ending nor a bare CR."""
    (maildir / "new" / "1.a,S=28,W=30").write_bytes(b"Subject: x\n\nno final newline")
    (maildir / "new" / "2.b,S=16,W=19").write_bytes(b"Subject: x\n\na\rb\n")

    async def octets() -> list[int]:
        store = MaildirStore(MemorySink(), clock=time.time)
        maildrop = await store.open(str(maildir), "s")
        listed = list((await maildrop.list()).octets)
        await maildrop.release()
        return listed

    assert asyncio.run(octets()) == [32, 20]


def test_a_missing_maildir_can_be_an_error(tmp_path: Path) -> None:
    """A disk that is not mounted must not look like a maildrop whose mail was all fetched."""

    async def run() -> None:
        store = MaildirStore(MemorySink(), clock=time.time, must_exist=True)
        with pytest.raises(MaildropUnavailable, match="mounted") as error:
            await store.open(str(tmp_path / "ada"), "s")
        assert not error.value.permanent

    asyncio.run(run())


def test_a_directory_that_is_no_maildir_is_left_alone(maildir: Path) -> None:
    bare = maildir.parent / "bare"
    bare.mkdir()
    assert opened_ids(bare) == []
    assert list(bare.iterdir()) == []


def test_size_hints_are_used_and_corrected(maildir: Path) -> None:
    """P3: `S=` and `W=` are listed without opening the file; a wrong one is reported, and right the next time."""
    (maildir / "new" / "1.a,S=4,W=6").write_bytes(b"x\ny\n")
    (maildir / "new" / "2.b,S=9,W=99").write_bytes(b"wrong\n")
    (maildir / "new" / "3.c,S=4,W=5").write_bytes(b"a\nno")  # its last line ending is not counted
    sink = MemorySink()
    store = MaildirStore(sink, clock=time.time, hints_from=0)

    async def octets() -> list[int]:
        maildrop = await store.open(str(maildir), "s")
        snapshot = await maildrop.list()
        before = list(snapshot.octets)
        bodies = [bytes((await maildrop.read(at, 0, 100)).data) for at in range(3)]
        assert bodies == [b"x\ny\n", b"wrong\n", b"a\nno"]
        assert list(snapshot.octets) == before
        await maildrop.release()
        return before

    async def run() -> None:
        assert await octets() == [6, 99, 5]
        assert await octets() == [6, 7, 7]
        (warned,) = sink.of(Warned)
        assert warned.about == "size-hint"
        assert "2.b" in warned.text

    asyncio.run(run())


def test_a_cancelled_opening_frees_the_lock(maildir: Path) -> None:
    """P49: a client that gives up during a long first scan leaves no lock."""
    for _ in range(600):
        deliver(maildir, b"x\n")

    async def run() -> None:
        store = MaildirStore(MemorySink(), clock=time.time)
        opening = asyncio.create_task(store.open(str(maildir), "s1"))
        await asyncio.sleep(0.002)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        for _ in range(200):
            try:
                maildrop = await store.open(str(maildir), "s2")
                break
            except MaildropBusy:
                await asyncio.sleep(0.01)
        assert (await maildrop.list()).count == 600
        await maildrop.release()
        await store.close()

    asyncio.run(run())


def test_works_after_a_fork(maildir: Path) -> None:
    """A store made and used before a fork opens maildrops in the child: its threads are made anew."""
    for _ in range(20):
        deliver(maildir, b"x\n")

    async def count(store: MaildirStore) -> int:
        (maildir / "pillarbox.index").unlink(missing_ok=True)
        maildrop = await store.open(str(maildir), "s")
        found = (await maildrop.list()).count
        await maildrop.release()
        return found

    store = MaildirStore(MemorySink(), clock=time.time)
    assert asyncio.run(count(store)) == 20
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if asyncio.run(count(store)) == 20 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.slow
def test_hundred_thousand_messages(maildir: Path) -> None:
    """The index agrees with the directory after a delivery and a removal among 100,000 messages."""
    for number in range(100_000):
        os.close(os.open(maildir / "cur" / f"{number}.x,S=10,W=11:2,S", os.O_CREAT | os.O_WRONLY))

    def look() -> tuple[int, int, list[bytes]]:
        async def run() -> tuple[int, int, list[bytes]]:
            store = MaildirStore(MemorySink(), clock=time.time)
            maildrop = await store.open(str(maildir), "s")
            snapshot = await maildrop.list()
            found = snapshot.count, snapshot.total, list(snapshot.unique_ids)
            await maildrop.release()
            await store.close()
            return found

        return asyncio.run(run())

    expected = [b"%d.x,S=10,W=11" % number for number in range(100_000)]
    assert look() == (100_000, 1_100_000, expected)
    deliver(maildir, b"x\n", "50000.y,S=2,W=3")
    (maildir / "cur" / "70000.x,S=10,W=11:2,S").unlink()
    expected.remove(b"70000.x,S=10,W=11")
    expected.insert(50_001, b"50000.y,S=2,W=3")
    assert look() == (100_000, 1_099_992, expected)
    assert look() == (100_000, 1_099_992, expected)
