"""Settings by HTTPS: a GET that follows a few redirects, with nothing secret in it.

Rules: https on every hop, certificates verified, size and time bounded (`oauth_http`); 404 and its like mean that
nothing is there. A domain without such a host is the normal case, and no trouble.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urljoin, urlsplit

from pillarbox.client.oauth_http import Exchange, NoAnswer, NobodyThere, exchange

__all__ = ["Fetch", "FetchFailed", "https_get"]

TIMEOUT = 10.0
"""Seconds for one request."""

REDIRECTS = 3
_REDIRECT = frozenset({301, 302, 303, 307, 308})

Fetch = Callable[[str], "bytes | None"]
"""Gets a URL: the body, or None when nothing is there. Raises `FetchFailed`. Called in several threads at once."""

_PATIENT: Exchange = partial(exchange, timeout=TIMEOUT)


class FetchFailed(Exception):
    """Somebody is there, but gave no usable answer. The text says why, for people."""


def https_get(url: str, *, exchange: Exchange = _PATIENT) -> bytes | None:
    """GET `url`.

    Raises:
        FetchFailed: there is a server, but it gives no usable answer.
    """
    for _ in range(REDIRECTS + 1):
        host = urlsplit(url).hostname
        try:
            answer = exchange(url, None)
        except NobodyThere:
            return None
        except NoAnswer as problem:
            raise FetchFailed(f"{host}: {problem.reason}") from None
        if answer.status == 200:
            return answer.body
        if answer.status not in _REDIRECT:
            # Whatever else a web server says of a page that it does not have.
            return None
        url = _followed(url, answer.location, host)
    raise FetchFailed(f"{host}: more than {REDIRECTS} redirects")


def _followed(url: str, location: str, host: str | None) -> str:
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError:
        scheme = ""
    if scheme not in ("https", urlsplit(url).scheme):
        raise FetchFailed(f"{host}: a redirect that leaves https")
    return target
