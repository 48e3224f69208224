"""The archive as a destination: every octet, once, also when everything is offered again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fetch.destinations.killing import killed_at
from tests.fetch.destinations.staging import AWKWARD, message, stage

from pillarbox.archive.archive import Archive
from pillarbox.archive.verify import verify
from pillarbox.fetch.destination import Delivered, DestinationError, Failed, LineEnds, Staged, Sure
from pillarbox.fetch.destinations.archive import ArchiveDestination


def opened(path: Path) -> ArchiveDestination:
    destination = ArchiveDestination(path, wait=2.0)
    destination.open()
    return destination


def batch_in(destination: ArchiveDestination, octets: list[bytes]) -> list[Staged]:
    staging = destination.staging()
    assert staging is not None
    return [stage(staging, one, number) for number, one in enumerate(octets)]


def test_every_octet_is_kept_and_found(tmp_path: Path) -> None:
    octets = [message(1), AWKWARD, message(2, 500_000), b"\r\n"]
    destination = opened(tmp_path / "archive")
    assert destination.sure is Sure.EXACTLY_ONCE
    assert destination.line_ends is LineEnds.CRLF
    batch = batch_in(destination, octets)
    assert [destination.find(staged) for staged in batch] == [None] * 4
    answers = destination.deliver(batch)
    assert [answer.id for answer in answers if isinstance(answer, Delivered)] == [one.sha256.hex() for one in batch]
    assert [destination.find(staged) for staged in batch] == [one.sha256.hex() for one in batch]
    destination.close()
    destination.close()
    with Archive.open(tmp_path / "archive") as archive:
        assert [archive.path(staged.sha256).read_bytes() for staged in batch] == octets


def test_what_is_gone_or_changed_fails_alone(tmp_path: Path) -> None:
    destination = opened(tmp_path / "archive")
    batch = batch_in(destination, [message(number) for number in range(3)])
    batch[0].path.unlink()
    batch[1].path.write_bytes(b"something else\r\n")
    answers = destination.deliver(batch)
    assert [type(answer) for answer in answers] == [Failed, Failed, Delivered]
    assert all(answer.temporary for answer in answers if isinstance(answer, Failed))
    destination.close()


def missing(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[30] ^= 1
    path.chmod(0o600)
    path.write_bytes(octets)


@pytest.mark.parametrize("harm", [missing, emptied, flipped])
def test_what_the_archive_has_lost_is_stored_again_before_it_is_acknowledged(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = tmp_path / "archive"
    destination = opened(path)
    batch = batch_in(destination, [message(1), message(2)])
    destination.deliver(batch)
    for staged in batch:
        staged.path.unlink()  # it is the archive's file, too
    with Archive.open(path) as archive:
        harm(archive.path(batch[0].sha256))
    # Without its octets, nothing can be acknowledged.
    assert [destination.find(staged) for staged in batch] == [None, batch[1].sha256.hex()]
    again = batch_in(destination, [message(1), message(2)])
    assert destination.find(again[0]) is None
    assert all(isinstance(answer, Delivered) for answer in destination.deliver(again))
    assert [destination.find(staged) for staged in again] == [staged.sha256.hex() for staged in again]
    destination.close()
    with Archive.open(path) as archive:
        assert archive.path(batch[0].sha256).read_bytes() == message(1)
        report = verify(archive)
        assert report.sound, report
        assert report.messages == 2


def test_a_staged_file_that_is_damaged_is_not_added_when_the_archive_has_the_message(tmp_path: Path) -> None:
    destination = opened(tmp_path / "archive")
    (staged,) = batch_in(destination, [message(1)])
    destination.deliver([staged])
    staged.path.unlink()
    staged.path.write_bytes(b"torn")
    assert destination.find(staged) == staged.sha256.hex()
    destination.close()
    with Archive.open(tmp_path / "archive") as archive:
        assert len(list(archive.layout.objects.rglob("*.eml"))) == 1


def test_killed_at_every_step_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path) -> None:
    octets = [message(number) for number in range(2)]
    number = 0
    while True:
        path = tmp_path / str(number)
        destination = opened(path)
        batch = batch_in(destination, octets)
        destination.close()

        def work(path: Path = path, batch: list[Staged] = batch) -> None:
            opened(path).deliver(batch)

        alive = not killed_at(number, work)
        destination = opened(path)
        rest = [staged for staged in batch if destination.find(staged) is None]
        assert all(isinstance(answer, Delivered) for answer in destination.deliver(rest))
        destination.close()
        with Archive.open(path) as archive:
            assert all(
                archive.path(staged.sha256).read_bytes() == one for staged, one in zip(batch, octets, strict=True)
            )
            assert len(list((path / "objects").rglob("*.eml"))) == 2
        if alive:
            break
        number += 3
    assert number > 5


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DestinationError) as caught:
        ArchiveDestination(tmp_path / "file").open()
    assert str(tmp_path / "file") in caught.value.text
    closed = ArchiveDestination(tmp_path / "none")
    assert closed.staging() is None
    with pytest.raises(DestinationError, match="not open"):
        closed.deliver([])
