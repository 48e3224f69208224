"""The authorization code flow: a real server, a real redirect to loopback, PKCE, and answers that are not ours."""

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.client.authorization_server import AuthorizationServer, running

from pillarbox.client.errors import UsageError
from pillarbox.client.oauth import (
    GOOGLE,
    Application,
    ApplicationRefused,
    BrowserLogin,
    ConsentDenied,
    ConsentExpired,
    browser_login,
    microsoft,
    pasted_login,
)
from pillarbox.client.oauth_http import exchange
from pillarbox.events import Secret


@pytest.fixture
def server() -> Iterator[AuthorizationServer]:
    with running() as found:
        yield found


def get(address: str) -> str:
    """Open an address as a browser does, without its proxies; the page it ends at."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=10) as page:
        return str(page.read().decode())


def browse(address: str) -> None:
    threading.Thread(target=get, args=(address,), daemon=True).start()


def end_of(address: str) -> str:
    """Where a browser ends, when nobody listens there: the provider's redirect."""
    return exchange(address).location


def test_a_login(server: AuthorizationServer) -> None:
    tokens = browser_login(server.application, browse)
    assert tokens.refresh_token == Secret("refresh-2")
    ((_, grant),) = server.asked
    assert grant["redirect_uri"].startswith("http://127.0.0.1:")
    assert (grant["client_id"], grant["client_secret"]) == ("client-1", "hush")


def test_the_user_says_no(server: AuthorizationServer) -> None:
    server.denies = True
    with pytest.raises(ConsentDenied):
        browser_login(server.application, browse)


def test_redirects_that_answer_another_login_change_nothing(server: AuthorizationServer) -> None:
    def browser(address: str) -> None:
        redirect = parse_qs(urlsplit(address).query)["redirect_uri"][0]

        def work() -> None:
            for query in (
                "?code=x&state=guess",
                "?error=access_denied&state=",
                "?error=access_denied",
                "?state=a&state=b",
            ):
                assert "close this page" in get(redirect + query)
            for path in ("/favicon.ico", "/", "/other?code=x"):
                with contextlib.suppress(urllib.error.HTTPError):
                    get(redirect + path)
            get(address)

        threading.Thread(target=work, daemon=True).start()

    assert browser_login(server.application, browser).refresh_token == Secret("refresh-2")
    assert len(server.asked) == 1


def test_nobody_answers(server: AuthorizationServer) -> None:
    with pytest.raises(ConsentExpired, match="begin again"):
        browser_login(server.application, lambda address: None, patience=0.05)


def test_a_pasted_address(server: AuthorizationServer) -> None:
    shown: list[str] = []
    tokens = pasted_login(server.application, shown.append, lambda: f"  {end_of(shown[0])}\n")
    assert tokens.refresh_token == Secret("refresh-2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "code-1",
        "http://127.0.0.1:65535/?code=code-1",
        "http://127.0.0.1/?code=code-1&state=x",
        "http://[",
        "x" * 99999,
    ],
)
def test_what_is_pasted_wrongly_is_refused_and_nothing_sent(server: AuthorizationServer, text: str) -> None:
    with pytest.raises(UsageError, match="copy the whole address"):
        pasted_login(server.application, lambda address: None, lambda: text)
    assert not server.asked


def test_an_answer_without_a_code(server: AuthorizationServer) -> None:
    shown: list[str] = []

    def ask() -> str:
        state = parse_qs(urlsplit(shown[0]).query)["state"][0]
        return f"http://127.0.0.1:65535/?state={state}"

    with pytest.raises(UsageError, match="holds no code"):
        pasted_login(server.application, shown.append, ask)


def test_a_code_is_good_once_and_for_its_verifier_only(server: AuthorizationServer) -> None:
    login = BrowserLogin(server.application, "http://127.0.0.1:1")
    ended_at = end_of(login.address)
    login.finish(ended_at)
    with pytest.raises(ConsentExpired, match="invalid_grant"):
        login.finish(ended_at)
    # A thief of the code has another verifier, even if it guesses the state.
    thief = BrowserLogin(server.application, "http://127.0.0.1:1")
    stolen = end_of(login.address)
    mine = parse_qs(urlsplit(login.address).query)["state"][0]
    its = parse_qs(urlsplit(thief.address).query)["state"][0]
    with pytest.raises(ConsentExpired, match="invalid_grant"):
        thief.finish(stolen.replace(mine, its))


def test_errors_of_the_page_are_typed(server: AuthorizationServer) -> None:
    login = BrowserLogin(server.application, "http://127.0.0.1:1")
    state = parse_qs(urlsplit(login.address).query)["state"][0]
    with pytest.raises(ApplicationRefused, match=r"invalid_scope: no such.*scope"):
        login.finish(f"http://127.0.0.1:1/?error=invalid_scope&error_description=no+such%0Ascope&state={state}")


def test_every_login_has_its_own_state_and_challenge(server: AuthorizationServer) -> None:
    asked = [parse_qs(urlsplit(BrowserLogin(server.application, "x").address).query) for _ in range(3)]
    for name in ("state", "code_challenge"):
        assert len({fields[name][0] for fields in asked}) == 3


def test_the_addresses_of_the_presets() -> None:
    google = parse_qs(urlsplit(BrowserLogin(Application(GOOGLE, "id"), "http://127.0.0.1:1").address).query)
    assert google["access_type"] == ["offline"]
    assert google["scope"] == ["https://mail.google.com/"]
    other = parse_qs(urlsplit(BrowserLogin(Application(microsoft(), "id"), "http://localhost:1").address).query)
    assert other["scope"] == ["https://outlook.office.com/POP.AccessAsUser.All offline_access"]
    assert "client_secret" not in google
    assert "code_verifier" not in google
