from typing import Any

import pytest
from pydantic import ValidationError

from pillarbox.config.problem import Wrong
from pillarbox.config.schema_tokens import Tokens, web_address

JWKS = {"enabled": True, "issuer": "https://a.example", "audience": ["pillarbox"], "jwks_url": "https://a.example/keys"}
ASKED = {
    "enabled": True,
    "audience": ["pillarbox"],
    "introspection_url": "https://a.example/introspect",
    "client_id": "pillarbox",
    "client_secret_file": "/etc/secret",
}


def test_tokens_are_off_by_default() -> None:
    assert not Tokens().enabled


@pytest.mark.parametrize("table", [JWKS, ASKED, {**JWKS, **ASKED, "introspect": "all"}])
def test_what_is_enough(table: dict[str, Any]) -> None:
    assert Tokens.model_validate(table).enabled


@pytest.mark.parametrize(
    ("base", "change", "message"),
    [
        (JWKS, {"jwks_url": ""}, "nothing tells"),
        (JWKS, {"jwks_file": "/etc/keys"}, "both"),
        (JWKS, {"issuer": ""}, "`issuer` is missing"),
        (JWKS, {"audience": []}, "`audience` is missing"),
        (JWKS, {"introspect": "all"}, "`introspection_url` is missing"),
        (ASKED, {"client_id": ""}, "`client_id`"),
        (ASKED, {"client_secret_file": ""}, "`client_secret_file`"),
    ],
)
def test_what_is_missing_is_said(base: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Tokens.model_validate({**base, **change})


@pytest.mark.parametrize("name", ["none", "HS256", "HS512", "rs256", "RS1"])
def test_unsafe_algorithms_cannot_be_set(name: str) -> None:
    """RFC 8725 §3.1."""
    with pytest.raises(ValidationError):
        Tokens.model_validate({"algorithms": ["RS256", name]})


@pytest.mark.parametrize(
    "table", [{"algorithms": []}, {"account_claims": []}, {"clock_skew": 301}, {"timeout": 0}, {"jwks_refresh": 1}]
)
def test_other_limits(table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Tokens.model_validate(table)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/x?y=z",
        "https://a.example:8443",
        "http://127.0.0.1:8080/x",
        "http://[::1]/",
        "https://[2001:db8::1]/",
    ],
)
def test_addresses_that_may_be_asked(url: str) -> None:
    assert web_address(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/",
        "http://localhost/",
        "http://127.0.0.2/",
        "http://127.0.0.1.a.example/",
        "https://user:secret@a.example/",
        "https://a.example/#part",
        "file:///etc/keys",
        "https://",
        "https://a.example:99999/",
        "https://a.example:0/",
        "https://a .example/",
        "https://a.example/\r\nX: y",
        "https://[::1/",
        "a.example",
    ],
)
def test_addresses_that_may_not_be_asked(url: str) -> None:
    with pytest.raises(Wrong):
        web_address(url)
