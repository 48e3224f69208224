"""Logins by every mechanism, and their record; the clients' sides are the project's own."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.auth.attempt import Accepted, Attempt, Origin, Password, Refused, Token
from pillarbox.events import Secret
from pillarbox.testing.users import Users

ORIGIN = Origin("127.0.0.1", 1, "scripted", "TLSv1.3")


def attempt(users: Users, name: str, proof: Password | Token, authzid: str = "") -> Accepted | Refused:
    return asyncio.run(users.decide(Attempt(name, proof, "X", "7", ORIGIN, authzid)))


def test_passwords() -> None:
    users = Users({"ada": "right"}, {}, "")
    assert isinstance(attempt(users, "ada", Password(Secret("right"))), Accepted)
    for name, secret, authzid in (("ada", "wrong", ""), ("bob", "right", ""), ("ada", "right", "bob")):
        assert isinstance(attempt(users, name, Password(Secret(secret)), authzid), Refused)
    assert [login.accepted for login in users.logins] == [True, False, False, False]
    assert (users.logins[0].session, users.logins[0].tls) == (7, "TLSv1.3")


def test_tokens_are_one_users() -> None:
    users = Users({"ada": "a", "bob": "b"}, {"t": "ada"}, "")
    assert isinstance(attempt(users, "ada", Token(Secret("t"))), Accepted)
    assert isinstance(attempt(users, "", Token(Secret("t"))), Accepted)
    refused = attempt(users, "bob", Token(Secret("t")))
    assert isinstance(refused, Refused)
    assert refused.challenge is not None
    assert attempt(users, "", Token(Secret("unknown"))) == refused


@pytest.mark.parametrize(("name", "maildrop"), [("recent:ada", "recent:ada"), ("ada", "ada")])
def test_a_prefix_leads_to_another_view(name: str, maildrop: str) -> None:
    decision = attempt(Users({"ada": "a"}, {}, "recent:"), name, Password(Secret("a")))
    assert isinstance(decision, Accepted)
    assert (decision.account.name, decision.account.maildrop) == ("ada", maildrop)
