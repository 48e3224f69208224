"""LOGIN, both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.events import Secret
from pillarbox.sasl import Challenged, Claim, Claimed, ExchangeBroken, Failed, LoginClient, LoginServer, Password


def test_two_prompts() -> None:
    server, client = LoginServer(), LoginClient("ada", Secret("open sesame"))
    assert not client.initial
    assert server.opening() == b"Username:"
    step = server.step(client.step(b"Username:"))
    assert step == Challenged(b"Password:")
    assert server.step(client.step(b"Password:")) == Claimed(Claim("ada", "", Password(Secret("open sesame"))))
    with pytest.raises(ExchangeBroken):
        client.step(b"Password:")


@pytest.mark.parametrize("name", [b"", b"\xff"])
def test_a_name_there_must_be(name: bytes) -> None:
    assert isinstance(LoginServer().step(name), Failed)


@given(st.binary(min_size=1), st.binary())
def test_the_server_never_raises(name: bytes, password: bytes) -> None:
    server = LoginServer()
    if isinstance(server.step(name), Challenged):
        assert isinstance(server.step(password), Claimed)
