"""Part files: whole or not there, exact, swept away by their own account only."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fetch.accounts import LARGE, mail

from pillarbox.fetch import LineEnds, StagingError
from pillarbox.fetch.records import header_hash
from pillarbox.fetch.staging import Part, Staging, drop, is_whole, make_durable

AWKWARD = [
    b"",
    b"\r\n",
    b"a",
    b"a\r",
    b"a\nb\r\n",
    b"a\rb\r\n",
    b"a\r\r\nb\r\n",
    mail(1),
    mail(1, LARGE),
    mail(1, LARGE) + b"\r",
    mail(1, LARGE) + b"\n",
    b"\n" + mail(1, LARGE),
]


def pieces(octets: bytes, seed: int = 1) -> Iterator[bytes]:
    """The octets, cut at random."""
    cuts = random.Random(seed)
    while octets:
        at = cuts.choice((1, 2, 100, 65_536))
        yield octets[:at]
        octets = octets[at:]


def stage(directory: Path, octets: bytes, ends: LineEnds = LineEnds.LF) -> Part:
    return Staging(directory, "ada", ends).receive(pieces(octets))


@pytest.mark.parametrize("ends", LineEnds)
@pytest.mark.parametrize("octets", AWKWARD, ids=range(len(AWKWARD)))
def test_what_is_stored_can_be_turned_back_octet_by_octet(tmp_path: Path, octets: bytes, ends: LineEnds) -> None:
    part = stage(tmp_path, octets, ends)
    assert not make_durable([part])
    stored = part.path.read_bytes()
    assert len(stored) == part.stored
    assert (stored.replace(b"\n", b"\r\n") if part.line_ends is LineEnds.LF else stored) == octets
    assert ends is LineEnds.LF or part.line_ends is LineEnds.CRLF
    assert part.content.octets == len(octets)
    assert part.content.sha256 == hashlib.sha256(octets).digest()
    assert part.content.headers == header_hash(octets)
    assert is_whole(part.path, part.content, part.stored, part.line_ends)
    assert [path.name for path in tmp_path.iterdir()] == [part.path.name]


def test_ordinary_messages_get_bare_lf(tmp_path: Path) -> None:
    for octets in (mail(1), mail(1, LARGE)):
        part = stage(tmp_path, octets)
        assert part.line_ends is LineEnds.LF
        make_durable([part])
        assert b"\r" not in part.path.read_bytes()


@pytest.mark.parametrize("octets", [100, LARGE])
def test_of_a_message_that_breaks_off_nothing_is_left(tmp_path: Path, octets: int) -> None:
    def broken() -> Iterator[bytes]:
        yield mail(1, octets)
        yield mail(1, octets)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        Staging(tmp_path, "ada", LineEnds.LF).receive(broken())
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_changed_is_not_whole(tmp_path: Path) -> None:
    part = stage(tmp_path, mail(1))
    make_durable([part])
    check = (part.content, part.stored, part.line_ends)
    octets = bytearray(part.path.read_bytes())
    octets[20] ^= 1
    part.path.write_bytes(octets)
    assert not is_whole(part.path, *check)
    part.path.write_bytes(octets[:-1])
    assert not is_whole(part.path, *check)
    part.path.unlink()
    assert not is_whole(part.path, *check)


def test_leftovers_are_swept_but_not_those_of_others(tmp_path: Path) -> None:
    first, second = stage(tmp_path, mail(1)), stage(tmp_path, mail(2))
    other = Staging(tmp_path, "bob", LineEnds.LF).receive([mail(3)])
    foreign = tmp_path / "1700000000.M1P2.host"
    foreign.write_text("another program's")
    make_durable([first, second, other])
    Staging(tmp_path, "ada", LineEnds.LF).sweep()
    assert {path.name for path in tmp_path.iterdir()} == {other.path.name, foreign.name}


def test_a_full_disk_is_told_and_leaves_nothing() -> None:
    with pytest.raises(StagingError, match="no space left"):
        _write_to(Path("/dev/full"))


def _write_to(device: Path) -> None:
    """What happens to the part file's descriptor on a device that is always full."""
    from pillarbox.fetch.errors import staging_problem
    from pillarbox.fetch.staging import _write, _WriteFailed

    descriptor = os.open(device, os.O_WRONLY)
    try:
        _write(descriptor, b"x" * 100)
    except _WriteFailed as failed:
        problem = staging_problem(failed.error, device)
        assert problem.full
        assert problem.temporary
        raise problem from None
    finally:
        os.close(descriptor)


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StagingError):
        stage(tmp_path / "none", mail(1))
    with pytest.raises(StagingError):
        Staging(tmp_path / "none", "ada", LineEnds.LF).sweep()


def test_what_is_dropped_is_gone(tmp_path: Path) -> None:
    drop(stage(tmp_path, mail(1)))
    assert not list(tmp_path.iterdir())
