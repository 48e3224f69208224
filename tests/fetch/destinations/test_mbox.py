"""The mbox destination: exactly once over every crash, beside other programs, and what is said when it cannot be."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.fetch.destinations.killing import killed_at
from tests.fetch.destinations.staging import AWKWARD, as_root, mbox_messages, message, stage

from pillarbox.fetch.destination import Delivered, DestinationError, Failed, LineEnds, Staged, Sure
from pillarbox.fetch.destinations.mbox import Mbox

OTHER = b"From postman Thu Jan  1 00:00:00 1970\nFrom: someone@example.org\n\nFrom another program\n\n".replace(
    b"\nFrom another", b"\n>From another"
)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where that is possible: a killed process needs no disk, and hundreds of fsyncs take long on one."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    directory = Path(tempfile.mkdtemp(dir=shared))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


def staged_batch(tmp_path: Path, count: int, *, first: int = 0, octets: int = 300) -> list[Staged]:
    return [
        stage(tmp_path / "staging", message(number, octets), number, ends=LineEnds.LF)
        for number in range(first, first + count)
    ]


def kept(path: Path) -> list[bytes]:
    """The messages of an mbox that came from us, in wire form."""
    return [octets for line, octets in mbox_messages(path.read_bytes()) if b"@pillarbox.invalid " in line]


def append_other(path: Path) -> None:
    """Append as procmail and others do: they see to it that an empty line stands before theirs."""
    data = path.read_bytes()
    pad = b"" if not data or data.endswith(b"\n\n") else b"\n" if data.endswith(b"\n") else b"\n\n"
    path.write_bytes(data + pad + OTHER)


def recover(path: Path, batch: Sequence[Staged]) -> int:
    """What the fetcher does after a crash; how many were found."""
    mbox = Mbox(path, lock_wait=2.0)
    mbox.open()
    rest = [staged for staged in batch if mbox.find(staged) is None]
    for answer in mbox.deliver(rest):
        assert isinstance(answer, Delivered)
    mbox.close()
    return len(batch) - len(rest)


def test_messages_are_stored_so_that_every_octet_comes_back(tmp_path: Path, path: Path) -> None:
    octets = [message(1), AWKWARD + b"\r\n", message(2, 600_000), b"\r\n", b"bare\nends\r\n\r\n\rhere\r\n"]
    batch = [stage(tmp_path / "s", one, number, ends=LineEnds.LF) for number, one in enumerate(octets)]
    mbox = Mbox(path)
    assert mbox.sure is Sure.EXACTLY_ONCE
    assert mbox.staging() is None
    assert mbox.line_ends is LineEnds.LF
    mbox.open()
    answers = mbox.deliver(batch)
    mbox.close()
    assert [answer.staged for answer in answers] == batch
    assert [answer.id for answer in answers if isinstance(answer, Delivered)] == [f"{path}:{one.name}" for one in batch]
    assert kept(path) == octets
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == [".inbox.pillarbox", "inbox", "s"]


@pytest.mark.parametrize("there", [b"", OTHER, OTHER[:-1], OTHER[:-2], b"From x@y Thu Jan  1 00:00:00 1970\n"])
def test_what_is_there_is_kept_and_ends_with_one_empty_line(there: bytes, tmp_path: Path, path: Path) -> None:
    path.write_bytes(there)
    path.chmod(0o640)
    mbox = Mbox(path)
    mbox.open()
    mbox.deliver(staged_batch(tmp_path, 2))
    data = path.read_bytes()
    assert data.startswith(there)
    assert len(list(mbox_messages(data))) == 2 + bool(there)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_message_is_found_when_it_is_there_and_only_then(tmp_path: Path, path: Path) -> None:
    batch = staged_batch(tmp_path, 3)
    mbox = Mbox(path)
    mbox.open()
    assert [mbox.find(staged) for staged in batch] == [None] * 3
    mbox.deliver(batch[:1])
    mbox.deliver(batch[1:2])
    assert [mbox.find(staged) for staged in batch] == [f"{path}:{one.name}" for one in batch[:2]] + [None]


@pytest.mark.parametrize("foreign", [False, True])
def test_killed_at_every_step_nothing_is_lost_and_nothing_is_there_twice(
    foreign: bool, tmp_path: Path, path: Path
) -> None:
    """Two batches, killed before, within and after every call that changes the disk; another program appends, too."""
    first, second = staged_batch(tmp_path, 2), staged_batch(tmp_path, 3, first=2, octets=2_000)

    expected = [message(number, 300) for number in (0, 1)] + [message(number, 2_000) for number in (2, 3, 4)]

    def work() -> None:
        mbox = Mbox(path, lock_wait=2.0)
        mbox.open()
        mbox.deliver(first)
        mbox.deliver(second)

    number = found = 0
    while True:
        for one in tmp_path.glob("*inbox*"):
            one.unlink()
        path.write_bytes(OTHER)
        alive = not killed_at(number, work)
        size = path.stat().st_size
        if foreign:
            append_other(path)
        found += recover(path, [*first, *second])
        messages = kept(path)
        # An unfinished tail that is shorter than its separator line became a line of the message before it.
        whole = [one for one in expected for octets in messages if octets.startswith(one)]
        assert whole == expected, (number, size)
        if not foreign:
            assert len(messages) == 5, (number, size)
        assert path.read_bytes().count(b">From another program") == 1 + foreign, number
        if alive:
            break
        number += 1
    assert number > 40
    assert found > 20


def test_killed_at_100_random_moments_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path, path: Path) -> None:
    source = random.Random(7)
    total = found = 0
    longest = 0.004
    for _ in range(100):
        batch = staged_batch(tmp_path, 5, first=total, octets=8_000)
        child = os.fork()
        if not child:
            Mbox(path, lock_wait=2.0).deliver(batch)
            os._exit(0)
        time.sleep(source.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        # Half of the kills are to come before its end, however fast the machine is at the moment.
        longest *= 0.9 if os.waitpid(child, 0)[1] == 0 else 1.1
        found += recover(path, batch)
        total += 5
        for staged in batch:
            staged.path.unlink()
    assert kept(path) == [message(number, 8_000) for number in range(total)]
    assert 0 < found < total, "no kill came while a batch was written"


def test_what_another_program_has_rewritten_is_found(tmp_path: Path, path: Path) -> None:
    """The crash came after the messages were durable and before anyone was told; then a mail program marked them."""
    batch = staged_batch(tmp_path, 5, octets=2_000)
    path.write_bytes(OTHER)
    Mbox(path).deliver(batch)
    (tmp_path / ".inbox.pillarbox").unlink()
    other, *ours = path.read_bytes().removesuffix(b"\n\n").split(b"\n\nFrom ")
    assert other.startswith(b"From postman")
    marked = (b"From " + one.replace(b"\n\n", b"\nStatus: RO\nX-UID: 7\n\n", 1) + b"\n\n" for one in ours)
    (tmp_path / "new").write_bytes(b"".join(marked))
    (tmp_path / "new").rename(path)
    mbox = Mbox(path)
    assert recover(path, batch) == 5
    assert mbox.find(batch[0]) == f"{path}:{batch[0].name}"


def test_an_unfinished_message_does_not_count_even_if_the_file_was_moved(tmp_path: Path, path: Path) -> None:
    batch = staged_batch(tmp_path, 2)
    Mbox(path).deliver(batch)
    cut = path.read_bytes()[:-20]
    path.unlink()
    path.write_bytes(cut)
    (tmp_path / ".inbox.pillarbox").unlink()
    mbox = Mbox(path)
    assert mbox.find(batch[0])
    assert mbox.find(batch[1]) is None
    batch[0].path.unlink()
    assert mbox.find(batch[0]) is None, "it cannot be compared with anything"


def test_octets_of_other_programs_behind_an_unfinished_tail_are_not_cut(tmp_path: Path, path: Path) -> None:
    batch = staged_batch(tmp_path, 2)
    assert killed_at_write(path, batch)
    append_other(path)
    with_other = path.read_bytes()
    assert recover(path, batch) < 2
    assert path.read_bytes().startswith(with_other)
    assert [octets.startswith(message(number, 300)) for number, octets in enumerate(kept(path)[-2:])] == [True, True]


def test_nul_octets_that_a_power_cut_left_are_cut(tmp_path: Path, path: Path) -> None:
    batch = staged_batch(tmp_path, 2)
    assert killed_at_write(path, batch)
    with path.open("ab") as file:
        file.write(b"\0" * 5_000)
    recover(path, batch)
    assert kept(path) == [message(number, 300) for number in (0, 1)]


def killed_at_write(path: Path, batch: Sequence[Staged]) -> bool:
    """Leave half of an append."""
    for number in range(100):
        path.unlink(missing_ok=True)
        path.touch()
        if not killed_at(number, lambda: (Mbox(path).deliver(batch), None)[1]):
            return False
        if 0 < path.stat().st_size < sum(staged.stored for staged in batch):
            return True
    return False


def test_a_full_disk_leaves_the_mbox_as_it_was(tmp_path: Path, path: Path) -> None:
    """A limit on the size of files stands for the disk: the write fails in its middle."""
    path.write_bytes(OTHER)
    batch = staged_batch(tmp_path, 3, octets=10_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, limits[1]))
    try:
        with pytest.raises(DestinationError, match="larger than is allowed: raise the limit"):
            Mbox(path).deliver(batch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == OTHER
    assert not (tmp_path / "inbox.lock").exists()
    assert recover(path, batch) == 0
    assert len(kept(path)) == 3


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_leaves_the_mbox_as_it_was(
    call: str, number: int, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(OTHER)
    batch = staged_batch(tmp_path, 3)
    calls = 0
    real = os.write if call == "write" else os.fsync

    def failing(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:  # the first is the intent's
            raise OSError(number, os.strerror(number))
        return real(*arguments)  # type: ignore[arg-type]  # the arguments of whichever it is

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(DestinationError) as caught:
        Mbox(path).deliver(batch)
    assert caught.value.temporary
    assert str(path) in caught.value.text
    assert path.read_bytes() == OTHER
    assert recover(path, batch) == 0


def test_a_staged_file_that_is_gone_or_short_fails_alone(tmp_path: Path, path: Path) -> None:
    batch = staged_batch(tmp_path, 3)
    batch[0].path.unlink()
    with batch[1].path.open("ab") as file:
        file.truncate(10)
    answers = Mbox(path).deliver(batch)
    assert [type(answer) for answer in answers] == [Failed, Failed, Delivered]
    assert all(answer.temporary for answer in answers if isinstance(answer, Failed))
    assert kept(path) == [message(2, 300)]


@pytest.mark.skipif(as_root(), reason="permissions mean nothing to root")
def test_a_directory_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    directory = tmp_path / "closed"
    directory.mkdir(mode=0o500)
    with pytest.raises(DestinationError, match="permission denied"):
        Mbox(directory / "inbox").open()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, text in [
        ("link", "symbolic link: name the file"),
        ("directory", "it is a directory"),
        ("pipe", "not a regular file"),
        ("no/such", "does not exist: create the directory"),
    ]:
        with pytest.raises(DestinationError, match=text) as caught:
            Mbox(tmp_path / name).open()
        assert not caught.value.temporary


def test_memory_is_flat_for_a_large_message(tmp_path: Path, path: Path) -> None:
    staged = stage(tmp_path / "s", message(1, 8_000_000), ends=LineEnds.LF)
    tracemalloc.start()
    mbox = Mbox(path)
    mbox.deliver([staged])
    (tmp_path / ".inbox.pillarbox").unlink()
    assert mbox.find(staged)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 << 20


@pytest.mark.skipif(not shutil.which("formail"), reason="needs formail (Debian package procmail)")
def test_formail_sees_every_message(tmp_path: Path, path: Path) -> None:
    Mbox(path).deliver([*staged_batch(tmp_path, 5), stage(tmp_path / "s", AWKWARD + b"\r\n", 99, ends=LineEnds.LF)])
    with path.open("rb") as file:
        counted = subprocess.run(["formail", "-s", "echo", "one"], stdin=file, capture_output=True, check=True)
    assert counted.stdout.split() == [b"one"] * 6
