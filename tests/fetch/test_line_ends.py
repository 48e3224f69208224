"""Line ends: LF only where every octet of the message can be had back."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path

import pytest

from pillarbox.fetch import line_ends
from pillarbox.fetch.line_ends import LineEndCheck, exact, to_lf


def plainly_convertible(data: bytes) -> bool:
    """The definition, by other means: without the pairs, neither octet is left."""
    rest = data.replace(b"\r\n", b"")
    return b"\r" not in rest and b"\n" not in rest


EVERY_SHORT_MESSAGE = [bytes(octets) for size in range(7) for octets in itertools.product(b"\r\na", repeat=size)]


@pytest.mark.parametrize("size", range(1, 4))
def test_every_short_message_in_pieces_of_every_size_is_judged_right(size: int) -> None:
    for message in EVERY_SHORT_MESSAGE:
        check = LineEndCheck()
        for start in range(0, len(message), size):
            check.feed(message[start : start + size])
            check.feed(b"")
        assert check.convertible == plainly_convertible(message), message


@pytest.mark.parametrize("chunk", range(1, 4))
def test_every_short_message_comes_back_from_what_is_stored(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_ends, "CHUNK", chunk)
    path = tmp_path / "message"
    for message in EVERY_SHORT_MESSAGE:
        message += b"\r\n"  # what POP3 carries ends in CRLF
        path.write_bytes(message)
        kept = b"".join(to_lf(path) if plainly_convertible(message) else exact(path))
        assert (kept if b"\r" in kept else kept.replace(b"\n", b"\r\n")) == message
        assert b"".join(exact(path)) == message


def test_a_cr_at_the_very_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes(b"a\r\nb\r")
    assert b"".join(to_lf(path)) == b"a\nb\r"


def test_a_big_message_is_converted_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        for _ in range(40):
            file.write(b"0123456789abcd\r\n" * 65_536)
    tracemalloc.start()
    check = LineEndCheck()
    for piece in exact(path):
        check.feed(piece)
    assert check.convertible
    octets = sum(len(piece) for piece in to_lf(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert octets == 40 * 65_536 * 15
    assert peak < 4 * line_ends.CHUNK


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(exact(tmp_path / "none"))
