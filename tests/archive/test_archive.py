"""The archive as a whole: nothing lost, nothing doubled, whatever stops it."""

import hashlib
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import pytest
from tests.archive.dying import add_and_die
from tests.archive.mail import WHEN, filled, incoming, message

from pillarbox.archive import (
    Archive,
    ArchiveBusy,
    ArchiveDamaged,
    ArchiveError,
    ArchiveFull,
    ArchiveMissing,
    Incoming,
)
from pillarbox.archive.log import Entry, read
from pillarbox.archive.search import count, search
from pillarbox.archive.verify import verify


def test_octets_are_kept_exactly_and_the_files_are_read_only(tmp_path: Path) -> None:
    odd = b"Subject: odd\r\n\r\nbare\nLF, bare\rCR, \0 and \xff\r\n.\r\nno end"
    with Archive.open(tmp_path / "a", create=True) as archive:
        added = archive.add(incoming(odd))
        path = archive.path(added.sha256)
        assert path.read_bytes() == odd
        assert path == tmp_path / "a" / "objects" / added.sha256.hex()[:2] / f"{added.sha256.hex()[2:]}.eml"
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        assert added.sha256 == hashlib.sha256(odd).digest()
        assert not added.duplicate


def test_everything_is_private(tmp_path: Path) -> None:
    for path in filled(tmp_path / "a", message(1)).rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_the_same_octets_from_two_places_are_one_file_and_two_origins(tmp_path: Path) -> None:
    with Archive.open(tmp_path / "a", create=True) as archive:
        first = archive.add_batch([incoming(message(1), "u1", "work"), incoming(message(1), "u2", "home")])
        assert [one.duplicate for one in first] == [False, True]
        second = archive.add_batch([incoming(message(1), "u1", "work"), incoming(message(1), "u2", "home")])
        assert [one.duplicate for one in second] == [True, True]
        (found,) = search(archive, "")
        assert {(origin.account, origin.unique_id) for origin in found.origins} == {("work", "u1"), ("home", "u2")}
        assert len(list((tmp_path / "a" / "objects").rglob("*.eml"))) == 1
        assert len(list(read(archive.layout.log))) == 2


def test_a_file_may_be_linked_copied_or_missing(tmp_path: Path) -> None:
    with Archive.open(tmp_path / "a", create=True) as archive:
        staged = archive.staging / "staged"
        staged.write_bytes(message(1))
        other = tmp_path / "other"
        other.write_bytes(message(2))
        one, two = archive.add_batch([Incoming(staged, "w", "1", WHEN, take=True), Incoming(other, "w", "2", WHEN)])
        assert archive.path(one.sha256).stat().st_ino == staged.stat().st_ino
        assert archive.path(two.sha256).stat().st_ino != other.stat().st_ino
        other.write_bytes(b"changed")
        assert archive.path(two.sha256).read_bytes() == message(2)
        with pytest.raises(ArchiveError, match="nowhere"):
            archive.add_batch([incoming(message(3)), Incoming(tmp_path / "nowhere", "w", "3", WHEN)])
        assert not archive.contains(hashlib.sha256(message(3)).digest())
        assert list(archive.layout.tmp.iterdir()) == []
        assert verify(archive).sound


def test_contains_and_opening_again(tmp_path: Path) -> None:
    filled(tmp_path / "a", message(1))
    with Archive.open(tmp_path / "a") as archive:
        assert archive.contains(hashlib.sha256(message(1)).digest())
        assert not archive.contains(bytes(32))
        assert archive.add_batch([]) == []


