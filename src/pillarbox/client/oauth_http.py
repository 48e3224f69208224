"""One HTTP request, with a client's secrets in it or for its settings: small, bounded, and never without TLS.

Rules: https, or http to a loopback address; certificates are verified; no redirect is followed and no proxy is used;
one answer has at most so many octets, and is there within so many seconds, however slowly it drips. Every status is an
answer (OAuth2 says "not yet" with 400); what is none is `NoAnswer`, whose text holds nothing that was sent or came.
The standard library does all that two kinds of requests need; whoever needs a proxy passes another `Exchange`.

Elsewhere: what the answers mean (`oauth_endpoint`, `discover_fetch`). The server's own requests to identity providers
are in `pillarbox.auth`, which a client does not need.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import SplitResult, urlencode, urlsplit

from pillarbox.config.problem import Wrong
from pillarbox.config.schema_tokens import web_address

__all__ = ["Exchange", "HttpAnswer", "NoAnswer", "NobodyThere", "exchange"]

MAX_ANSWER = 256 * 1024
"""Octets: answers with tokens have some 5 KB, settings of mail providers some 20 KB."""

TIMEOUT = 30.0
"""Seconds for one request, from connecting to the last octet; looking up the name may take as long again."""

_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})


class NoAnswer(Exception):
    """There was no answer. `reason` is a fixed phrase; `certain` tells that asking again cannot help."""

    def __init__(self, reason: str, *, certain: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.certain = certain


class NobodyThere(NoAnswer):
    """There is no host of that name, or it has no web server."""


@dataclass(frozen=True, slots=True, repr=False)
class HttpAnswer:
    """What came back. It never prints: the body may hold tokens.

    Attributes:
        status: as in RFC 9110 §15.
        body: complete, `MAX_ANSWER` octets at most.
        location: where a redirect leads, as sent; "" for nowhere.
        retry_after: seconds to wait before the next request; 0 when nothing usable was said.
    """

    status: int
    body: bytes
    location: str = ""
    retry_after: float = 0.0


Exchange = Callable[[str, "dict[str, str] | None"], HttpAnswer]
"""GETs a URL, or POSTs a form to it. Raises `NoAnswer`."""


def exchange(
    url: str, form: dict[str, str] | None = None, *, timeout: float = TIMEOUT, tls: ssl.SSLContext | None = None
) -> HttpAnswer:
    """GET `url`, or POST `form` to it.

    Args:
        url: https://…, or http:// with a loopback address.
        form: fields for `application/x-www-form-urlencoded`.
        timeout: seconds for everything.
        tls: how certificates are checked; by default with the system's authorities.

    Raises:
        NoAnswer: for every reason there is.
    """
    try:
        parts = urlsplit(web_address(url))
    except Wrong:
        raise NoAnswer("its address is not https://…", certain=True) from None
    deadline = time.monotonic() + timeout
    try:
        with _connected(parts, deadline, tls) as channel:
            return _asked(channel, parts, form)
    except TimeoutError:
        raise NoAnswer("no answer in time") from None
    except ssl.SSLCertVerificationError:
        raise NoAnswer("its certificate is not trusted") from None
    except ssl.SSLError:
        raise NoAnswer("TLS failed") from None
    except ConnectionRefusedError:
        raise NobodyThere("no connection") from None
    except socket.gaierror as problem:
        kind = NobodyThere if problem.errno in _NO_SUCH_NAME else NoAnswer
        raise kind("its name cannot be found") from None
    except OSError:
        raise NoAnswer("no connection") from None
    except (http.client.HTTPException, ValueError):
        raise NoAnswer("not an HTTP answer, or cut short") from None


def _asked(channel: _Channel, parts: SplitResult, form: dict[str, str] | None) -> HttpAnswer:
    connection = http.client.HTTPConnection(parts.hostname or "", _port(parts))
    # It only sends, makes a file and closes; typeshed wants a whole socket.
    connection.sock = cast("Any", channel)
    headers = {"Accept": "application/json, application/xml;q=0.9, */*;q=0.1", "User-Agent": "pillarbox"}
    headers["Connection"] = "close"
    body = None
    if form is not None:
        body = urlencode(form).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET" if form is None else "POST", target, body, headers)
    with connection.getresponse() as response:
        data = response.read(MAX_ANSWER + 1)
        if len(data) > MAX_ANSWER:
            raise NoAnswer(f"the answer has more than {MAX_ANSWER} octets")
        if response.length:
            raise NoAnswer("not an HTTP answer, or cut short")
        wait = response.headers.get("Retry-After", "")
        # RFC 9110 §10.2.3 also allows a date; whoever sends one gets our own pace.
        seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 7 else 0.0
        return HttpAnswer(response.status, data, response.headers.get("Location", ""), seconds)


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _connected(parts: SplitResult, deadline: float, tls: ssl.SSLContext | None) -> _Channel:
    host = parts.hostname or ""
    bare = socket.create_connection((host, _port(parts)), _left(deadline))
    if parts.scheme != "https":
        return _Channel(bare, deadline)
    try:
        bare.settimeout(_left(deadline))  # ssl measures it over the whole handshake, not for each octet
        context = tls or ssl.create_default_context()
        return _Channel(context.wrap_socket(bare, server_hostname=host), deadline)
    except (OSError, ValueError):
        bare.close()
        raise


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0 or math.isnan(left):
        raise TimeoutError
    return left


class _Channel:
    """As much of a socket as `http.client` uses, with one deadline for everything instead of one for each octet."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def __enter__(self) -> _Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def sendall(self, data: bytes) -> None:
        self._connection.settimeout(_left(self._deadline))
        self._connection.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._connection, self._deadline))

    def close(self) -> None:
        """Nothing: `http.client` closes its socket while it still reads the answer; `with` closes this one."""


class _Incoming(io.RawIOBase):
    def __init__(self, connection: socket.socket, deadline: float) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # any writable buffer; typeshed's name for that is not importable
        self._connection.settimeout(_left(self._deadline))
        return self._connection.recv_into(buffer)
