"""SCRAM's client side: the exchange of RFC 7677 §3, what the server must prove, and both sides together."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sasl.test_scram import BINDINGS, FINAL, FIRST, SALT, SERVER_FINAL, SERVER_FIRST

from pillarbox.events import Secret
from pillarbox.sasl import (
    Asks,
    Binding,
    Challenged,
    Claimed,
    ExchangeBroken,
    Scram,
    ScramClient,
    ScramServer,
    Surroundings,
    scram,
)

NONCE = "rOprNGfwEbeRWgbNEkqO"


def client(**more: object) -> ScramClient:
    return ScramClient("user", Secret("pencil"), nonce=NONCE, **more)  # type: ignore[arg-type]  # each test's own


def test_as_in_the_rfc() -> None:
    """RFC 7677 §3."""
    here = client()
    assert here.step(b"") == FIRST
    assert here.step(SERVER_FIRST) == FINAL
    assert here.step(SERVER_FINAL) == b""
    assert here.complete
    with pytest.raises(ExchangeBroken):
        here.step(SERVER_FINAL)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"e=other-error",
        b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  # nothing of the server's own
        b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",
        b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999",  # a day's work
        b"r=rOprNGfwEbeRWgbNEkqOx,s=W22,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
        b"m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,p=" + b"x" * 9_000,
    ],
)
def test_a_server_that_breaks_the_rules(first: bytes) -> None:
    here = client()
    here.step(b"")
    with pytest.raises(ExchangeBroken):
        here.step(first)


@pytest.mark.parametrize(
    "final", [b"", b"v=", b"v=AAAA", b"e=invalid-proof", SERVER_FINAL[:-2] + b"A=", b"x" + SERVER_FINAL]
)
def test_a_server_that_does_not_know_the_password(final: bytes) -> None:
    here = client()
    here.step(b"")
    here.step(SERVER_FIRST)
    with pytest.raises(ExchangeBroken):
        here.step(final)
    assert not here.complete


def test_flags() -> None:
    assert client().step(b"").startswith(b"n,,")
    assert client(could_bind=True).step(b"").startswith(b"y,,")
    bound = client(binding=Binding("tls-exporter", b"x"), authzid="a,b")
    assert bound.name == "SCRAM-SHA-256-PLUS"
    assert bound.step(b"").startswith(b"p=tls-exporter,a=a=2Cb,")


def test_names_and_passwords_are_prepared_at_once() -> None:
    assert ScramClient("\u2168", Secret("x"), nonce="n").step(b"") == b"n,,n=IX,r=n"
    for name, password in (("\u0007", "x"), ("x", "\u0007")):
        with pytest.raises(ValueError):
            ScramClient(name, Secret(password), nonce="n")


KINDS = st.sampled_from([None, *(Binding(kind, data) for kind, data in BINDINGS.items())])
NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x17F), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(NAMES, NAMES, NAMES | st.just(""), KINDS, st.booleans())
def test_both_sides_agree(name: str, password: str, authzid: str, binding: Binding | None, right: bool) -> None:
    try:
        here = ScramClient(name, Secret(password), nonce="c", authzid=authzid, binding=binding)
    except ValueError:
        return  # a character that SASLprep prohibits
    numbers = itertools.count()
    there = ScramServer(here.name, Surroundings(BINDINGS, True, lambda: f"n{next(numbers)}", str))
    asked = there.step(here.step(b""))
    assert isinstance(asked, Asks)
    first = asked.then(SALT, 4096)
    assert isinstance(first, Challenged)
    claimed = there.step(here.step(first.data))
    assert isinstance(claimed, Claimed)
    assert claimed.claim.authzid == authzid
    assert isinstance(claimed.claim.proof, Scram)
    found = scram.find(claimed.claim.proof, [scram.derive(Secret(password if right else password + "x"), SALT, 4096)])
    assert (found is not None) is right
    if found is not None:
        here.step(found[1])
        assert here.complete
