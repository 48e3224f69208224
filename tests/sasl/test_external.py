"""RFC 4422 appendix A: EXTERNAL, both sides."""

import pytest

from pillarbox.sasl import Certificate, Claim, Claimed, ExchangeBroken, ExternalClient, ExternalServer, Failed


@pytest.mark.parametrize("authzid", ["", "fred@example.com"])
def test_the_examples(authzid: str) -> None:
    server, client = ExternalServer(), ExternalClient(authzid)
    assert server.opening() == b""
    assert server.step(client.step(b"")) == Claimed(Claim("", authzid, Certificate()))
    with pytest.raises(ExchangeBroken):
        client.step(b"")


@pytest.mark.parametrize("message", [b"a\0b", b"\xff"])
def test_what_is_no_name(message: bytes) -> None:
    assert isinstance(ExternalServer().step(message), Failed)
