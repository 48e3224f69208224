"""The presets: https everywhere, no secrets, and each provider's habits."""

import dataclasses

import pytest

from pillarbox.client.oauth_providers import GOOGLE, Application, microsoft
from pillarbox.config.schema_tokens import web_address
from pillarbox.events import Secret


@pytest.mark.parametrize("provider", [GOOGLE, microsoft(), microsoft("example.org")], ids=lambda one: one.name)
def test_every_address_is_https_and_nothing_secret_is_shipped(provider: object) -> None:
    for name, value in dataclasses.asdict(provider).items():  # type: ignore[call-overload]  # a parametrized dataclass
        if name.endswith("_url") and value:
            assert web_address(value).startswith("https://")
        assert "secret" not in name
        assert "client_id" not in name


def test_habits() -> None:
    assert (GOOGLE.url, microsoft().url) == ("pops://pop.gmail.com", "pops://outlook.office365.com")
    assert (GOOGLE.device_url, bool(GOOGLE.device_help)) == ("", True)
    assert microsoft("consumers").token_url == "https://login.microsoftonline.com/consumers/oauth2/v2.0/token"
    assert microsoft().redirect_host == "localhost"


@pytest.mark.parametrize("tenant", ["", "a/b", "a?b", "../x", "a\n", "@x", "a b"])
def test_a_tenant_that_would_change_the_address(tenant: str) -> None:
    with pytest.raises(ValueError, match="a tenant is"):
        microsoft(tenant)


def test_credentials() -> None:
    assert Application(GOOGLE, "id").credentials() == {"client_id": "id"}
    both = Application(GOOGLE, "id", Secret("s"))
    assert both.credentials() == {"client_id": "id", "client_secret": "s"}
    assert "'s'" not in repr(both)
