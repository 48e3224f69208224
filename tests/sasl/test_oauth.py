"""OAUTHBEARER with the examples of RFC 7628 §4, XOAUTH2 with that of its documentation. P47."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.events import Secret
from pillarbox.sasl import (
    Claim,
    Claimed,
    ExchangeBroken,
    Failed,
    OAuthBearerClient,
    OAuthBearerServer,
    Token,
    XOAuth2Client,
    XOAuth2Server,
    oauth,
)

TOKEN = b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
RFC_EXAMPLE = base64.b64decode(
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
    "HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
)


def test_oauthbearer_as_in_the_rfc() -> None:
    """RFC 7628 §4.1."""
    expected = Claimed(Claim("user@example.com", "", Token(Secret(TOKEN))))
    assert OAuthBearerServer().step(RFC_EXAMPLE) == expected
    client = OAuthBearerClient("user@example.com", Secret(TOKEN), host="server.example.com", port=143)
    assert client.step(b"") == RFC_EXAMPLE


def test_oauthbearer_of_a_client_that_only_asks() -> None:
    """RFC 7628 §3.1 and §4.3: its empty token is refused with an error that tells what it would need."""
    nobody = Claimed(Claim("", "", Token(Secret(b""))))
    assert OAuthBearerServer().step(b"\x01") == nobody
    assert OAuthBearerServer().step(b"n,,\x01auth=\x01\x01") == nobody
    assert OAuthBearerServer().step(b"n,,\x01\x01") == nobody


def test_the_error_as_in_the_rfc() -> None:
    """RFC 7628 §4.2."""
    told = json.loads(oauth.error("invalid_token", scope="example_scope", configuration="https://example.com/oidc"))
    assert told == {
        "status": "invalid_token",
        "scope": "example_scope",
        "openid-configuration": "https://example.com/oidc",
    }
    assert json.loads(oauth.error()) == {"status": "invalid_token"}


def test_the_client_answers_the_error_once() -> None:
    """RFC 7628 §3.2.3; XOAUTH2's clients answer with nothing."""
    for client, answer in (
        (OAuthBearerClient("ada", Secret(TOKEN)), b"\x01"),
        (XOAuth2Client("ada", Secret(TOKEN)), b""),
    ):
        client.step(b"")
        assert client.step(b'{"status":"401"}') == answer
        assert client.error == b'{"status":"401"}'
        with pytest.raises(ExchangeBroken):
            client.step(b"more")


def test_xoauth2_as_documented() -> None:
    message = b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01"
    token = Secret("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")
    assert XOAuth2Server().step(message) == Claimed(Claim("someuser@example.com", "", Token(token)))
    assert XOAuth2Client("someuser@example.com", token).step(b"") == message


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,",
        b"\x01\x01",
        b"n,,\x01auth=Bearer a",
        b"n,,\x01auth=Bearer a\x01",
        b"n,,\x01auth=Basic a\x01\x01",
        b"n,,\x01auth=Bearer a b\x01\x01",
        b"n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01",
        b"n,,\x01auth=Bearer a\x01AUTH=Bearer a\x01\x01",
        b"n,,\x01=x\x01\x01",
        b"n,a=a=b,\x01auth=Bearer a\x01\x01",
        b"p=tls-unique,,\x01auth=Bearer a\x01\x01",
        b"x,,\x01auth=Bearer a\x01\x01",
        b"n,,x\x01auth=Bearer a\x01\x01",
        b"n,a=\xff,\x01auth=Bearer a\x01\x01",
        b"n,,\x01auth=Bearer \xff\x01\x01",
    ],
)
def test_anything_else_fails(message: bytes) -> None:
    assert isinstance(OAuthBearerServer().step(message), Failed)


@pytest.mark.parametrize("message", [b"", b"user=\x01auth=Bearer a\x01\x01", b"user=a\x01auth=Bearer a", b"user=a",
                                     b"a\x01auth=Bearer a\x01\x01", b"user=\xff\x01auth=Bearer a\x01\x01"])  # fmt: skip
def test_what_is_no_xoauth2(message: bytes) -> None:
    assert isinstance(XOAuth2Server().step(message), Failed)


def test_the_scheme_in_any_case() -> None:
    assert isinstance(XOAuth2Server().step(b"user=a\x01auth=bearer a\x01\x01"), Claimed)


@pytest.mark.parametrize("token", [b"", b"a b", b"a\x01", b"a\n", b"=a", b"\xff"])
def test_clients_send_only_tokens(token: bytes) -> None:
    with pytest.raises(ValueError, match="token"):
        OAuthBearerClient("ada", Secret(token))
    with pytest.raises(ValueError, match="token"):
        XOAuth2Client("ada", Secret(token))


def test_clients_refuse_names_with_separators() -> None:
    with pytest.raises(ValueError, match="name"):
        OAuthBearerClient("a\x01b", Secret(TOKEN))
    with pytest.raises(ValueError, match="name"):
        XOAuth2Client("a\x01b", Secret(TOKEN))


@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b"n,,", b"\x01", b"auth=Bearer a", b"user=a", b","])).map(b"".join)
)
def test_the_servers_never_raise(message: bytes) -> None:
    for server in (OAuthBearerServer(), XOAuth2Server()):
        assert isinstance(server.step(message), (Claimed, Failed))
