import pytest
from pydantic import ValidationError

from pillarbox.config import ConfigError
from pillarbox.config.load import parse
from pillarbox.config.schema_policy_api import NAME, PORT, PolicyApi


def test_it_is_off_and_on_loopback_by_default() -> None:
    policy = PolicyApi()
    assert not policy.enabled
    assert policy.listeners() == ()
    assert (policy.address, policy.port) == (("127.0.0.1",), PORT)
    assert [str(network) for network in policy.networks] == ["127.0.0.0/8", "::1/128"]


def test_switched_on_it_is_one_more_listener() -> None:
    [listener] = PolicyApi.model_validate({"enabled": True, "address": ["127.0.0.1", "::1"], "port": 9000}).listeners()
    assert (listener.name, listener.address, listener.port) == (NAME, ("127.0.0.1", "::1"), 9000)


@pytest.mark.parametrize("address", ["*", "192.0.2.1", "0.0.0.0", "2001:db8::1"])
def test_beyond_loopback_it_needs_tls(address: str) -> None:
    """The key and the names of accounts must not cross a network in clear."""
    with pytest.raises(ValidationError, match="without TLS the key would cross the network in clear"):
        PolicyApi.model_validate({"address": address})
    with pytest.raises(ValidationError):
        PolicyApi.model_validate({"address": ["127.0.0.1", address]})
    assert PolicyApi.model_validate({"address": address, "tls": True}).tls


@pytest.mark.parametrize(
    "table",
    [
        {"port": 0},
        {"networks": []},
        {"networks": ["192.0.2.1/24"]},
        {"connections": 0},
        {"tarpit": -1},
        {"key": "~/policy-api.key"},
        {"password": "secret"},
    ],
)
def test_what_cannot_be_set(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PolicyApi.model_validate(table)


def test_the_key_is_in_the_state_directory_unless_said_otherwise() -> None:
    start = '[tls]\ncertificate = "/c"\nkey = "/k"\n[server]\nstate_directory = "/var/lib/p"\n'
    assert str(parse(start).policy_key_file) == "/var/lib/p/policy-api.key"
    assert str(parse(start + '[policy_api]\nkey = "/etc/k"\n').policy_key_file) == "/etc/k"


def test_the_file_says_what_to_write_instead() -> None:
    with pytest.raises(ConfigError) as caught:
        parse('[tls]\ncertificate = "/c"\nkey = "/k"\n[policy_api]\naddress = "192.0.2.1"\n')
    [problem] = caught.value.problems
    assert problem.key == "policy_api.tls"
    assert problem.instead == 'write tls = true, or address = "127.0.0.1"'
