"""What a token's claims must say before it lets anybody in (RFC 7519 §4.1, RFC 7662 §2.2, RFC 8176).

Rules: pure: claims and a moment in, an answer out; whatever has the wrong type is refused, never guessed at; the
account the token names must be the one that is logged in, in canonical form. Whether the claims are genuine is for
`tokens`.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

from pillarbox.auth.names import InvalidName, canonical_or_typed, normalise


class Reason(enum.Enum):
    """Why a token is refused: fixed phrases for events."""

    MALFORMED = "not a token"
    NOT_A_JWT = "the token is not a JWT, and there is no introspection"
    EXTENSIONS = "the token wants extensions that are not known here"
    ALGORITHM = "the token's algorithm is not allowed"
    UNKNOWN_KEY = "the token was signed with an unknown key"
    SIGNATURE = "the token's signature is wrong"
    CLAIMS = "the token's claims are malformed"
    ISSUER = "the token is from another issuer"
    AUDIENCE = "the token is for another service"
    SCOPE = "the token lacks a scope"
    NO_EXPIRY = "the token never expires"
    EXPIRED = "the token has expired"
    NOT_YET = "the token is not valid yet"
    NO_ACCOUNT = "the token names no account"
    UNVERIFIED = "the token's mail address is not verified"
    OTHER_ACCOUNT = "the token is for another account"
    INACTIVE = "the token is revoked, expired or unknown"
    NO_KEYS = "there are no keys to verify tokens with"
    UNANSWERED = "the introspection service does not answer"
    DEFECT = "internal error"


TEMPORARY = frozenset({Reason.NO_KEYS, Reason.UNANSWERED, Reason.DEFECT})
"""Reasons that say nothing about the token: nobody could tell."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """The token lets nobody in."""

    reason: Reason

    @property
    def temporary(self) -> bool:
        """Whether nobody could tell: the client should come again with the same token ([SYS/TEMP])."""
        return self.reason in TEMPORARY


@dataclass(frozen=True, slots=True)
class Verified:
    """The token is good.

    Attributes:
        account: the canonical name of the account.
        expires: UTC seconds, or None where the provider did not say; the session ends then.
        mfa: the token proves that its owner showed a second factor.
        credential_id: a digest of the token: for events, and for `TokenVerifier.still_valid`.
    """

    account: str
    expires: float | None
    mfa: bool
    credential_id: str


@dataclass(frozen=True, slots=True)
class Demands:
    """What claims must be like; the fields are the settings of `auth.tokens`."""

    issuer: str
    audience: frozenset[str]
    scopes: frozenset[str]
    account_claims: tuple[str, ...]
    mfa_amr: frozenset[str]
    mfa_acr: frozenset[str]
    clock_skew: float
    default_domain: str


def judge(
    claims: dict[str, Any],  # Any: whatever JSON held
    demands: Demands,
    *,
    login: str,
    now: float,
    credential_id: str,
    introspected: bool,
) -> Verified | Invalid:
    """Judge genuine claims.

    Args:
        claims: of a JWT, or of an introspection's answer.
        demands: what they must be like.
        login: the name the client gave, not normalised; "" where only the token tells who it is.
        now: UTC seconds.
        credential_id: for the result.
        introspected: the provider itself was asked, so that it need not repeat its name or the expiry.
    """
    try:
        reason = _issuer(claims, demands, introspected) or _times(claims, demands, now, introspected)
        reason = reason or _purpose(claims, demands)
        if reason:
            return Invalid(reason)
        account = _account(claims, demands, login)
        if isinstance(account, Reason):
            return Invalid(account)
        return Verified(account, _moment(claims, "exp"), _second_factor(claims, demands), credential_id)
    except _Malformed:
        return Invalid(Reason.CLAIMS)


class _Malformed(Exception):
    """A claim has a type that it cannot have."""


def _issuer(claims: dict[str, Any], demands: Demands, introspected: bool) -> Reason | None:
    issuer = claims.get("iss")
    if issuer is None and introspected:
        return None
    return Reason.ISSUER if demands.issuer and issuer != demands.issuer else None


def _times(claims: dict[str, Any], demands: Demands, now: float, introspected: bool) -> Reason | None:
    expires, begins = _moment(claims, "exp"), _moment(claims, "nbf")
    if expires is None and not introspected:
        return Reason.NO_EXPIRY
    if expires is not None and now >= expires + demands.clock_skew:
        return Reason.EXPIRED
    if begins is not None and now < begins - demands.clock_skew:
        return Reason.NOT_YET
    return None


def _purpose(claims: dict[str, Any], demands: Demands) -> Reason | None:
    if not demands.audience & _several(claims, "aud"):
        return Reason.AUDIENCE
    # RFC 8693 §4.2 has one text with spaces; Microsoft and others call it "scp", and some make it a list.
    granted = _words(claims, "scope") | _words(claims, "scp")
    return None if demands.scopes <= granted else Reason.SCOPE


def _account(claims: dict[str, Any], demands: Demands, login: str) -> str | Reason:
    name = next((name for name in demands.account_claims if claims.get(name) is not None), None)
    if name is None:
        return Reason.NO_ACCOUNT
    value = claims[name]
    if not isinstance(value, str):
        raise _Malformed
    # OpenID Connect Core §5.1: an address that was not verified may be anybody's.
    if name == "email" and claims.get("email_verified", True) not in (True, "true"):
        return Reason.UNVERIFIED
    try:
        account = normalise(value, demands.default_domain)
    except InvalidName:
        return Reason.NO_ACCOUNT
    same = not login or canonical_or_typed(login, demands.default_domain) == account
    return account if same else Reason.OTHER_ACCOUNT


def _second_factor(claims: dict[str, Any], demands: Demands) -> bool:
    return bool(demands.mfa_amr & _several(claims, "amr")) or bool(demands.mfa_acr & _several(claims, "acr"))


def _moment(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Malformed
    try:
        moment = float(value)
    except OverflowError:
        raise _Malformed from None
    if not math.isfinite(moment):
        raise _Malformed
    return moment


def _several(claims: dict[str, Any], name: str) -> set[str]:
    """A claim that is one text or a list of texts."""
    value = claims.get(name)
    listed = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise _Malformed
    return set(listed)


def _words(claims: dict[str, Any], name: str) -> set[str]:
    return {word for text in _several(claims, name) for word in text.split()}
