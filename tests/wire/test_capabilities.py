"""P40: capabilities, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.capabilities import Capabilities


def test_order_arguments_and_names_are_kept() -> None:
    capabilities = Capabilities([("TOP", ()), ("sasl", ("PLAIN", "SCRAM-SHA-256")), ("EXPIRE", ("NEVER",))])
    assert capabilities.encode() == b"TOP\r\nSASL PLAIN SCRAM-SHA-256\r\nEXPIRE NEVER\r\n"
    assert "top" in capabilities
    assert "STLS" not in capabilities
    assert capabilities["Sasl"] == ("PLAIN", "SCRAM-SHA-256")
    assert [name for name, _ in capabilities] == ["TOP", "SASL", "EXPIRE"]
    assert repr(capabilities) == "<Capabilities TOP, SASL, EXPIRE>"


def test_unknown_capabilities_are_kept_and_malformed_lines_skipped() -> None:
    lines = [b"TOP", b"X-NEW a  b ", b"", b" LEADING", b"\xff", b"BAD\0", b"UIDL\xc2\xa0", b"stls"]
    capabilities = Capabilities.parse(lines)
    assert list(capabilities) == [("TOP", ()), ("X-NEW", ("a", "b")), ("STLS", ())]


def test_equal_means_the_same_capabilities() -> None:
    one, other = Capabilities([("TOP", ())]), Capabilities.parse([b"top"])
    assert one == other
    assert hash(one) == hash(other)
    assert one != Capabilities()
    assert one != "TOP"
    with pytest.raises(KeyError):
        one["UIDL"]


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_whatever_is_read_can_be_written_and_read_again(lines: list[bytes]) -> None:
    capabilities = Capabilities.parse(lines)
    assert Capabilities.parse(capabilities.encode().split(b"\r\n")) == capabilities
