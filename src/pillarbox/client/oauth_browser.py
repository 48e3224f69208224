"""Logging in with a browser: an authorization code, proved to be ours by PKCE, comes back to this machine.

Rules: PKCE with S256 always (RFC 7636); `state` is compared before anything else of the answer is looked at; the code
comes to a loopback address (RFC 8252 §7.3), or, where the browser is on another machine, the user pastes the address
at which it ended. A redirect with another state is nobody's business here: it is answered and forgotten, so that no
local program can end the login.

Elsewhere: the little web server (`oauth_loopback`). Serves RFC 6749 §4.1, RFC 8252, RFC 9207 (only what `state` and one
provider for each login leave of it: nothing).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

from pillarbox.client.errors import UsageError
from pillarbox.client.oauth_endpoint import Clock, check_scope, refused, tokens_for
from pillarbox.client.oauth_errors import ConsentExpired, ConsentLost
from pillarbox.client.oauth_http import Exchange, exchange
from pillarbox.client.oauth_loopback import Loopback
from pillarbox.client.oauth_providers import Application
from pillarbox.client.oauth_tokens import Tokens

__all__ = ["BrowserLogin", "browser_login", "pasted_login"]

PATIENCE = 300.0
"""Seconds for the user to log in and consent."""

_NOWHERE = 65535
"""The port of a redirect that nobody is to receive: the browser fails to open it, and shows the address."""

_MAX_PASTED = 16 * 1024


class BrowserLogin:
    """One attempt: where to send the browser, and what to make of the address at which it ends.

    Args:
        application: what is registered at the provider.
        redirect_uri: where the browser is to end.
        exchange: does the HTTP request.
        clock: seconds since 1970.

    Attributes:
        address: the page to open. It holds no secret.
    """

    def __init__(
        self, application: Application, redirect_uri: str, *, exchange: Exchange = exchange, clock: Clock = time.time
    ) -> None:
        self._application = application
        self._redirect_uri = redirect_uri
        self._exchange = exchange
        self._clock = clock
        self._verifier = secrets.token_urlsafe(48)  # 64 characters: RFC 7636 §4.1 wants 43 to 128
        self._state = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).rstrip(b"=")
        provider = application.provider
        fields = {
            "response_type": "code",
            "client_id": application.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(provider.scopes),
            "state": self._state,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
            **dict(provider.parameters),
        }
        separator = "&" if "?" in provider.authorize_url else "?"
        self.address = provider.authorize_url + separator + urlencode(fields)

    def is_mine(self, ended_at: str) -> bool:
        """Whether an address answers this attempt: its state does."""
        return hmac.compare_digest(_field(_fields(ended_at), "state").encode(), self._state.encode())

    def finish(self, ended_at: str) -> Tokens:
        """Exchange the code in the address at which the browser ended for tokens. Once only: a code is used up.

        Raises:
            UsageError: it is not the answer to this attempt.
            ConsentDenied: the user said no.
            ConsentExpired: the code came too late.
            OAuthError: any other, as for `OAuth2.access_token`.
        """
        if not self.is_mine(ended_at):
            raise UsageError("that address does not answer this login: begin again, and copy the whole address")
        fields = _fields(ended_at)
        name = self._application.provider.name
        error = _field(fields, "error")
        if error:
            raise refused(name, error, _field(fields, "error_description"))
        code = _field(fields, "code")
        if not code:
            raise UsageError("that address holds no code: begin again, and copy the whole address")
        grant = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": self._verifier,
        }
        try:
            tokens = tokens_for(self._application, grant, self._exchange, self._clock)
        except ConsentLost as problem:
            raise ConsentExpired(
                f"{name}: the code is not good any more: begin again", code=problem.code, detail=problem.detail
            ) from None
        return check_scope(self._application, tokens)


def browser_login(
    application: Application,
    show: Callable[[str], object],
    *,
    patience: float = PATIENCE,
    exchange: Exchange = exchange,
    clock: Clock = time.time,
) -> Tokens:
    """Log in with a browser on this machine.

    Args:
        application: what is registered at the provider.
        show: opens the page, or tells the user to: `webbrowser.open` fits.
        patience: seconds for the user.
        exchange: does the HTTP request.
        clock: seconds since 1970.

    Raises:
        ConsentDenied: the user said no.
        ConsentExpired: nobody answered in time.
        OAuthError: any other, as for `OAuth2.access_token`.
        OSError: no port of 127.0.0.1 is free.
    """
    with Loopback() as loopback:
        redirect_uri = f"http://{application.provider.redirect_host}:{loopback.port}"
        login = BrowserLogin(application, redirect_uri, exchange=exchange, clock=clock)
        show(login.address)
        ended_at = loopback.wait(login.is_mine, patience)
    if ended_at is None:
        raise ConsentExpired(f"{application.provider.name}: nobody gave consent in time: begin again")
    return login.finish(ended_at)


def pasted_login(
    application: Application,
    show: Callable[[str], object],
    ask: Callable[[], str],
    *,
    exchange: Exchange = exchange,
    clock: Clock = time.time,
) -> Tokens:
    """Log in with a browser on another machine, which will end at an address that does not open: the user copies it.

    Args:
        application: what is registered at the provider.
        show: tells the user which page to open.
        ask: asks the user for the address at which the browser ended.
        exchange: does the HTTP request.
        clock: seconds since 1970.

    Raises:
        UsageError: what was pasted is not that address.
        OAuthError: as for `browser_login`.
    """
    redirect_uri = f"http://{application.provider.redirect_host}:{_NOWHERE}"
    login = BrowserLogin(application, redirect_uri, exchange=exchange, clock=clock)
    show(login.address)
    return login.finish(ask().strip())


def _fields(address: str) -> dict[str, list[str]]:
    try:
        return parse_qs(urlsplit(address[:_MAX_PASTED]).query, max_num_fields=50)
    except ValueError:
        return {}


def _field(fields: dict[str, list[str]], name: str) -> str:
    values = fields.get(name, [])
    return values[0] if len(values) == 1 else ""  # RFC 6749 §3.1: none may come twice
