"""The log: its chain, its damage, its torn end."""

import random
from pathlib import Path

import pytest

from pillarbox.archive.log import FIRST, Entry, Flaw, Record, append, encode, read


def records(count: int) -> list[Record]:
    return [
        Record(f"{number:064x}", number, "ada@example.org", f"u{number} ü\n", 1.5 + number) for number in range(count)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    chain, lines = FIRST, b""
    for record in records(5):
        line, chain = encode(record, chain)
        lines += line
    (tmp_path / "log").touch()
    append(tmp_path / "log", lines, 0)
    return tmp_path / "log"


def test_what_was_written_is_read(path: Path) -> None:
    found = list(read(path))
    assert [item.record for item in found if isinstance(item, Entry)] == records(5)
    second = found[1]
    assert isinstance(second, Entry)
    assert list(read(path, second.end, second.chain)) == found[2:]
    assert path.read_bytes().count(b"\n") == 5


def test_lines_may_not_be_removed_exchanged_or_repeated(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in (lines[1:], [lines[0], *lines[2:]], [lines[1], lines[0], *lines[2:]], [lines[0], *lines]):
        path.write_bytes(b"".join(changed))
        assert any(isinstance(item, Flaw) and not item.torn for item in read(path))


def test_a_damaged_line_keeps_no_other_from_being_read(path: Path) -> None:
    octets = path.read_bytes()
    end = octets.index(b"\n") + 1
    middle = octets.index(b"\n", end) + 1
    path.write_bytes(octets[: end + 20] + b"rubbish" + octets[end + 27 :])
    found = list(read(path))
    assert [item.record.size for item in found if isinstance(item, Entry)] == [0, 2, 3, 4]
    (flaw,) = [item for item in found if isinstance(item, Flaw)]
    assert (flaw.start, flaw.end, flaw.bit, flaw.torn) == (end, middle, None, False)


def test_every_flipped_bit_is_named(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    chance = random.Random(1)
    newlines = [place for place, octet in enumerate(octets) if octet == 10]
    for place in [*newlines, *chance.sample(range(len(octets)), 60)]:
        bit = chance.randrange(8)
        octets[place] ^= 1 << bit
        path.write_bytes(octets)
        octets[place] ^= 1 << bit
        flaws = [item for item in read(path) if isinstance(item, Flaw)]
        assert [flaw.bit for flaw in flaws] == [(place, bit)]
        assert not flaws[0].torn


@pytest.mark.parametrize("cut", [1, 2, 100, 200])
def test_an_unfinished_line_at_the_end_is_torn(path: Path, cut: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    *good, last = read(path)
    assert len(good) == 4
    assert isinstance(last, Flaw)
    assert last.torn
    line, _ = encode(records(5)[4], good[-1].chain)
    append(path, line, last.start)
    assert path.read_bytes() == whole


def test_no_octets_are_a_log_without_lines(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    assert list(read(tmp_path / "log")) == []
    (tmp_path / "log").write_bytes(b"\n")
    assert [type(item) for item in read(tmp_path / "log")] == [Flaw]


def test_what_cannot_be_appended_leaves_the_log_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(OSError, match="No space"):
        append(path, b"more\n", len(before))
    assert path.read_bytes() == before
