"""Answers of a token endpoint as data from a stranger: lives, scopes, and tokens that are missing."""

from collections.abc import Iterator

import pytest
from tests.client.authorization_server import SCOPE, AuthorizationServer, running

from pillarbox.client.oauth_endpoint import DEFAULT_LIFE, ask, check_scope, refused, tokens_for
from pillarbox.client.oauth_errors import ApplicationRefused, ConsentDenied, ConsentLost, ProviderUnavailable
from pillarbox.client.oauth_http import exchange
from pillarbox.client.oauth_providers import Application, Provider
from pillarbox.client.oauth_tokens import Tokens
from pillarbox.events import Secret

REFRESH = {"grant_type": "refresh_token", "refresh_token": "refresh-0"}


@pytest.fixture
def server() -> Iterator[AuthorizationServer]:
    with running() as found:
        yield found


def refresh(server: AuthorizationServer, before: Tokens | None = None) -> Tokens:
    return tokens_for(server.application, REFRESH, exchange, lambda: 1000.0, before)


@pytest.mark.parametrize(
    ("said", "life"),
    [
        (3600, 3600),
        (3599.5, 3599.5),
        ("3600", 3600),
        (0, 0),
        (None, DEFAULT_LIFE),
        (-1, DEFAULT_LIFE),
        (1e300, DEFAULT_LIFE),
        (float("nan"), DEFAULT_LIFE),
        ("soon", DEFAULT_LIFE),
        ("9" * 5000, DEFAULT_LIFE),
        (True, DEFAULT_LIFE),
        ([1], DEFAULT_LIFE),
    ],
)
def test_lives_are_bounded(server: AuthorizationServer, said: object, life: float) -> None:
    server.answer = {"expires_in": said}
    assert refresh(server).expires_at == 1000 + life


def test_a_first_answer_needs_a_refresh_token(server: AuthorizationServer) -> None:
    server.answer = {"refresh_token": None}
    with pytest.raises(ApplicationRefused, match="offline access"):
        refresh(server)


@pytest.mark.parametrize("said", [None, ""])
def test_what_a_refresh_leaves_out_stays(server: AuthorizationServer, said: str | None) -> None:
    server.answer = {"refresh_token": said, "scope": None}
    before = server.tokens(scope="a b")
    after = refresh(server, before)
    assert (after.refresh_token, after.scope) == (Secret("refresh-0"), "a b")


@pytest.mark.parametrize("granted", [SCOPE, SCOPE.upper() + "/ other", f"other {SCOPE} offline_access"])
def test_scopes_that_open_the_mail(server: AuthorizationServer, granted: str) -> None:
    tokens = server.tokens(scope=granted)
    assert check_scope(server.application, tokens) is tokens


@pytest.mark.parametrize("granted", ["", "other", SCOPE[:-1], SCOPE + "s"])
def test_scopes_that_do_not(server: AuthorizationServer, granted: str) -> None:
    with pytest.raises(ConsentDenied, match="log in again"):
        check_scope(server.application, server.tokens(scope=granted))


def test_an_address_without_tls_is_never_asked() -> None:
    provider = Provider("x", "", "http://login.example.org/token", "", ())
    with pytest.raises(ApplicationRefused, match="https"):
        ask(Application(provider, "id"), provider.token_url, {}, exchange)


def test_errors_by_who_has_to_act() -> None:
    assert isinstance(refused("x", "invalid_grant"), ConsentLost)
    assert isinstance(refused("x", "server_error"), ProviderUnavailable)
    assert isinstance(refused("x", "nobody_knows", {"not": "a text"}), ApplicationRefused)
    assert "{" not in str(refused("x", "nobody_knows", {"not": "a text"}))
