"""Whose account an attempt is about. What follows for a login is in test_pipeline, tokens are in test_tokens."""

import asyncio

import pytest

from pillarbox.auth.attempt import Attempt, Certificate, Origin, Password, Proof, Token
from pillarbox.auth.claiming import INVALID_NAME, NO_TOKENS, OTHER_IDENTITY, UNBOUND, UNKNOWN_USER, Claimed, Claims
from pillarbox.auth.sources import Credential
from pillarbox.events import Secret

ALICE = Credential("alice@example.org", "stored")
PASSWORD = Password(Secret(b"x"))


class Source:
    name = "fake"

    def lookup(self, account: str) -> Credential | None:
        return ALICE if account == ALICE.account else None

    def verify(self, credential: Credential, password: bytes) -> bool:
        raise AssertionError("nothing is proved here")

    def upgrade(self, credential: Credential, password: bytes) -> None:
        raise AssertionError("nothing is proved here")


CLAIMS = Claims([Source()], default_domain="example.org", wall_clock=lambda: 0.0, tokens=None)


def claimed(login: str, proof: Proof = PASSWORD, authzid: str = "") -> Claimed:
    origin = Origin("192.0.2.7", 40000, "pop3s", "TLSv1.3")
    return asyncio.run(CLAIMS.of(Attempt(login, proof, "PLAIN", "s1", origin, authzid)))


@pytest.mark.parametrize(("login", "authzid"), [("Alice", ""), ("alice@EXAMPLE.org", "alice")])
def test_a_known_name_in_its_forms(login: str, authzid: str) -> None:
    found = claimed(login, authzid=authzid)
    assert found.name == "alice@example.org"
    assert found.credential is ALICE
    assert found.refusal is None
    assert not CLAIMS.is_ours(found)


def test_what_cannot_go_on_says_why_and_under_which_name_it_is_counted() -> None:
    assert claimed("bob") == Claimed("bob@example.org", refusal=UNKNOWN_USER)
    assert claimed("../alice") == Claimed("../alice", refusal=INVALID_NAME)
    assert claimed("alice", Token(Secret(b"x"))) == Claimed("alice", refusal=NO_TOKENS)
    assert claimed("", Certificate()) == Claimed("", refusal=UNBOUND)
    assert claimed("alice", authzid="bob").refusal == OTHER_IDENTITY


def test_the_name_that_a_salt_is_made_of() -> None:
    assert CLAIMS.name_of("Alice") == "alice@example.org"
    assert CLAIMS.name_of("../alice") == "../alice"
