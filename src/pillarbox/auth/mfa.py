"""Which factors let somebody in. Pure: no clock, no file, no account look-up.

Rules: every way in is a set of `Factor`s, judged by the one function `decide` at login and again while the session
lives (`live`); a code of TOTP alone is nothing; an app password or a token counts as two factors only if two were
shown when it was made. How each factor is checked is in `passwords`, `app_passwords` and `totp`.

A credential's id is text, for events and for the sessions it has opened: its factors, then which one it was:
`password+totp:17`, `app-mfa:k3v9x2m1`. NIST SP 800-63B-4 §2.2 (AAL2: two distinct factors).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable


class Policy(enum.StrEnum):
    """What an account must show. For an enrolled TOTP, OPTIONAL means: always with the password."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    OFF = "off"


class Factor(enum.StrEnum):
    """Something that was shown, and was right."""

    PASSWORD = "password"  # noqa: S105 - a name
    TOTP = "totp"
    APP_PASSWORD = "app"  # noqa: S105 - a name
    APP_PASSWORD_AFTER_MFA = "app-mfa"  # noqa: S105 - a name
    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - a name
    TOKEN_AFTER_MFA = "token-mfa"  # noqa: S105 - a name


class Verdict(enum.Enum):
    """Whether the factors suffice."""

    OK = "ok"
    MISSING = "second factor missing"


_AFTER_MFA = frozenset({Factor.APP_PASSWORD_AFTER_MFA, Factor.TOKEN_AFTER_MFA})
# Beside a client certificate any of these is the second factor; a password may have been shown by SCRAM.
_BESIDE_A_CERTIFICATE = frozenset({Factor.PASSWORD, Factor.APP_PASSWORD, Factor.TOKEN}) | _AFTER_MFA
_ENOUGH_ALONE = _BESIDE_A_CERTIFICATE | {Factor.CERTIFICATE}


def decide(policy: Policy, factors: frozenset[Factor], *, totp: bool) -> Verdict:
    """Whether somebody who has shown these factors may come in.

    Args:
        policy: the account's.
        factors: what was shown and found right, all of one account.
        totp: the account has enrolled TOTP: its password alone no longer suffices, unless the policy is OFF.
    """
    enough = bool(factors & _ENOUGH_ALONE)
    match policy:
        case Policy.OFF:
            passed = enough
        case Policy.OPTIONAL:
            passed = enough and not (totp and factors == {Factor.PASSWORD})
        case Policy.REQUIRED:
            passed = _two(factors)
    return Verdict.OK if passed else Verdict.MISSING


def identify(factors: Iterable[Factor], which: str | int) -> str:
    """The id of a credential: `which` is an app password's id, a password's epoch, a certificate's or token's name."""
    return f"{'+'.join(sorted(factors))}:{which}"


def parts(credential_id: str) -> tuple[frozenset[Factor], str]:
    """The factors and the `which` of an id made by `identify`.

    Raises:
        ValueError: it was not made so.
    """
    names, colon, which = credential_id.partition(":")
    if not colon:
        raise ValueError("not the id of a credential")
    return frozenset(Factor(name) for name in names.split("+")), which


def _two(factors: frozenset[Factor]) -> bool:
    return bool(
        factors & _AFTER_MFA
        or factors >= {Factor.PASSWORD, Factor.TOTP}
        or (Factor.CERTIFICATE in factors and factors & _BESIDE_A_CERTIFICATE)
    )
