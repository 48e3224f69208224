"""What claims must say, one by one; everything else is refused with its reason."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.auth.provider import GOOD, ISSUER, NOW

from pillarbox.auth.token_claims import TEMPORARY, Demands, Invalid, Reason, Verified, judge

DEMANDS = Demands(
    issuer=ISSUER,
    audience=frozenset({"pillarbox", "mail"}),
    scopes=frozenset(),
    account_claims=("email", "preferred_username"),
    mfa_amr=frozenset({"mfa"}),
    mfa_acr=frozenset({"gold"}),
    clock_skew=60,
    default_domain="example.org",
)


def judged(
    demands: Demands = DEMANDS, login: str = "alice@example.org", introspected: bool = False, **claims: Any
) -> Any:
    """The reason, or the result; a claim of None is left out."""
    full = {name: value for name, value in {**GOOD, **claims}.items() if value is not None}
    result = judge(full, demands, login=login, now=NOW, credential_id="id", introspected=introspected)
    return result.reason if isinstance(result, Invalid) else result


def test_a_good_token() -> None:
    assert judged() == Verified("alice@example.org", NOW + 600, False, "id")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": None}, Reason.ISSUER),
        ({"iss": ISSUER + "/"}, Reason.ISSUER),
        ({"iss": [ISSUER]}, Reason.ISSUER),
        ({"aud": None}, Reason.AUDIENCE),
        ({"aud": "other"}, Reason.AUDIENCE),
        ({"aud": ["other", "pillarbox2"]}, Reason.AUDIENCE),
        ({"aud": []}, Reason.AUDIENCE),
        ({"aud": {"pillarbox": 1}}, Reason.CLAIMS),
        ({"aud": [["pillarbox"]]}, Reason.CLAIMS),
        ({"exp": None}, Reason.NO_EXPIRY),
        ({"exp": NOW - 60}, Reason.EXPIRED),
        ({"exp": -1}, Reason.EXPIRED),
        ({"exp": "never"}, Reason.CLAIMS),
        ({"exp": True}, Reason.CLAIMS),
        ({"exp": float("nan")}, Reason.CLAIMS),
        ({"exp": float("inf")}, Reason.CLAIMS),
        ({"exp": 10**400}, Reason.CLAIMS),
        ({"nbf": NOW + 61}, Reason.NOT_YET),
        ({"nbf": "now"}, Reason.CLAIMS),
        ({"email": None}, Reason.NO_ACCOUNT),
        ({"email": 7}, Reason.CLAIMS),
        ({"email": ["alice@example.org"]}, Reason.CLAIMS),
        ({"email": ""}, Reason.NO_ACCOUNT),
        ({"email": "a/b@example.org"}, Reason.NO_ACCOUNT),
        ({"email": "bob@example.org"}, Reason.OTHER_ACCOUNT),
        ({"email": "bob@example.org", "preferred_username": "alice@example.org"}, Reason.OTHER_ACCOUNT),
        ({"email_verified": False}, Reason.UNVERIFIED),
        ({"email_verified": "false"}, Reason.UNVERIFIED),
        ({"amr": {"mfa": True}}, Reason.CLAIMS),
    ],
)
def test_refusals(claims: dict[str, Any], reason: Reason) -> None:
    assert judged(**claims) is reason


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["x", "mail"]},
        {"exp": NOW - 59},
        {"exp": NOW + 0.5},
        {"nbf": NOW + 60},
        {"email": "Alice@EXAMPLE.org"},
        {"email": "alice"},
        {"email": None, "preferred_username": "alice@example.org"},
        {"email_verified": True},
        {"email_verified": "true"},
    ],
)
def test_acceptances(claims: dict[str, Any]) -> None:
    assert judged(**claims).account == "alice@example.org"


@pytest.mark.parametrize("login", ["ALICE", "alice@Example.ORG", ""])
def test_the_login_is_compared_in_canonical_form_and_may_be_left_to_the_token(login: str) -> None:
    assert judged(login=login).account == "alice@example.org"


@pytest.mark.parametrize("login", ["bob", "alice@example.net", "a\0lice", " ", "alice@example.org@x"])
def test_another_login_is_refused(login: str) -> None:
    assert judged(login=login) is Reason.OTHER_ACCOUNT


def test_scopes() -> None:
    demands = dataclasses.replace(DEMANDS, scopes=frozenset({"mail.read", "pop"}))
    assert judged(demands) is Reason.SCOPE
    assert judged(demands, scope="mail.read") is Reason.SCOPE
    assert judged(demands, scope="mail.readpop") is Reason.SCOPE
    assert judged(demands, scope={"mail.read": 1}) is Reason.CLAIMS
    assert judged(demands, scope="x mail.read pop").account
    assert judged(demands, scp=["mail.read", "pop"]).account
    assert judged(demands, scp="mail.read pop").account


@pytest.mark.parametrize(
    ("claims", "mfa"),
    [
        ({"amr": ["pwd", "mfa"]}, True),
        ({"amr": "mfa"}, True),
        ({"acr": "gold"}, True),
        ({"amr": ["pwd"], "acr": "gold"}, True),
        ({}, False),
        ({"amr": ["pwd", "otp"]}, False),
        ({"amr": ["MFA"]}, False),
        ({"acr": "silver"}, False),
        ({"acr": "mfa", "amr": ["gold"]}, False),
    ],
)
def test_what_proves_a_second_factor(claims: dict[str, Any], mfa: bool) -> None:
    assert judged(**claims).mfa is mfa


def test_an_introspection_may_leave_out_issuer_and_expiry_but_not_the_audience() -> None:
    assert judged(introspected=True, iss=None, exp=None) == Verified("alice@example.org", None, False, "id")
    assert judged(introspected=True, iss="https://other.example") is Reason.ISSUER
    assert judged(introspected=True, exp=NOW - 60) is Reason.EXPIRED
    assert judged(introspected=True, aud=None) is Reason.AUDIENCE


def test_temporary_reasons_are_those_that_tell_nothing_of_the_token() -> None:
    assert {reason for reason in Reason if Invalid(reason).temporary} == TEMPORARY
    assert not Invalid(Reason.EXPIRED).temporary


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["iss", "aud", "exp", "nbf", "email", "preferred_username", "email_verified", "scope", "scp", "amr", "acr"]


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING), st.text(max_size=8), st.booleans())
def test_whatever_the_claims_are_there_is_an_answer(claims: dict[str, Any], login: str, introspected: bool) -> None:
    result = judge({**GOOD, **claims}, DEMANDS, login=login, now=NOW, credential_id="id", introspected=introspected)
    assert isinstance(result, Verified | Invalid)
    if isinstance(result, Verified) and "email" not in claims:
        assert result.account == "alice@example.org"
