"""What is missing or damaged in an archive is stored again when it comes again, and is never called a duplicate."""

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.archive.dying import add_and_die
from tests.archive.mail import filled, incoming, message

from pillarbox.archive import Archive
from pillarbox.archive.search import count
from pillarbox.archive.verify import verify


def missing(path: Path) -> None:
    path.unlink()


def missing_with_its_directory(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


def emptied(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, 0)


def flipped(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[20] ^= 8
    path.chmod(0o600)
    path.write_bytes(octets)


HARM = pytest.mark.parametrize("harm", [missing, missing_with_its_directory, emptied, flipped])


@HARM
@pytest.mark.parametrize("again", [("0", "work"), ("elsewhere", "home")])
def test_what_is_missing_or_damaged_is_no_duplicate(
    tmp_path: Path, harm: Callable[[Path], None], again: tuple[str, str]
) -> None:
    place = filled(tmp_path / "a", message(1), message(2))
    with Archive.open(place) as archive:
        digest = hashlib.sha256(message(1)).digest()
        path = archive.path(digest)
        harm(path)
        assert not archive.contains(digest)
        batch = [incoming(message(1), *again), incoming(message(1), *again), incoming(message(2)), incoming(message(3))]
        added = archive.add_batch(batch)
        assert [(one.duplicate, one.restored) for one in added] == [
            (False, True),
            (True, False),
            (True, False),
            (False, False),
        ]
        assert archive.contains(digest)
        assert path.read_bytes() == message(1)
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        report = verify(archive)
        assert report.sound, report
        assert report.messages == count(archive, "") == 3
        assert archive.add_batch(batch[:1])[0].duplicate
        assert list(archive.layout.tmp.iterdir()) == []


def test_an_index_made_while_a_message_was_missing_is_made_again(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(1, "uncommon"), message(2))
    with Archive.open(place) as archive:
        missing(archive.path(hashlib.sha256(message(1, "uncommon")).digest()))
        archive.rebuild()
        assert archive.add(incoming(message(1, "uncommon"), "0")).restored
        assert verify(archive).sound
        archive.rebuild()
        assert count(archive, "uncommon") == 1
        assert verify(archive).sound


def test_killed_at_every_step_of_restoring(tmp_path: Path) -> None:
    place = filled(tmp_path / "a", message(0), message(1))
    digests = [hashlib.sha256(message(number)).digest() for number in range(2)]
    batch = [incoming(message(0), "again", "home"), incoming(message(1), "again", "home")]
    step, finished = 0, False
    while not finished:
        step += 1
        with Archive.open(place) as archive:
            missing(archive.path(digests[0]))
            emptied(archive.path(digests[1]))
        if (pid := os.fork()) == 0:
            add_and_die(place, batch, step)
        finished = os.WIFEXITED(status := os.waitpid(pid, 0)[1])
        with Archive.open(place) as archive:
            if finished:
                assert os.WEXITSTATUS(status) == 0
                assert all(archive.contains(digest) for digest in digests)
            assert all(one.duplicate or one.restored for one in archive.add_batch(batch)), step
            assert list(archive.layout.tmp.iterdir()) == [], step
            report = verify(archive)
            assert report.sound, (step, report)
            assert report.messages == 2
    assert step > 20
