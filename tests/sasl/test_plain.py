"""P45, P60: PLAIN, both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.events import Secret
from pillarbox.sasl import Claim, Claimed, Failed, Password, PlainClient, PlainServer


def test_the_three_fields() -> None:
    step = PlainServer().step(b"boss\0ada\0open sesame")
    assert step == Claimed(Claim("ada", "boss", Password(Secret("open sesame"))))
    assert "sesame" not in repr(step)


@pytest.mark.parametrize("message", [b"", b"\0", b"ada\0pw", b"\0\0pw", b"a\0b\0c\0d", b"\0\xff\0pw", b"\xff\0a\0pw"])
def test_anything_else_fails(message: bytes) -> None:
    """RFC 4616 §2; the reason never holds what was sent."""
    step = PlainServer().step(message)
    assert isinstance(step, Failed)
    assert step.reason.startswith("PLAIN: ")


def test_the_client_refuses_nul() -> None:
    for arguments in (("a\0", Secret("x"), ""), ("a", Secret("x\0"), ""), ("a", Secret("x"), "\0")):
        with pytest.raises(ValueError, match="NUL"):
            PlainClient(*arguments)


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(NAMES.filter(bool), NAMES, st.binary(max_size=12).filter(lambda secret: b"\0" not in secret))
def test_the_server_reads_what_the_client_writes(authcid: str, authzid: str, password: bytes) -> None:
    step = PlainServer().step(PlainClient(authcid, Secret(password), authzid).step(b""))
    assert step == Claimed(Claim(authcid, authzid, Password(Secret(password))))


@given(st.binary(max_size=40))
def test_the_server_never_raises(message: bytes) -> None:
    assert isinstance(PlainServer().step(message), (Claimed, Failed))
