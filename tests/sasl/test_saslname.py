"""RFC 5801 §4, RFC 5802 §5.1: names inside gs2 headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.sasl import saslname


@pytest.mark.parametrize(("name", "text"), [("ada", "ada"), ("a,b", "a=2Cb"), ("a=b", "a=3Db"), ("=2C", "=3D2C")])
def test_both_ways(name: str, text: str) -> None:
    assert saslname.encode(name) == text
    assert saslname.decode(text) == name


@pytest.mark.parametrize("text", ["", "a,b", "a=b", "a=", "=2c", "=3", "a\0b", "ada\n\0"])
def test_what_is_no_saslname(text: str) -> None:
    assert saslname.decode(text) is None


@pytest.mark.parametrize(("field", "name"), [("", ""), ("a=ada", "ada"), ("a=", ""), ("ada", None), ("n=ada", None)])
def test_the_identity_of_a_gs2_header(field: str, name: str | None) -> None:
    assert saslname.authzid(field) == name


@given(st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_every_name_survives(name: str) -> None:
    assert saslname.decode(saslname.encode(name)) == name
