"""Account before domain before server."""

import pytest

from pillarbox.auth.accounts import StoredAccount
from pillarbox.auth.mfa import Policy
from pillarbox.auth.rules import Rules, rules_from
from pillarbox.auth.sources import Credential
from pillarbox.config.load import parse
from pillarbox.config.schema import Settings


def settings(text: str) -> Settings:
    return parse('[tls]\ncertificate = "/c"\nkey = "/k"\n' + text)


def test_the_defaults() -> None:
    assert rules_from(settings(""))("example.org") == Rules(Policy.OPTIONAL, True, True, 0) == Rules()


def test_the_domain_says_what_differs() -> None:
    rules_of = rules_from(
        settings(
            '[auth.mfa]\npolicy = "required"\n[auth.pop3]\ndefault = "off"\nprimary = "no"\nidle_days = 90\n'
            '[domains."same.example"]\n'
            '[domains."other.example"]\nmfa = "off"\npop3 = "on"\nprimary_over_pop3 = "yes"\npop3_idle_days = 0\n'
        )
    )
    everywhere = Rules(Policy.REQUIRED, False, False, 90)
    assert [rules_of(domain) for domain in ("", "unknown.example", "same.example")] == [everywhere] * 3
    assert rules_of("other.example") == Rules(Policy.OFF, True, True, 0)


@pytest.mark.parametrize("domain", [Rules(), Rules(Policy.REQUIRED, False, False, 30)])
def test_the_account_has_the_last_word_whatever_its_source(domain: Rules) -> None:
    stored = StoredAccount("a", "", True, False, None, 1, 0.0, 0.0)
    assert domain.of(stored) == domain.of(Credential("a", "")) == domain
    own = Rules(Policy.OFF, not domain.pop3, not domain.primary_over_pop3, 0)
    assert domain.of(stored._replace(**own._asdict())) == own
    assert domain.of(Credential("a", "", **own._asdict())) == own
