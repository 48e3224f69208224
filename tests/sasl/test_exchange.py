"""P45: one exchange, from the lines of the protocol to a claim."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.sasl import Challenged, Claimed, Failed, PlainServer, ServerExchange, Step, Surroundings
from pillarbox.sasl.exchange import SERVER_MECHANISMS
from pillarbox.sasl.scram import decode64

GOOD = base64.b64encode(b"\0ada\0pw")


class Echo:
    """Challenges with what it got."""

    name = "ECHO"

    def opening(self) -> bytes:
        """Its first words."""
        return b"who"

    def step(self, response: bytes) -> Step:
        """Send it back."""
        return Challenged(response)


def test_without_initial_response_comes_the_empty_challenge() -> None:
    exchange = ServerExchange(PlainServer())
    assert exchange.mechanism == "PLAIN"
    assert exchange.begin(b"") == Challenged(b"")
    assert isinstance(exchange.respond(GOOD), Claimed)


def test_an_initial_response_needs_no_challenge() -> None:
    assert isinstance(ServerExchange(PlainServer()).begin(GOOD), Claimed)


def test_equals_is_the_empty_initial_response() -> None:
    assert ServerExchange(Echo()).begin(b"=") == Challenged(b"")
    # ... and only there: inside the exchange it is bad base64, and the empty line is the empty response.
    assert ServerExchange(Echo()).respond(b"=") == Failed("not base64")
    assert ServerExchange(Echo()).respond(b"") == Challenged(b"")


@pytest.mark.parametrize(
    "bad", [b"!", b"YQ", b"YQ=", b"YQ===", b"Y Q==", b"YQ==\n", b"YQ==YQ==", b"\xff\xff\xff\xff", b"_-==", b"**"]
)
def test_bad_base64_is_refused(bad: bytes) -> None:
    assert decode64(bad) is None
    assert ServerExchange(PlainServer()).begin(bad) == Failed("not base64")
    assert ServerExchange(PlainServer()).respond(bad) == Failed("not base64")


@given(st.binary(max_size=60))
def test_decode_is_strict_and_never_raises(data: bytes) -> None:
    assert decode64(base64.b64encode(data)) == data
    got = decode64(data)
    assert got is None or base64.b64encode(got) == data or len(base64.b64encode(got)) == len(data)


def test_the_built_in_mechanisms_carry_their_names() -> None:
    surroundings = Surroundings({}, False, lambda: "nonce", lambda: "<a@b>")
    for name, factory in SERVER_MECHANISMS.items():
        assert factory(surroundings).name == name


def test_a_mechanism_whose_server_speaks_first() -> None:
    assert ServerExchange(Echo()).begin(b"") == Challenged(b"who")
