"""SCRAM's server side: the exchange of RFC 7677 §3, and every way to go wrong (RFC 5802 §5-§7)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.events import Secret
from pillarbox.sasl import Asks, Challenged, Claimed, Failed, Scram, ScramServer, Step, Surroundings, scram

# RFC 7677 §3
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
KEYS = scram.derive(Secret("pencil"), SALT, 4096)
BINDINGS = {"tls-server-end-point": b"certificate", "tls-exporter": b"\0exporter"}


def server(name: str = "SCRAM-SHA-256", *, plus: bool = False) -> ScramServer:
    return ScramServer(name, Surroundings(BINDINGS, plus, lambda: SERVER_NONCE, lambda: "<x@y>"))


def answered(step: Step) -> Step:
    assert isinstance(step, Asks)
    return step.then(SALT, 4096)


def test_as_in_the_rfc() -> None:
    """RFC 7677 §3."""
    here = server()
    assert here.opening() == b""
    asked = here.step(FIRST)
    assert isinstance(asked, Asks)
    assert asked.name == "user"
    assert asked.then(SALT, 4096) == Challenged(SERVER_FIRST)
    step = here.step(FINAL)
    assert isinstance(step, Claimed)
    assert (step.claim.authcid, step.claim.authzid) == ("user", "")
    proof = step.claim.proof
    assert isinstance(proof, Scram)
    assert (proof.mechanism, proof.salt, proof.iterations) == ("SCRAM-SHA-256", SALT, 4096)
    assert scram.find(proof, [KEYS]) == (0, SERVER_FINAL)


def test_several_secrets_share_one_salt() -> None:
    here = server()
    answered(here.step(FIRST))
    step = here.step(FINAL)
    assert isinstance(step, Claimed)
    assert isinstance(step.claim.proof, Scram)
    others = [scram.derive(Secret(f"app password {number}"), SALT, 4096) for number in range(3)]
    assert scram.find(step.claim.proof, [*others, KEYS]) == (3, SERVER_FINAL)
    assert scram.find(step.claim.proof, [KEYS, *others]) == (0, SERVER_FINAL)
    assert scram.find(step.claim.proof, others) is None
    assert scram.find(step.claim.proof, []) is None


def test_keys_do_not_print() -> None:
    """P60."""
    assert repr(KEYS) == "<Keys>"


def test_passwords_are_prepared() -> None:
    assert scram.derive(Secret("I\u00adX"), SALT, 4096) == scram.derive(Secret("\u2168"), SALT, 4096)
    for impossible in (b"\xff", "\u0007".encode()):
        with pytest.raises(ValueError):
            scram.derive(Secret(impossible), SALT, 4096)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n",
        b"n,",
        b"n,,",
        b"n,,n=user",
        b"n,,r=abc,n=user",
        b"n,,n=user,r=",
        b"n,,n=,r=abc",
        b"n,,n=us=er,r=abc",
        b"n,,n=us\0er,r=abc",
        b"n,,n=user,r=a c",
        b"n,,n=user,r=a\xc3\xa9c",
        b"n,,n=user,r=abc,",
        b"n,,n=user,r=abc,x",
        b"n,,m=ext,n=user,r=abc",
        b"n,ada,n=user,r=abc",
        b"n,a=x=y,n=user,r=abc",
        b"x,,n=user,r=abc",
        b"N,,n=user,r=abc",
        b"p=tls-server-end-point,,n=user,r=abc",
        b"\xff",
        b"n,,n=\xff,r=abc",
    ],
)
def test_first_messages_that_are_none(first: bytes) -> None:
    step = server().step(first)
    assert isinstance(step, Failed)
    assert step.reason.startswith("SCRAM: ")


def test_names_and_identities() -> None:
    here = server()
    step = here.step(b"n,a=b=2Coss,n=u=3Dser,r=abc,x=ignored")
    assert isinstance(step, Asks)
    assert step.name == "u=ser"
    nonce = f"r=abc{SERVER_NONCE}"
    assert isinstance(step.then(SALT, 4096), Challenged)
    header = base64.b64encode(b"n,a=b=2Coss,").decode()
    final = here.step(f"c={header},{nonce},y=ignored,p={'A' * 43}=".encode())
    assert isinstance(final, Claimed)
    assert (final.claim.authcid, final.claim.authzid) == ("u=ser", "b,oss")


N = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
P = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="


@pytest.mark.parametrize(
    "final",
    [
        "",
        P,
        f"c=biws,{N}",
        f"c=biws,{P}",
        f"{N},c=biws,{P}",
        f"c=eSws,{N},{P}",  # "y,,": the flag was changed on the way
        f"c=biw,{N},{P}",
        f"c=,{N},{P}",
        f"c=biws,{N}x,{P}",
        f"c=biws,{N[:-1]},{P}",
        f"c=biws,r=rOprNGfwEbeRWgbNEkqO,{P}",
        f"c=biws,r=é,{P}",
        f"c=biws,{N},p=",
        f"c=biws,{N},p=AAAA",
        f"c=biws,{N},{P}!",
        f"c=biws,{N},{P},x=y",
        f"c=biws,{N},m,{P}",
    ],
)
def test_final_messages_that_are_none(final: str) -> None:
    here = server()
    answered(here.step(FIRST))
    assert isinstance(here.step(final.encode()), Failed)


# ---- channel binding (RFC 5802 §6) --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "plus", "flag", "good"),
    [
        ("SCRAM-SHA-256", False, "n", True),
        ("SCRAM-SHA-256", True, "n", True),  # a client that cannot bind
        ("SCRAM-SHA-256", False, "y", True),  # it can, and there is no offer
        ("SCRAM-SHA-256", True, "y", False),  # it can, and our offer was hidden from it
        ("SCRAM-SHA-256", True, "p=tls-server-end-point", False),
        ("SCRAM-SHA-256-PLUS", True, "n", False),
        ("SCRAM-SHA-256-PLUS", True, "y", False),
        ("SCRAM-SHA-256-PLUS", True, "p=tls-server-end-point", True),
        ("SCRAM-SHA-256-PLUS", True, "p=tls-exporter", True),
        ("SCRAM-SHA-256-PLUS", True, "p=tls-unique", False),  # not on this connection
        ("SCRAM-SHA-256-PLUS", True, "p=", False),
    ],
)
def test_the_flag(name: str, plus: bool, flag: str, good: bool) -> None:
    step = server(name, plus=plus).step(f"{flag},,n=user,r=abc".encode())
    assert isinstance(step, Asks if good else Failed)


@pytest.mark.parametrize(
    ("data", "good"),
    [
        (b"p=tls-exporter,,\0exporter", True),
        (b"p=tls-exporter,,certificate", False),
        (b"p=tls-server-end-point,,\0exporter", False),
        (b"p=tls-exporter,,", False),
        (b"n,,", False),
    ],
)
def test_the_binding_must_be_this_connections(data: bytes, good: bool) -> None:
    here = server("SCRAM-SHA-256-PLUS", plus=True)
    answered(here.step(b"p=tls-exporter,,n=user,r=abc"))
    final = f"c={base64.b64encode(data).decode()},r=abc{SERVER_NONCE},p={'A' * 43}=".encode()
    assert isinstance(here.step(final), Claimed if good else Failed)


PIECES = st.sampled_from([b"n", b",", b"n=user", b"r=abc", b"p=", b"c=biws", b"=", b"a=", b"m=", b"\0", b"y", b"AAAA"])


@given(st.binary(max_size=40) | st.lists(PIECES).map(b"".join), st.binary(max_size=40) | st.lists(PIECES).map(b"".join))
def test_the_server_never_raises(first: bytes, second: bytes) -> None:
    here = server()
    step = here.step(first)
    if isinstance(step, Asks):
        assert isinstance(step.then(SALT, 4096), Challenged)
        assert isinstance(here.step(second), (Claimed, Failed))
