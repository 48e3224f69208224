"""Logging in from a machine without a browser: the user types a short code into a page, on any device (RFC 8628).

Rules: the provider's pace is kept ("interval", five seconds more for each "slow_down", twice as long after silence),
and its patience ends the wait. What the user is shown is checked: a web address, and a short printable code.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.client.oauth_endpoint import Clock, ask, check_scope, tokens_for
from pillarbox.client.oauth_errors import (
    ApplicationRefused,
    ConsentExpired,
    ConsentLost,
    ProviderUnavailable,
    cleaned,
)
from pillarbox.client.oauth_http import Exchange, exchange
from pillarbox.client.oauth_providers import Application
from pillarbox.client.oauth_tokens import Tokens
from pillarbox.config.problem import Wrong
from pillarbox.config.schema_tokens import web_address

__all__ = ["DevicePrompt", "device_login"]

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL = 5.0  # RFC 8628 §3.2: where the provider says nothing
_SLOWER = 5.0  # RFC 8628 §3.5
_LONGEST_INTERVAL = 120.0
_LONGEST_WAIT = 1800.0  # seconds; providers give some 15 minutes


@dataclass(frozen=True, slots=True)
class DevicePrompt:
    """What the user has to do. `str()` of it is a sentence to show.

    Attributes:
        address: the page to open.
        code: what to type there.
        complete_address: the page with the code filled in, for a QR code or a link; "" when there is none.
        seconds: how long there is time.
    """

    address: str
    code: str
    complete_address: str
    seconds: float

    def __str__(self) -> str:
        return f"Open {self.address} in a browser, on any device, and enter the code {self.code}"


def device_login(
    application: Application,
    show: Callable[[DevicePrompt], object],
    *,
    exchange: Exchange = exchange,
    clock: Clock = time.time,
    wait: Callable[[float], object] = time.sleep,
) -> Tokens:
    """Log in with a code the user types into a web page. Returns when that has happened.

    Args:
        application: what is registered at the provider.
        show: tells the user what to do.
        exchange: does the HTTP requests.
        clock: seconds since 1970.
        wait: waits so many seconds. What it raises ends the login.

    Raises:
        ConsentDenied: the user said no.
        ConsentExpired: nobody answered in time.
        ApplicationRefused: the provider has no device flow for mail, or does not accept the application.
        ProviderUnavailable: the provider could not even begin.
    """
    provider = application.provider
    if not provider.device_url:
        raise ApplicationRefused(provider.device_help or f"{provider.name} has no device flow: log in with a browser")
    began = clock()
    said = ask(application, provider.device_url, {"scope": " ".join(provider.scopes)}, exchange)
    prompt, device_code = _prompt(provider.name, said)
    interval = _seconds(said.get("interval"), _INTERVAL, _LONGEST_INTERVAL)
    show(prompt)
    while True:
        wait(interval)
        if clock() - began >= prompt.seconds:
            raise ConsentExpired(f"{provider.name}: nobody gave consent in time: begin again")
        try:
            fields = {"grant_type": _GRANT, "device_code": device_code}
            return check_scope(application, tokens_for(application, fields, exchange, clock))
        except ProviderUnavailable as problem:
            interval = min(_next_interval(interval, problem), _LONGEST_INTERVAL)
        except ConsentLost as problem:
            raise ConsentExpired(
                f"{provider.name}: the code is not good any more: begin again", code=problem.code, detail=problem.detail
            ) from None


def _next_interval(interval: float, problem: ProviderUnavailable) -> float:
    if problem.code == "authorization_pending":
        return interval
    if problem.code == "slow_down":
        return interval + _SLOWER
    return max(2 * interval, problem.retry_after)  # RFC 8628 §3.5: back off when there is no answer


def _prompt(name: str, said: dict[str, object]) -> tuple[DevicePrompt, str]:
    # Google says "verification_url", from before the RFC.
    address = said.get("verification_uri", said.get("verification_url"))
    code, device_code = said.get("user_code"), said.get("device_code")
    complete = said.get("verification_uri_complete", "")
    seconds = _seconds(said.get("expires_in"), _LONGEST_WAIT, _LONGEST_WAIT)
    if isinstance(address, str) and isinstance(code, str) and isinstance(device_code, str):
        try:
            filled_in = web_address(complete) if isinstance(complete, str) and complete else ""
            if device_code and 0 < len(code) <= 100 and cleaned(code) == code:
                return DevicePrompt(web_address(address), code, filled_in, seconds), device_code
        except Wrong:
            pass
    raise ProviderUnavailable(f"{name}: the answer is not that of a device flow: try again later")


def _seconds(value: object, default: float, longest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return default
    return min(float(value), longest)
