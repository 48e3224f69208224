"""One flipped bit anywhere is found, and the place is named."""

import os
import random
import shutil
from pathlib import Path

import pytest
from tests.archive.mail import filled, incoming, message

from pillarbox.archive import Archive
from pillarbox.archive.repair import repair
from pillarbox.archive.search import count
from pillarbox.archive.verify import Finding, Kind, verify


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with small and large messages, written in several goes."""
    place = tmp_path_factory.mktemp("sound") / "a"
    filled(place, *(message(number, f"word{number} " * number * 50) for number in range(1, 30)))
    with Archive.open(place) as archive:
        archive.add(incoming(message(99, "large " * 300_000), "99"))
        archive.add(incoming(message(1, "word1 " * 50), "again", "home"))
        assert verify(archive).sound
    return place


@pytest.fixture
def place(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "a")
    return tmp_path / "a"


def flip(path: Path, octet: int, bit: int) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(octet)
        value = file.read(1)[0]
        file.seek(octet)
        file.write(bytes([value ^ (1 << bit)]))


def findings(place: Path) -> tuple[Finding, ...]:
    with Archive.open(place) as archive:
        return verify(archive).findings


def check_flips(place: Path, path: Path, places: list[tuple[int, int]]) -> None:
    name = str(path.relative_to(place))
    for octet, bit in places:
        flip(path, octet, bit)
        found = findings(place)
        named = [one for one in found if one.path == name and (one.start, one.bit) == (octet, bit)]
        assert len(named) == 1, (name, octet, bit, found)
        assert named[0].kind is Kind.FLIPPED_BIT
        flip(path, octet, bit)
    assert findings(place) == ()


def some(path: Path, how_many: int) -> list[tuple[int, int]]:
    """The ends of a file, and places within it."""
    chance, size = random.Random(path.name), path.stat().st_size
    within = [(chance.randrange(size), chance.randrange(8)) for _ in range(how_many)]
    return [(0, 0), (0, 7), (size - 1, 0), (size - 1, 7), *within]


def test_a_flipped_bit_in_a_message(place: Path) -> None:
    paths = sorted((place / "objects").rglob("*.eml"), key=lambda path: path.stat().st_size)
    for path in (paths[0], paths[10], paths[-1]):
        check_flips(place, path, some(path, 8))


def test_a_flipped_bit_in_the_log(place: Path) -> None:
    log = place / "log.jsonl"
    end = log.read_bytes().index(b"\n")
    check_flips(place, log, [*some(log, 20), (end, 3), (end + 1, 0)])


def test_a_flipped_bit_in_the_index(place: Path) -> None:
    index = place / "index.sqlite"
    check_flips(place, index, some(index, 30)[1:])


def test_a_flipped_bit_in_the_sums_of_the_index(place: Path) -> None:
    sums = place / "index.sums"
    check_flips(place, sums, some(sums, 10))


def test_a_flipped_bit_in_the_marker(place: Path) -> None:
    marker = place / "pillarbox-archive.json"
    check_flips(place, marker, some(marker, 20))


def test_what_is_found_can_be_mended(place: Path) -> None:
    large = max((place / "objects").rglob("*.eml"), key=lambda path: path.stat().st_size)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    for path in (large, place / "log.jsonl", place / "index.sqlite", place / "pillarbox-archive.json"):
        flip(path, 20, 5)
    with Archive.open(place) as archive:
        found = verify(archive).findings
        assert sorted(one.path for one in found if one.bit is not None) == sorted(
            [str(large.relative_to(place)), "index.sqlite", "log.jsonl", "pillarbox-archive.json"]
        )
        for one in found:
            assert repair(archive, one) is (one.bit is not None)
    assert findings(place) == ()
    assert {path: path.read_bytes() for path in before if "-" not in path.suffix} == {
        path: octets for path, octets in before.items() if "-" not in path.suffix
    }


def test_more_damage_than_a_bit_is_named_by_its_block(place: Path) -> None:
    large = max((place / "objects").rglob("*.eml"), key=lambda path: path.stat().st_size)
    large.chmod(0o600)
    with large.open("r+b") as file:
        file.seek(200_000)
        file.write(b"rubbish")
    (one,) = findings(place)
    assert (one.kind, one.start, one.end) == (Kind.DAMAGED, 196_608, 262_144)
    assert one.sha256[:2] + "/" in one.path
    assert "work" in one.note
    with Archive.open(place) as archive:
        assert not repair(archive, one)


@pytest.mark.parametrize("size", [0, 1, 4096, 5000])
def test_a_message_that_was_cut_off(place: Path, size: int) -> None:
    path = sorted((place / "objects").rglob("*.eml"), key=lambda path: path.stat().st_size)[-3]
    whole = path.stat().st_size
    path.chmod(0o600)
    os.truncate(path, size)
    found = findings(place)
    assert found
    assert all(one.kind is Kind.DAMAGED for one in found)
    assert max(one.end or 0 for one in found) == whole


def test_a_message_with_octets_behind_it(place: Path) -> None:
    path = min((place / "objects").rglob("*.eml"), key=lambda path: path.stat().st_size)
    whole = path.stat().st_size
    path.chmod(0o600)
    with path.open("ab") as file:
        file.write(b"x")
    assert any(one.kind is Kind.DAMAGED and one.end == whole + 1 for one in findings(place))


def test_missing_files(place: Path) -> None:
    path = next((place / "objects").rglob("*.eml"))
    path.unlink()
    (one,) = findings(place)
    assert (one.kind, one.path) == (Kind.MISSING, str(path.relative_to(place)))


def test_without_the_log_each_message_is_whole_and_can_be_recorded_again(place: Path) -> None:
    (place / "log.jsonl").unlink()
    (place / "log.jsonl").touch()
    found = findings(place)
    assert sum(one.kind is Kind.UNRECORDED for one in found) == 30
    with Archive.open(place) as archive:
        assert archive.rebuild() == 30
        assert verify(archive).sound
        assert count(archive, "word7") == 1


def test_stray_files(place: Path) -> None:
    strays = {"thing", "objects/x", "objects/ab/thing", f"objects/ab/{'0' * 62}.eml", "tmp/thing"}
    for name in strays:
        (place / name).write_bytes(b"x")
    (place / "incoming" / "of-others").write_bytes(b"x")  # not ours to judge
    found = findings(place)
    # What lies in tmp/ is removed by the next writer, and checking finishes what a stopped writer left.
    assert {one.path for one in found} == strays - {"tmp/thing"}
    assert {one.kind for one in found} == {Kind.STRAY}


def test_the_index_is_compared_with_the_log(place: Path) -> None:
    with Archive.open(place) as archive:
        with archive.writing() as writer:
            writer.execute("DELETE FROM origins WHERE account = 'home'")
        (one,) = verify(archive).findings
        assert one.kind is Kind.DISAGREES
        assert archive.rebuild() == 0
        assert verify(archive).sound


def test_an_index_that_is_no_database(place: Path) -> None:
    (place / "index.sqlite").write_bytes(b"rubbish" * 1000)
    found = findings(place)
    assert {one.path for one in found} == {"index.sqlite"}
    with Archive.open(place) as archive:
        archive.rebuild()
        assert verify(archive).sound


def test_progress_and_what_was_read(place: Path) -> None:
    told: list[tuple[int, int]] = []
    with Archive.open(place) as archive:
        report = verify(archive, lambda messages, octets: told.append((messages, octets)))
    assert report.messages == len(told) == 30
    expected = sum(path.stat().st_size for path in place.rglob("*") if path.is_file() and "-" not in path.suffix)
    assert report.octets == expected
