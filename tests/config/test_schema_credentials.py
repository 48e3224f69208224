"""The settings of app passwords, second factors and POP3."""

import pytest

from pillarbox.config import ConfigError
from pillarbox.config.load import parse
from pillarbox.config.schema import Settings

BASE = '[tls]\ncertificate = "/c"\nkey = "/k"\n'


def settings(text: str) -> Settings:
    return parse(BASE + text)


def test_the_defaults_change_nothing_for_those_who_are_here() -> None:
    auth = settings("").auth
    assert (auth.mfa.policy, auth.pop3.default, auth.pop3.primary, auth.pop3.new_accounts) == (
        "optional",
        "on",
        "yes",
        "inherit",
    )
    assert (auth.pop3.idle_days, auth.app_passwords.idle_days) == (0, 0)


def test_a_domain_says_what_differs() -> None:
    domain = settings('[domains."example.org"]\nmfa = "required"\npop3_idle_days = 0\n').domains["example.org"]
    assert (domain.mfa, domain.pop3, domain.pop3_idle_days, domain.primary_over_pop3) == (
        "required",
        "inherit",
        0,
        "inherit",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[auth.mfa]\npolicy = "sometimes"', '"required" or "optional" or "off"'),
        ("[auth.pop3]\nidle_days = -1", "from 0 to 36500"),
        ("[auth.pop3]\ndefault = true", '"on" or "off"'),
        ("[auth.app_passwords]\nidle_days = 1.5", "a whole number"),
        ('[domains."example.org"]\npop3_idle_days = -2', "from -1 to 36500"),
        ('[domains."example.org"]\npop3 = "yes"', '"inherit" or "on" or "off"'),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        settings(text)
