"""P5-P8 from the reader's side: where a body ends, and what is in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.maildrop.wire_form import encode, examine
from pillarbox.wire.dots import BodyReader
from pillarbox.wire.errors import LocalError


def read(pieces: list[bytes], *, lenient_lf: bool = False) -> tuple[bytes, bool, bytes]:
    """The body, whether it ended, and what was behind it."""
    reader = BodyReader(lenient_lf=lenient_lf)
    body = b""
    for at, piece in enumerate(pieces):
        body += reader.feed(piece)
        if reader.done:
            assert reader.octets == len(body)
            return body, True, reader.leftover + b"".join(pieces[at + 1 :])
    assert reader.octets == len(body)
    return body, False, b""


def octets(data: bytes) -> list[bytes]:
    return [bytes([octet]) for octet in data]


@pytest.mark.parametrize(
    ("wire", "body", "behind"),
    [
        (b".\r\n", b"", b""),
        (b"a\r\n.\r\n", b"a\r\n", b""),
        (b"a\r\n.\r\n+OK next\r\n", b"a\r\n", b"+OK next\r\n"),
        (b"..\r\n.\r\n", b".\r\n", b""),
        (b"...\r\n..a\r\n.\r\n", b"..\r\n.a\r\n", b""),
        (b".a\r\n.\r\n", b"a\r\n", b""),
        (b"\r\n\r\n.\r\n", b"\r\n\r\n", b""),
        (b".\rx\r\n.\r\n", b"\rx\r\n", b""),
        (b".\r\r\n.\r\n", b"\r\r\n", b""),
        (b"a\r\r\n.\r\n", b"a\r\r\n", b""),
        (b"\0\xff\r\n.\r\n", b"\0\xff\r\n", b""),
        (b".\r\n.\r\n", b"", b".\r\n"),
    ],
)
def test_a_body_ends_at_crlf_dot_crlf_and_loses_its_stuffed_dots(wire: bytes, body: bytes, behind: bytes) -> None:
    for cut in range(len(wire) + 1):
        assert read([wire[:cut], wire[cut:]]) == (body, True, behind)
    assert read(octets(wire)) == (body, True, behind)


@pytest.mark.parametrize(
    "wire", [b"a\n.\n", b"a\n.\r\n", b"a\r.\r\n", b"a\r\n.\n", b"a\r\n.\r.\r\r", b".\n", b"\n.\r\n"]
)
def test_a_bare_line_ending_never_ends_a_body(wire: bytes) -> None:
    """P7: what any sender of mail can write does not forge the end of a reply."""
    assert not read([wire])[1]
    assert not read(octets(wire))[1]
    body, done, _ = read([wire + b"x\r\n.\r\n"])
    assert done
    assert body.endswith(b"x\r\n")


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (b".\n", b""),
        (b"a\n.\n", b"a\n"),
        (b"..a\nb\n.\r\n", b".a\nb\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"a\n.b\n.\n", b"a\nb\n"),
    ],
)
def test_the_lenient_switch_serves_lf_only_servers(wire: bytes, body: bytes) -> None:
    for cut in range(len(wire) + 1):
        assert read([wire[:cut], wire[cut:] + b"+OK"], lenient_lf=True) == (body, True, b"+OK")
    assert read([*octets(wire), b"+OK"], lenient_lf=True) == (body, True, b"+OK")


def test_nothing_is_fed_behind_the_end() -> None:
    reader = BodyReader()
    reader.feed(b".\r\n")
    with pytest.raises(LocalError):
        reader.feed(b"x")


def test_memory_is_constant_in_a_body_without_line_ends() -> None:
    """Long lines are handed on in pieces: at most two octets are ever held back."""
    reader = BodyReader()
    fed = 0
    for piece in [b"x" * 10_000, b"y\r", b"\n", b".", b"\r", b"z" * 10_000] * 20:
        fed += len(piece)
        reader.feed(piece)
        assert fed - reader.octets - 20 <= 2
        assert not reader.leftover


NASTY = st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"..", b"a", b"\r\n.", b"\r\n.\r\n"]), max_size=30)


@given(NASTY.map(b"".join), st.data(), st.booleans())
def test_whole_is_the_same_as_octet_by_octet_and_any_other_cut(wire: bytes, data: st.DataObject, lenient: bool) -> None:
    whole = read([wire], lenient_lf=lenient)
    assert read(octets(wire), lenient_lf=lenient) == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert read(pieces, lenient_lf=lenient) == whole


@given(NASTY.map(b"".join))
def test_what_the_server_writes_is_read_back(message: bytes) -> None:
    """P4-P8: the writer's stuffing and the reader's unstuffing are inverse, and nothing in a message ends it."""
    facts = examine([message])
    body, done, behind = read([bytes(encode(message, facts)) + b".\r\n+OK"])
    assert done
    assert behind == b"+OK"
    assert len(body) == facts.octets
