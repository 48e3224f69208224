"""The reference itself, on cases worked out by hand."""

from __future__ import annotations

import pytest

from pillarbox.testing.messages import NASTY, UTF8, octets_of, wire_form


@pytest.mark.parametrize(
    ("message", "wire", "octets"),
    [
        (b"", b"", 0),
        (b"a", b"a\r\n", 3),
        (b".\n", b"..\r\n", 3),
        (b".a\r\r\n.\nb", b"..a\r\n\r\n..\r\nb\r\n", 12),
        (b"\r\n\n\r", b"\r\n\r\n\r\n", 6),
    ],
)
def test_reference(message: bytes, wire: bytes, octets: int) -> None:
    """P1, P2, P4-P7."""
    assert wire_form(message) == wire
    assert octets_of(wire) == octets


def test_the_messages_are_nasty() -> None:
    """Each kind of trouble is among them."""
    for needle in (b"\n.\n", b"\r.", b"\r\r\n", b"\0", b"\xff"):
        assert any(needle in message for message in NASTY)
    assert any(len(message) > 2_000_000 for message in NASTY)
    assert not UTF8.isascii()
