"""The device flow (RFC 8628): the provider's pace, its answers, and what a user is shown."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.client.authorization_server import AuthorizationServer, running

from pillarbox.client.oauth import (
    GOOGLE,
    Application,
    ApplicationRefused,
    ConsentDenied,
    ConsentExpired,
    DevicePrompt,
    ProviderUnavailable,
    Tokens,
    device_login,
)
from pillarbox.events import Secret


@pytest.fixture
def server() -> Iterator[AuthorizationServer]:
    with running() as found:
        yield found


class Login:
    """One login, in which waiting takes no time, but is written down."""

    def __init__(self, server: AuthorizationServer) -> None:
        self.server = server
        self.waited: list[float] = []
        self.prompts: list[DevicePrompt] = []

    def __call__(self) -> Tokens:
        return device_login(
            self.server.application,
            self.prompts.append,
            clock=lambda: 1000.0 + sum(self.waited),
            wait=self.waited.append,
        )


@pytest.fixture
def login(server: AuthorizationServer) -> Login:
    return Login(server)


def test_a_login(login: Login, server: AuthorizationServer) -> None:
    server.device_says.extend(["authorization_pending"] * 3)
    tokens = login()
    assert tokens.refresh_token == Secret("refresh-1")
    assert tokens.expires_at == 1020 + 3600
    assert login.waited == [5.0] * 4
    (prompt,) = login.prompts
    assert str(prompt) == f"Open {server.base}/activate in a browser, on any device, and enter the code ABCD-EFGH"
    assert (prompt.complete_address, prompt.seconds) == ("", 600)
    assert server.asked[0][1]["scope"] == "https://mail.example.org/pop offline_access"


def test_slow_down_is_obeyed_for_good(login: Login, server: AuthorizationServer) -> None:
    server.device_says.extend(["slow_down", "authorization_pending", "slow_down"])
    login()
    assert login.waited == [5, 10, 10, 15]


def test_an_error_of_the_provider_ends_nothing(login: Login, server: AuthorizationServer) -> None:
    server.faults.extend(
        [
            lambda handler: handler.json(200, server.begin_device()),
            lambda handler: handler.raw(503, b"", Retry_After="20"),
            lambda handler: handler.raw(200, b"garbage"),
            lambda handler: handler.connection.close(),
        ]
    )
    login()
    assert login.waited == [5, 20, 40, 80]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("access_denied", ConsentDenied),
        ("authorization_declined", ConsentDenied),
        ("expired_token", ConsentExpired),
        ("invalid_grant", ConsentExpired),
        ("bad_verification_code", ApplicationRefused),
        ("unauthorized_client", ApplicationRefused),
    ],
)
def test_a_no_is_final(login: Login, server: AuthorizationServer, code: str, error: type[Exception]) -> None:
    server.device_says.extend(["authorization_pending", code])
    with pytest.raises(error, match=code):
        login()
    assert len(login.waited) == 2


def test_nobody_answers_in_time(login: Login, server: AuthorizationServer) -> None:
    server.device_answer = {"expires_in": 23}
    server.device_says.extend(["authorization_pending"] * 100)
    with pytest.raises(ConsentExpired, match="begin again"):
        login()
    assert sum(login.waited) == 25


@pytest.mark.parametrize(
    ("said", "interval"),
    [({"interval": 0}, 5), ({"interval": None}, 5), ({"interval": "7"}, 5), ({"interval": 1e9}, 120)],
)
def test_the_pace_is_bounded(login: Login, server: AuthorizationServer, said: dict[str, Any], interval: float) -> None:
    server.device_answer = said
    login()
    assert login.waited == [interval]


@pytest.mark.parametrize(
    "said",
    [
        {"verification_uri": None},
        {"verification_uri": "http://login.example.org/"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "https://login.example.org/\x1b[2J"},
        {"verification_uri_complete": "ftp://x.example/"},
        {"user_code": ""},
        {"user_code": "AB\nCD"},
        {"user_code": "A" * 101},
        {"user_code": 7},
        {"device_code": ""},
        {"device_code": None},
    ],
)
def test_what_a_user_cannot_be_shown_is_refused(login: Login, server: AuthorizationServer, said: Any) -> None:
    server.device_answer = said
    with pytest.raises(ProviderUnavailable, match="device flow"):
        login()
    assert not login.prompts


def test_the_old_name_of_the_address_and_a_complete_one(login: Login, server: AuthorizationServer) -> None:
    complete = f"{server.base}/activate?code=ABCD-EFGH"
    begun = server.begin_device()
    begun["verification_url"] = begun.pop("verification_uri")
    begun["verification_uri_complete"] = complete
    server.faults.append(lambda handler: handler.json(200, begun))
    login()
    assert login.prompts[0].address == f"{server.base}/activate"
    assert login.prompts[0].complete_address == complete


def test_google_has_no_device_flow_for_mail() -> None:
    with pytest.raises(ApplicationRefused, match="use a browser"):
        device_login(Application(GOOGLE, "client"), print)


def test_consent_to_something_else_is_no_consent(login: Login, server: AuthorizationServer) -> None:
    server.answer = {"scope": "https://calendar.example.org/"}
    with pytest.raises(ConsentDenied, match=r"https://mail\.example\.org/pop"):
        login()