def test_no_archive_and_not_empty(tmp_path: Path) -> None:
    with pytest.raises(ArchiveMissing, match="not an archive"):
        Archive.open(tmp_path)
    (tmp_path / "thing").write_text("mine")
    with pytest.raises(ArchiveError, match="not empty"):
        Archive.open(tmp_path, create=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_large_message_takes_little_memory(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.write(b"Subject: big\r\nContent-Type: application/x\r\n\r\n")
        for _ in range(64):
            file.write(os.urandom(1 << 20))
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.add(incoming(message(1)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        added = archive.add(Incoming(big, "w", "1", WHEN))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
        assert archive.path(added.sha256).stat().st_size == big.stat().st_size
        assert verify(archive).sound


def test_names_that_no_database_can_hold_are_kept_as_near_as_can_be(tmp_path: Path) -> None:
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.add(Incoming(message(1), "w\0x", "\udcff", WHEN))
        archive.add(Incoming(message(1), "w\0x", "\udcff", WHEN))
        (found,) = search(archive, "")
        assert [(origin.account, origin.unique_id) for origin in found.origins] == [("w x", "?")]


@pytest.mark.parametrize("received", [float("inf"), float("-inf"), float("nan"), 1e300])
def test_moments_that_no_calendar_holds(tmp_path: Path, received: float) -> None:
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.add(Incoming(message(1, Date="none"), "w", "1", received))
        assert [found.date for found in search(archive, "")] == [0]
        assert verify(archive).sound


# Being stopped


def test_killed_at_every_step_nothing_is_half_there_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """SIGKILL before and behind every call of the system and of SQLite that adding three messages takes."""
    place = filled(tmp_path / "a", message(0))
    step, held, finished = 0, 1, False
    while not finished:
        step += 5 if step > 40 else 1
        batch = [incoming(message(10 * step + number), str(number)) for number in range(3)]
        batch.append(incoming(message(0), f"again {step}", "home"))
        if (pid := os.fork()) == 0:
            add_and_die(place, batch, step)
        status = os.waitpid(pid, 0)[1]
        finished = os.WIFEXITED(status)
        with Archive.open(place) as archive:
            now = count(archive, "")
            assert now in (held, held + 3), step
            assert len(list(archive.layout.objects.rglob("*.eml"))) + len(list(archive.layout.tmp.glob("*.eml"))) >= now
            added = archive.add_batch(batch)
            assert {one.duplicate for one in added[:3]} == {now > held}, step
            held += 3
            assert count(archive, "") == held
            assert list(archive.layout.tmp.iterdir()) == []
        if step % 10 == 0 or finished:
            with Archive.open(place) as archive:
                report = verify(archive)
                assert report.sound, (step, report)
                assert report.messages == held
                assert len(list(read(archive.layout.log))) == 1 + (held - 1) // 3 * 4
    assert step > 40


_WRITER = """
import sys
from pillarbox.archive import Archive, Incoming
from tests.archive.dying import add_and_die
from tests.archive.mail import message
start = int(sys.argv[2])
with Archive.open(sys.argv[1], create=True) as archive:
    for number in range(start, start + 100_000, 3):
        data = [message(number + one, "words " * 200) for one in range(3)]
        for added in archive.add_batch([Incoming(one, sys.argv[3], str(number), 1.8e9) for one in data]):
            print(added.sha256.hex(), flush=True)
"""


def test_killed_at_random_moments_while_another_writes(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for attempt in range(4):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", _WRITER, str(tmp_path / "a"), str(100_000 * (2 * attempt + side)), f"w{side}"],
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[2],
            )
            for side in range(2)
        ]
        for side, writer in enumerate(writers):
            assert writer.stdout is not None
            acknowledged.add(writer.stdout.readline().strip())
            time.sleep(0.02 * attempt * (side + 1))
            writer.kill()
        for writer in writers:
            assert writer.stdout is not None
            acknowledged |= {line.strip() for line in writer.stdout if line.endswith("\n")}
            writer.wait()
            writer.stdout.close()
        with Archive.open(tmp_path / "a") as archive:
            assert all(archive.contains(bytes.fromhex(digest)) for digest in acknowledged)
            assert all(archive.path(bytes.fromhex(digest)).exists() for digest in acknowledged)
    with Archive.open(tmp_path / "a") as archive:
        report = verify(archive)
        assert report.sound, report
        assert report.messages == count(archive, "") >= len(acknowledged)


def test_a_torn_line_at_the_end_of_the_log_was_never_acknowledged(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1))
    log = place / "log.jsonl"
    with log.open("ab") as file:
        file.write(log.read_bytes()[:-40])
    with Archive.open(place) as archive:
        assert verify(archive).sound
        archive.add(incoming(message(2)))
        assert [type(item) for item in read(archive.layout.log)] == [Entry, Entry]


def test_a_log_that_has_lost_lines_is_not_written_to(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1), message(2))
    log = place / "log.jsonl"
    os.truncate(log, log.read_bytes().index(b"\n") + 1)
    with Archive.open(place) as archive, pytest.raises(ArchiveDamaged, match="shorter"):
        archive.add(incoming(message(3)))


def test_a_lost_index_is_made_again_by_itself(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1), message(2))
    for path in place.glob("index*"):
        path.unlink()
    with Archive.open(place) as archive:
        assert [found.subject for found in search(archive, "from:ada")] == ["Message 2", "Message 1"]
        assert verify(archive).sound


