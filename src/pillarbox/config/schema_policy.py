"""The section about new passwords: auth.policy.

Rules: as in `schema_server`. The figures are NIST SP 800-63B-4's (§3.1.1.2); what it forbids, rules of composition and
changes on a date, has no setting. What the rules mean is in `pillarbox.auth.password_policy`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from pillarbox.config.fields import OptionalPath, Section, setting
from pillarbox.config.problem import Wrong

MIN_WORD = 3
"""Characters: shorter words stand in many good passwords by chance."""


def _words(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if len(word) < MIN_WORD:
            raise Wrong(f'"{word}" is too short to be looked for', f"write words of {MIN_WORD} characters or more")
    return words


class PasswordPolicy(Section):
    """What a new password must be like."""

    min_characters: int = setting(
        15, "The fewest characters of a password that is all that lets its owner in.", ge=8, le=64
    )
    min_characters_with_mfa: int = setting(
        8, "The fewest characters of a password that is asked for together with a second factor.", ge=8, le=64
    )
    common_list: bool = setting(True, "Whether common passwords and dictionary words are refused.")
    breach_filter: OptionalPath = setting(
        None,
        'A file made by `pillarbox breach build`; passwords it knows are refused. "" means none.',
        kind="the path of a file in quotes",
        example="/var/lib/pillarbox/breached.filter",
    )
    context_words: Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_words)] = setting(
        (),
        "Names that everybody here knows, such as the organisation's: a password of little else is refused. The "
        "account's own name, its domain, `server.hostname` and Pillarbox are looked for in any case.",
        kind="a list of words in quotes",
        example=("acme", "rocketworks"),
    )
    advice: bool = setting(
        True, "Whether the command line gives advice on a new password that could be better; it never refuses one."
    )
    recheck_hours: int = setting(
        24,
        "Hours between two checks of an account's password after logins, so that one that has become known is noticed "
        "(an event; the login is not touched); 0 is off.",
        ge=0,
        le=8_760,
    )
