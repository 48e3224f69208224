"""What a provider's token endpoint is asked, and what its answers mean.

Rules: an error says who has to act (`oauth_errors`): a credential is dead only when the provider says so in a proper
error (400, "invalid_grant"); a 5xx, a 429, silence, HTML and redirects are the provider's trouble, and pass. Answers
are read as data from a stranger: types checked, numbers bounded.
Serves RFC 6749 §5 and §6, RFC 8628 §3.5.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pillarbox.client.oauth_errors import (
    ApplicationRefused,
    ConsentDenied,
    ConsentExpired,
    ConsentLost,
    OAuthError,
    ProviderUnavailable,
)
from pillarbox.client.oauth_http import Exchange, HttpAnswer, NoAnswer
from pillarbox.client.oauth_providers import Application
from pillarbox.client.oauth_tokens import Tokens
from pillarbox.events import Secret

Clock = Callable[[], float]
"""Seconds since 1970."""

DEFAULT_LIFE = 600.0
"""Seconds for an access token whose life the provider does not tell (RFC 6749 §5.1 only recommends that it does)."""

LONGEST_LIFE = 86400.0 * 90
"""Seconds: a longer life is not believed."""

_BUSY = frozenset({408, 425, 429})

_KINDS: dict[str, tuple[type[OAuthError], str]] = {
    "invalid_grant": (ConsentLost, "the login has expired or was withdrawn"),
    "interaction_required": (ConsentLost, "it wants to see the user again"),
    "login_required": (ConsentLost, "it wants to see the user again"),
    "consent_required": (ConsentLost, "it wants the user's consent again"),
    "access_denied": (ConsentDenied, "consent was denied"),
    "authorization_declined": (ConsentDenied, "consent was denied"),  # Microsoft's word in the device flow
    "expired_token": (ConsentExpired, "nobody gave consent in time: begin again"),
    "temporarily_unavailable": (ProviderUnavailable, "it cannot answer now: try again later"),
    "server_error": (ProviderUnavailable, "it cannot answer now: try again later"),
    "authorization_pending": (ProviderUnavailable, "nobody has given consent yet"),
    "slow_down": (ProviderUnavailable, "it wants to be asked less often"),
}
_OTHER = (ApplicationRefused, "it refuses this application: check the client id, the secret and the scopes")


def refused(name: str, code: str, detail: object = "", *, retry_after: float = 0.0) -> OAuthError:
    """The error for a provider's error code, of the token endpoint or of the authorization endpoint.

    Args:
        name: of the provider.
        code: as the provider said it.
        detail: its own words.
        retry_after: seconds.
    """
    text = detail if isinstance(detail, str) else ""
    kind, message = _KINDS.get(code, _OTHER)
    if kind is ProviderUnavailable:
        return ProviderUnavailable(f"{name}: {message}", code=code, detail=text, retry_after=retry_after)
    return kind(f"{name}: {message}", code=code, detail=text)


def ask(application: Application, url: str, fields: dict[str, str], exchange: Exchange) -> dict[str, Any]:
    """POST `fields` and the application's credentials to one of the provider's addresses.

    Returns:
        The JSON object of an answer that is no error.

    Raises:
        OAuthError: which one tells who has to act.
    """
    name = application.provider.name
    try:
        answer = exchange(url, {**fields, **application.credentials()})
    except NoAnswer as problem:
        if problem.certain:
            raise ApplicationRefused(f"{name}: {problem.reason}: correct the provider's settings") from None
        raise ProviderUnavailable(f"{name}: {problem.reason}: try again later") from None
    if answer.status >= 500 or answer.status in _BUSY:
        raise _unavailable(name, answer)
    said = _object(answer.body)
    code = said.get("error")
    if isinstance(code, str) and code:
        raise refused(name, code, said.get("error_description"), retry_after=answer.retry_after)
    if answer.status != 200 or not said:
        raise _unavailable(name, answer)
    return said


def _unavailable(name: str, answer: HttpAnswer) -> ProviderUnavailable:
    # Whatever stands between us and the provider (a captive portal, a proxy, a load balancer) answers like that, too.
    message = f"{name}: no usable answer (status {answer.status}): try again later"
    return ProviderUnavailable(message, retry_after=answer.retry_after)


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def tokens_for(
    application: Application,
    fields: dict[str, str],
    exchange: Exchange,
    clock: Clock,
    before: Tokens | None = None,
) -> Tokens:
    """Exchange a grant for tokens.

    Args:
        application: who asks.
        fields: the grant.
        exchange: does the HTTP request.
        clock: says when the token ends.
        before: the login that is refreshed: what the provider leaves out stays as it was (RFC 6749 §6).

    Raises:
        OAuthError: which one tells who has to act.
    """
    asked = clock()  # a token's life begins before its answer is here
    provider = application.provider
    said = ask(application, provider.token_url, fields, exchange)
    kind, access, scope = (said.get(key) for key in ("token_type", "access_token", "scope"))
    # RFC 6749 §6: a provider that does not rotate sends none, and some send an empty one.
    refresh = said.get("refresh_token") or None
    if not isinstance(access, str) or not isinstance(kind, str) or kind.lower() != "bearer":
        raise ProviderUnavailable(f"{provider.name}: the answer holds no bearer token: try again later")
    if refresh is None and before is None:
        raise ApplicationRefused(
            f"{provider.name} gave no refresh token, so that the login would end with the first access token: "
            "allow offline access for the application, and log in again"
        )
    granted = scope if isinstance(scope, str) else before.scope if before else " ".join(provider.scopes)
    try:
        return Tokens(
            client_id=application.client_id,
            token_url=provider.token_url,
            access_token=Secret(access),
            refresh_token=_secret(refresh) if refresh is not None or before is None else before.refresh_token,
            expires_at=asked + _life(said.get("expires_in")),
            scope=granted,
        )
    except ValueError:
        raise ProviderUnavailable(f"{provider.name}: the answer holds no usable token: try again later") from None


def _secret(value: object) -> Secret:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return Secret(value)


def _life(value: object) -> float:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)  # older providers send a text
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_LIFE:
        return DEFAULT_LIFE
    return float(value)


def check_scope(application: Application, tokens: Tokens) -> Tokens:
    """`tokens` again, if they open the mail: users may consent to a part only.

    Raises:
        ConsentDenied: what mail needs is missing.
    """
    granted = {scope.rstrip("/").lower() for scope in tokens.scope.split()}
    for scope in application.provider.scopes:
        # Providers leave this one out of what they say they granted: the refresh token is the proof.
        if scope != "offline_access" and scope.rstrip("/").lower() not in granted:
            raise ConsentDenied(f"{application.provider.name}: consent was given, but not to {scope}: log in again")
    return tokens
