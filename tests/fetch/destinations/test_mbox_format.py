"""The mbox format: quoting that can be undone, and finding what was written."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from tests.fetch.destinations.staging import AWKWARD, RECEIVED, mbox_messages, message, stage

from pillarbox.fetch.destinations import mbox_format
from pillarbox.fetch.destinations.mbox_format import Reader, holds, marks, quoted, separator, written


def reader(data: bytes) -> Reader:
    return lambda octets, offset: data[offset : offset + octets]


def plainly_quoted(octets: bytes) -> bytes:
    return re.sub(rb"(?m)^(>*From )", rb">\1", octets)


def test_the_separator_line_is_that_of_rfc_4155() -> None:
    assert separator("ab" * 20, RECEIVED) == b"From %s@pillarbox.invalid Tue Nov 14 22:13:20 2023\n" % (b"ab" * 20)
    assert separator("a", -5.0).endswith(b"Thu Jan  1 00:00:00 1970\n")
    assert separator("a", 1e300).endswith(b"Fri Dec 31 23:59:59 9999\n")


@pytest.mark.parametrize("size", range(1, 9))
def test_quoting_is_the_same_wherever_pieces_are_cut(size: int) -> None:
    parts = [b">", b"\n", b"From ", b"Fro", b"From", b"x", b"\r\n"]
    for some in itertools.chain.from_iterable(itertools.product(parts, repeat=length) for length in range(5)):
        octets = b"".join(some)
        pieces = [octets[start : start + size] for start in range(0, len(octets), size)]
        assert b"".join(quoted(pieces)) == plainly_quoted(octets), octets


def test_a_line_of_nothing_but_marks_takes_no_memory_and_no_time() -> None:
    pieces = itertools.repeat(b">" * 65536, 2000)
    assert sum(map(len, quoted(itertools.chain(pieces, [b"From "])))) == 2000 * 65536 + 6


@pytest.mark.parametrize("octets", [message(1), message(2, 700_000), b"", b"\r\n", b"no header", b"A: b\r\n", AWKWARD])
def test_what_is_written_is_found_whole_and_can_be_undone(octets: bytes, tmp_path: Path) -> None:
    staged = stage(tmp_path, octets)
    data = b"".join(written(staged.name, staged.received, staged.path))
    assert data.endswith(b"\n\n")
    [(name, offset)] = marks(reader(data))
    assert name == staged.name
    assert holds(reader(data), offset, staged)
    [(line, kept)] = mbox_messages(data)
    assert line + b"\n" == separator(staged.name, staged.received)
    # What POP3 carries ends in CRLF; the reader of this test takes a lone LF for a converted one.
    assert kept == octets + (b"" if octets.endswith(b"\n") or not octets else b"\n" if b"\r" in octets else b"\r\n")


@pytest.mark.parametrize("octets", [message(1), message(2, 5_000), AWKWARD, b"A: b\r\nC: d\r\n"])
@pytest.mark.parametrize("behind", [b"", b"From x@y Thu Jan  1 00:00:00 1970\nA: b\nC: d\n\nend of 1\n\n"])
def test_no_part_of_a_message_passes_for_the_whole(octets: bytes, behind: bytes, tmp_path: Path) -> None:
    staged = stage(tmp_path, octets)
    data = b"".join(written(staged.name, staged.received, staged.path))
    start = data.index(b"\n") + 1
    whole = len(data) - (1 if octets.endswith(b"\n") else 2)
    for end in range(start, whole, 1 if len(data) < 1000 else 37):
        assert not holds(reader(data[:end] + behind), start, staged), end


def test_a_message_is_found_after_readers_marked_it(tmp_path: Path) -> None:
    staged = stage(tmp_path, b"Status: RO\r\nFrom: a\r\nContent-Length: 7\r\nSubject: b\r\n\r\nFrom c\r\n")
    data = b"x\n\n" + separator(staged.name, 0) + b"From: a\r\nSubject: b\r\nStatus: O\nX-UID: 7\n\n>From c\r\n\n"
    [(_, offset)] = marks(reader(data))
    assert holds(reader(data), offset, staged)
    assert not holds(reader(data.replace(b"Subject: b", b"Subject: c")), offset, staged)


@pytest.mark.parametrize("chunk", [7, 100, 1000])
def test_marks_are_found_wherever_the_file_is_read_from(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_staged = [stage(tmp_path, message(number), number) for number in range(20)]
    data = b"".join(b"".join(written(one.name, one.received, one.path)) for one in all_staged)
    monkeypatch.setattr(mbox_format, "CHUNK", chunk)
    found = list(marks(reader(data)))
    assert [name for name, _ in found] == [staged.name for staged in all_staged]
    assert all(holds(reader(data), offset, staged) for (_, offset), staged in zip(found, all_staged, strict=True))


def test_a_header_that_is_too_long_is_compared_octet_by_octet(tmp_path: Path) -> None:
    staged = stage(tmp_path, b"Status: " + b"x" * 1_500_000 + b"\r\n\r\nbody\r\n")
    data = b"".join(written(staged.name, staged.received, staged.path))
    [(_, offset)] = marks(reader(data))
    assert holds(reader(data), offset, staged)
    assert not holds(reader(data[:-3]), offset, staged)
