"""Octets and bodies: P1-P8, P10."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.maildrop.maildrop import Facts, Shape
from pillarbox.maildrop.wire_form import (
    HEADER_LIMIT,
    SHAPES,
    Encoder,
    Examiner,
    LineLimit,
    encode,
    examine,
    is_utf8,
    normalise,
)
from pillarbox.testing.messages import octets_of, wire_form

MESSAGES = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\0", b"\xe4", "ä".encode(), b": ", b"\n\n", b"\r\n.\r\n"]),
    max_size=14,
).map(b"".join)
UNKNOWN = Facts(0, 0, 0, 0, SHAPES[0])


def header_octets(message: bytes) -> int:
    """Where the header ends, line by line."""
    start = 0
    for ending in re.finditer(rb"\r\n|\n|\r", message):
        if ending.start() == start:
            return ending.end()
        start = ending.end()
    return len(message)


@given(MESSAGES)
def test_agrees_with_line_by_line(message: bytes) -> None:
    """P1-P7, P10: octets and wire form are those of a reference that looks at every line."""
    facts = examine([message])
    wire = wire_form(message)
    assert encode(message, facts) == encode(message, UNKNOWN) == wire
    assert facts.octets == octets_of(wire)
    assert facts.size == len(message)
    assert facts.header == header_octets(message)


@given(MESSAGES)
def test_whole_is_chunked_at_every_octet(message: bytes) -> None:
    """P5: cut at every octet, and octet by octet."""
    facts = examine([message])
    wire = encode(message, facts)
    cuts = [[message[:at], message[at:]] for at in range(len(message) + 1)]
    for chunks in [*cuts, [message[at : at + 1] for at in range(len(message))]]:
        assert examine(chunks) == facts
        assert examine(map(memoryview, chunks)) == facts
        for known in (facts, UNKNOWN):
            encoder = Encoder(known)
            assert b"".join([*map(encoder.feed, chunks), encoder.finish()]) == wire


@given(MESSAGES)
def test_no_reply_can_be_forged(message: bytes) -> None:
    """P7: whatever is stored, no line of the wire form is a single dot, and there is no bare CR or LF."""
    wire = encode(message, examine([message]))
    assert b"." not in wire.split(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", bytes(wire))
    assert wire == b"" or wire.endswith(b"\r\n")


@pytest.mark.parametrize(
    ("message", "octets", "shape"),
    [
        (b"", 0, Shape.KNOWN | Shape.BARE_LF),
        (b"x" * 9 + b"\n", 11, Shape.KNOWN | Shape.BARE_LF),
        ((b"x" * 9 + b"\n") * 10, 110, Shape.KNOWN | Shape.BARE_LF),
        (b"a\r\n", 3, Shape.KNOWN | Shape.CRLF),
        (b"a\r\nb", 6, Shape.KNOWN | Shape.CRLF | Shape.UNTERMINATED),
        (b"a\r\r\n", 5, Shape.KNOWN),
        (b"a\r", 3, Shape.KNOWN),
        (b".", 3, Shape.KNOWN | Shape.BARE_LF | Shape.DOTTED | Shape.UNTERMINATED),
        (b"a\r.b\n", 7, Shape.KNOWN | Shape.DOTTED),
    ],
)
def test_known_cases(message: bytes, octets: int, shape: Shape) -> None:
    """P1: 100 octets in 10 lines are 110. P2: stuffing is not counted. P4: a missing line ending is."""
    facts = examine([message])
    assert (facts.octets, facts.shape) == (octets, shape)


def test_encoding_leaves_the_stored_octets_alone() -> None:
    stored = bytearray(b"a\r\nb")
    assert encode(stored, examine([stored])) == b"a\r\nb\r\n"
    assert stored == b"a\r\nb"


def test_utf8_headers() -> None:
    """P13: only a header that is UTF-8 beyond ASCII needs a surrogate; old 8-bit mail stays raw."""
    assert examine(["Subject: ä\n\n".encode()]).shape & Shape.UTF8_HEADER
    assert not examine(["Subject: a\n\nä\n".encode()]).shape & Shape.UTF8_HEADER
    assert not examine([b"Subject: \xe4\n\n"]).shape & Shape.UTF8_HEADER
    assert not is_utf8(b"\xc3")


def test_an_endless_header_is_not_kept() -> None:
    """Memory stays bounded for a message without an empty line."""
    examiner = Examiner()
    for _ in range(3):
        examiner.feed("ä".encode() * (HEADER_LIMIT // 4))
    facts = examiner.finish()
    assert facts.header == facts.size
    assert not facts.shape & Shape.UTF8_HEADER


def test_surrogate_octets_of_a_message_without_a_body() -> None:
    """P3, P4: the missing last line ending is counted once."""
    message = "Subject: ä".encode()
    assert examine([message]).surrogate == len(b"Subject: =?utf-8?B?w6Q=?=\r\n")


def test_normalise_is_stable() -> None:
    """P5: CRLF never becomes CRCRLF."""
    assert (
        normalise(normalise(b"a\r\nb\nc\rd\r\r\n")) == normalise(b"a\r\nb\nc\rd\r\r\n") == b"a\r\nb\r\nc\r\nd\r\n\r\n"
    )


@given(st.lists(st.sampled_from([b"a", b"\r\n", b"bc\r\n"]), max_size=12), st.integers(0, 8))
def test_line_limit(pieces: list[bytes], lines: int) -> None:
    """P9: exactly the first lines pass, however the octets come."""
    whole = b"".join(pieces)
    expected = b"".join(whole.splitlines(keepends=True)[:lines])
    limit = LineLimit(lines)
    assert b"".join(limit.cut(piece) for piece in pieces) == expected
    assert limit.done == (whole.count(b"\n") >= lines)