def test_rebuilding_finds_again_what_the_log_has_lost(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1), message(2))
    log = place / "log.jsonl"
    os.truncate(log, log.read_bytes().index(b"\n") + 1)
    with Archive.open(place) as archive, Archive.open(place) as other:
        with pytest.raises(ArchiveDamaged):
            other.add(incoming(message(3)))
        assert archive.rebuild() == 1
        assert {found.subject for found in search(archive, "")} == {"Message 1", "Message 2"}
        assert verify(archive).sound
        # Who had the old index open notices that there is a new one.
        other.add(incoming(message(3)))
        assert count(other, "") == count(archive, "") == 3
    with Archive.open(place) as archive:
        assert verify(archive).sound


def test_rebuilding_goes_on_behind_a_damaged_last_line(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1), message(2))
    log = place / "log.jsonl"
    octets = bytearray(log.read_bytes())
    octets[-200:-190] = b"xxxxxxxxxx"
    log.write_bytes(octets)
    with Archive.open(place) as archive:
        assert archive.rebuild() == 1
        assert {found.subject for found in search(archive, "")} == {"Message 1", "Message 2"}
        assert [finding.path for finding in verify(archive).findings] == ["log.jsonl"]  # the damaged line stays
        archive.add(incoming(message(3)))
        assert count(archive, "") == 3


# Several at once


def test_another_writer_is_waited_for_and_named_in_the_end(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1))
    with Archive.open(place) as first, Archive.open(place, wait=0.05) as second:
        with first.locked(), pytest.raises(ArchiveBusy, match="another process is writing"):
            second.add(incoming(message(2)))
        with first.locked():
            assert count(second, "") == 1  # reading waits for nobody
        assert not second.add(incoming(message(2))).duplicate
        assert first.add(incoming(message(2))).duplicate


def test_threads_of_one_process(tmp_path: Path) -> None:
    with Archive.open(tmp_path / "a", create=True) as archive:

        def work(side: int) -> None:
            for number in range(5):
                archive.add(incoming(message(10 * side + number)))
                search(archive, "ada")

        threads = [threading.Thread(target=work, args=(side,)) for side in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert count(archive, "") == 20
        assert verify(archive).sound


# A disk that is full, or read-only


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1))
    if (pid := os.fork()) == 0:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            archive = Archive.open(place)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            try:
                archive.add_batch([incoming(message(2)), incoming(message(3, "x" * 200_000))])
            except ArchiveFull as error:
                os._exit(0 if "Make room" in str(error) else 3)
            os._exit(2)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with Archive.open(place) as archive:
        assert verify(archive).sound
        assert count(archive, "") == 1
        assert len(archive.add_batch([incoming(message(2)), incoming(message(3, "x" * 200_000))])) == 2


def test_no_room_for_the_log_leaves_it_as_it_was(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", *(message(number) for number in range(40)))
    limit = (place / "log.jsonl").stat().st_size + 300
    if (pid := os.fork()) == 0:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            archive = Archive.open(place)
            archive.contains(bytes(32))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            try:
                archive.add_batch([incoming(message(number)) for number in range(100, 105)])
            except ArchiveFull:
                os._exit(0)
            os._exit(2)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with Archive.open(place) as archive:
        assert verify(archive).sound
        assert count(archive, "") == 40


def test_an_archive_that_cannot_be_written_can_be_searched_and_checked() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        place = filled(Path(directory) / "a", message(1))
        for path in [*place.rglob("*"), place]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        if (pid := os.fork()) == 0:
            os._exit(_read_without_writing(place))
        status = os.waitpid(pid, 0)[1]
        for path in [place, *place.rglob("*")]:
            path.chmod(0o700)
    assert os.waitstatus_to_exitcode(status) == 0


def _read_without_writing(place: Path) -> int:
    try:
        if os.geteuid() == 0:
            os.setuid(65_534)
        with Archive.open(place) as archive:
            assert count(archive, "ada") == 1
            report = verify(archive)
            assert report.sound, report
            try:
                archive.add(incoming(message(2)))
            except ArchiveError as error:
                return 0 if "denied" in str(error) else 2
        return 3
    except BaseException:
        traceback.print_exc()
        return 1
