"""The sections about what lets somebody in: auth.app_passwords, auth.mfa and auth.pop3.

Rules: as in `schema_server`. What differs for a domain is in `schema_mail`'s Domain, what differs for an account in the
accounts database; `auth.rules` puts the three together.
"""

from __future__ import annotations

from typing import Literal

from pillarbox.config.fields import Section, setting

MAX_DAYS = 36_500


class AppPasswords(Section):
    """Passwords that the server makes, one for each mail program."""

    idle_days: int = setting(
        0,
        "Days without use after which a new app password ends, unless its maker says otherwise; 0 means never.",
        ge=0,
        le=MAX_DAYS,
    )


class Mfa(Section):
    """Second factors."""

    policy: Literal["required", "optional", "off"] = setting(
        "optional",
        'Whether a login needs a second factor, where neither domain nor account says otherwise. "optional" asks for '
        'the code of those who have enrolled TOTP; "off" asks nobody, not even them.',
    )
    issuer: str = setting(
        "Pillarbox",
        "The name under which authenticator apps list the account.",
        kind="text in quotes",
    )


class Pop3(Section):
    """Who may use POP3 at all. Refused exactly as a wrong password is."""

    default: Literal["on", "off"] = setting(
        "on", "Whether POP3 is on, where neither domain nor account says otherwise."
    )
    new_accounts: Literal["inherit", "on", "off"] = setting(
        "inherit", 'What `pillarbox account add` sets for a new account; "inherit" leaves it to its domain.'
    )
    idle_days: int = setting(
        0,
        "Days without a login after which `pillarbox account idle --apply` switches POP3 off for an account; "
        "0 means never.",
        ge=0,
        le=MAX_DAYS,
    )
    primary: Literal["yes", "no"] = setting(
        "yes",
        'Whether an account\'s own password works over POP3. With "no", only app passwords, tokens and certificates '
        "do, and the password that people choose cannot be guessed here.",
    )
