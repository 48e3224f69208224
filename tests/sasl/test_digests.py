"""CRAM-MD5 with the example of RFC 2195 §2, APOP with that of RFC 1939 §7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.events import Secret
from pillarbox.sasl import (
    Claimed,
    CramMd5Client,
    CramMd5Server,
    Digest,
    DigestKind,
    ExchangeBroken,
    Failed,
    digests,
)

STAMP = "<1896.697170952@postoffice.reston.mci.net>"


def test_cram_md5_as_in_the_rfc() -> None:
    server, client = CramMd5Server(STAMP), CramMd5Client("tim", Secret("tanstaaftanstaaf"))
    assert not client.initial
    response = client.step(server.opening())
    assert response == b"tim b913a602c7eda7a495b4e6e7334d3890"
    step = server.step(response)
    assert isinstance(step, Claimed)
    assert (step.claim.authcid, step.claim.authzid) == ("tim", "")
    assert isinstance(step.claim.proof, Digest)
    assert digests.matches(step.claim.proof, Secret("tanstaaftanstaaf"))
    assert not digests.matches(step.claim.proof, Secret("tanstaaf"))
    with pytest.raises(ExchangeBroken):
        client.step(server.opening())


def test_apop_as_in_the_rfc() -> None:
    stamp = b"<1896.697170952@dbc.mtview.ca.us>"
    claim = digests.apop(b"mrose c4c9334bac560ecc979e58001b3e22fb", stamp)
    assert claim is not None
    assert claim.authcid == "mrose"
    assert isinstance(claim.proof, Digest)
    assert claim.proof.kind is DigestKind.APOP
    assert digests.matches(claim.proof, Secret("tanstaaf"))
    assert not digests.matches(claim.proof, Secret("tanstaaftanstaaf"))


def test_a_response_before_the_challenge_is_none() -> None:
    """RFC 4422 §5: the server speaks first."""
    assert isinstance(CramMd5Server(STAMP).step(b"tim b913a602c7eda7a495b4e6e7334d3890"), Failed)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"tim",
        b"tim ",
        b" b913a602c7eda7a495b4e6e7334d3890",
        b"tim b913a602c7eda7a495b4e6e7334d389",
        b"tim B913A602C7EDA7A495B4E6E7334D3890",
        b"tim b913a602c7eda7a495b4e6e7334d3890\n",
        b"\xff b913a602c7eda7a495b4e6e7334d3890",
    ],
)
def test_what_is_no_name_and_digest(text: bytes) -> None:
    server = CramMd5Server(STAMP)
    server.opening()
    assert isinstance(server.step(text), Failed)
    assert digests.apop(text, STAMP.encode()) is None


def test_a_name_may_hold_spaces() -> None:
    claim = digests.apop(b"tim o reilly b913a602c7eda7a495b4e6e7334d3890", STAMP.encode())
    assert claim is not None
    assert claim.authcid == "tim o reilly"


@given(st.binary(max_size=80))
def test_the_server_never_raises(message: bytes) -> None:
    server = CramMd5Server(STAMP)
    server.opening()
    assert isinstance(server.step(message), (Claimed, Failed))
