"""P31, P32: lines out of a stream, in bounded memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.lines import Line, LineBuffer

LIMIT = 20


def lines(pieces: list[bytes], limit: int = LIMIT) -> tuple[list[Line], int]:
    """All lines, read as the pieces come, and what is held in the end."""
    buffer = LineBuffer()
    got = []
    for piece in pieces:
        buffer.feed(piece)
        while (line := buffer.next(limit)) is not None:
            got.append(line)
    return got, len(buffer)


def octets(data: bytes) -> list[bytes]:
    return [bytes([octet]) for octet in data]


def test_lf_ends_a_line_and_a_cr_alone_does_not() -> None:
    """P31."""
    got, _ = lines([b"A\r\nB\nC\rD\r\n\r\r\n\r\n\n"])
    assert [line.data for line in got] == [b"A", b"B", b"C\rD", b"\r", b"", b""]
    assert [line.bare for line in got] == [False, True, False, False, False, True]


def test_a_line_split_at_every_octet_is_the_same_line() -> None:
    """P32."""
    stream = b"USER ada\r\nPASS x y\nNOOP\r\n" + b"x" * 30 + b"\r\nQUIT\r\n"
    whole = lines([stream])
    for cut in range(len(stream) + 1):
        assert lines([stream[:cut], stream[cut:]]) == whole
    assert lines(octets(stream)) == whole


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"])
@pytest.mark.parametrize("over", range(-2, 4))
def test_the_limit_counts_the_line_ending(ending: bytes, over: int) -> None:
    """P32: exactly at the limit is a line, one octet more is not; the next line is unharmed either way."""
    text = b"x" * (LIMIT - len(ending) + over)
    for pieces in ([text + ending + b"NOOP\r\n"], octets(text + ending + b"NOOP\r\n"), [text, ending + b"NOOP\r\n"]):
        (first, second), held = lines(pieces)
        assert first.overlong == (over > 0)
        assert first.data == (text if over <= 0 else (text + ending)[:LIMIT])
        assert second.data == b"NOOP"
        assert held == 0


def test_an_endless_line_never_grows_memory() -> None:
    """P32: drained as it comes, reported once, never read as a command."""
    buffer = LineBuffer()
    for _ in range(1000):
        buffer.feed(b"DELE 1 " * 100)
        assert buffer.next(LIMIT) is None
        assert len(buffer) <= LIMIT
    buffer.feed(b"\r\nNOOP\r\n")
    line = buffer.next(LIMIT)
    assert line is not None
    assert line.overlong
    assert len(line.data) == LIMIT
    assert buffer.next(LIMIT) == Line(b"NOOP")
    assert buffer.next(LIMIT) is None


def test_clear_tells_what_was_forgotten_also_of_a_line_in_drain() -> None:
    """P51 rests on it."""
    buffer = LineBuffer()
    assert buffer.clear() == 0
    buffer.feed(b"STLS\r\nCAPA\r\n")
    assert buffer.next(LIMIT) == Line(b"STLS")
    assert buffer.clear() == len(b"CAPA\r\n")
    buffer.feed(b"NOOP\r\n")
    assert buffer.next(LIMIT) == Line(b"NOOP")


def test_peek_and_skip_take_octets_that_are_no_lines() -> None:
    buffer = LineBuffer()
    buffer.feed(b"+OK\r\nbody\r\n.\r\n+OK next\r\n")
    assert buffer.next(LIMIT) == Line(b"+OK")
    assert buffer.peek(4) == b"body"
    assert buffer.peek(4) == b"body"
    buffer.skip(9)
    assert buffer.next(LIMIT) == Line(b"+OK next")
    assert len(buffer) == 0
    buffer.feed(b"abc")
    buffer.skip(3)
    assert len(buffer) == 0
    assert buffer.peek(9) == b""


def test_begins_with_looks_before_a_line_is_complete() -> None:
    buffer = LineBuffer()
    buffer.feed(b"NOOP\r\n\x16\x03")
    assert not buffer.begins_with(b"\x16")
    buffer.next(LIMIT)
    assert buffer.begins_with(b"\x16")
    assert not buffer.begins_with(b"\x16\x03\x01")


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"x" * 18, b"x" * 25, b"NOOP"]), max_size=20), st.data())
def test_whole_is_the_same_as_any_other_cut(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    whole, _ = lines([stream])
    assert lines(octets(stream))[0] == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert lines(pieces)[0] == whole


def test_an_overlong_line_is_known_before_it_ends() -> None:
    lines = LineBuffer()
    known = []
    for octets in (b"x" * 20, b"x", b"\nnext\n"):
        lines.feed(octets)
        line = lines.next(20)
        known.append(lines.overlong)
    assert known == [False, True, False]
    assert line == Line(b"x" * 20, overlong=True)
