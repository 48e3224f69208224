"""One HTTP request to an identity provider: small, bounded, and never without TLS but to this machine.

Rules: https, or http to a loopback address; certificates are verified; no redirect is followed, no proxy is used; one
answer has at most so many octets and comes within so many seconds, however slowly it drips; it is JSON. Requests run in
a few threads of their own, so that a slow provider holds up nobody but those who need it. The standard library is
enough for two kinds of requests; whatever goes wrong is `Unanswered`, whose text holds nothing that was sent or came.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from pillarbox.config.schema_tokens import web_address

MAX_ANSWER = 256 * 1024
"""Octets: the largest public key set is some 20 KB."""

MAX_WAITING = 64
"""Requests that may wait for a thread; more are refused at once."""

_THREADS = 4
_JSON_TYPES = frozenset({"application/json", "application/jwk-set+json", "application/token-introspection+json"})


class Unanswered(Exception):
    """There was no usable answer. `reason` is a fixed phrase, with a status number at most."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class JsonClient:
    """Asks services that answer in JSON.

    It may be made before a fork: threads start with the first request. One client belongs to one event loop.

    Args:
        timeout: seconds for one request, from asking to the last octet.
        tls: how certificates are checked; None for the system's authorities.
        max_answer: octets.
    """

    def __init__(self, *, timeout: float, tls: ssl.SSLContext | None = None, max_answer: int = MAX_ANSWER) -> None:
        self._timeout = timeout
        self._tls = tls
        self._max_answer = max_answer
        self._waiting = 0
        self._executor: ThreadPoolExecutor | None = None

    async def ask(self, url: str, *, form: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """GET `url`, or POST `form` to it; the JSON value of the answer, whatever it is (hence `Any`).

        Raises:
            Unanswered: for every reason there is.
        """
        if self._waiting >= MAX_WAITING:
            raise Unanswered("too many requests wait already")
        self._waiting += 1
        if self._executor is None:
            self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="tokens")
        job = self._executor.submit(self._exchange, url, form, dict(headers or {}))
        # The place is given back when the request is over, not when the caller stops waiting.
        loop = asyncio.get_running_loop()
        job.add_done_callback(lambda _: _call_on(loop, self._leave))
        try:
            # Twice: as long may pass in the queue, and while a name is looked up, which cannot be cut short.
            return await asyncio.wait_for(asyncio.wrap_future(job), 2 * self._timeout)
        except TimeoutError:
            raise Unanswered("no answer in time") from None

    def close(self) -> None:
        """Let the threads end."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _leave(self) -> None:
        self._waiting -= 1

    # ---- in a thread ------------------------------------------------------------------------------------------

    def _exchange(self, url: str, form: bytes | None, headers: dict[str, str]) -> Any:
        try:
            with self._connected(url) as connection:
                parts = urlsplit(url)
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                method = "GET" if form is None else "POST"
                if form is not None:
                    headers["Content-Type"] = "application/x-www-form-urlencoded"
                headers |= {"Accept": "application/json", "Connection": "close", "User-Agent": "pillarbox"}
                connection.request(method, target, form, headers)
                with connection.getresponse() as response:
                    return self._answer(response)
        except TimeoutError:
            raise Unanswered("no answer in time") from None
        except ssl.SSLCertVerificationError:
            raise Unanswered("its certificate is not trusted") from None
        except ssl.SSLError:
            raise Unanswered("TLS failed") from None
        except OSError:
            raise Unanswered("no connection") from None
        except http.client.HTTPException:
            raise Unanswered("not an HTTP answer, or cut short") from None
        except (ValueError, RecursionError):
            raise Unanswered("the answer is not JSON") from None

    @contextlib.contextmanager
    def _connected(self, url: str) -> Iterator[http.client.HTTPConnection]:
        parts = urlsplit(web_address(url))
        host = parts.hostname or ""
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        bare = socket.create_connection((host, port), self._timeout)
        # Time-outs of sockets are for each octet; this one is for all of them. The copy of the socket keeps its number
        # from being another connection's by then.
        guard = bare.dup()
        late = threading.Event()
        timer = threading.Timer(self._timeout, _cut, (guard, late))
        timer.daemon = True
        timer.start()
        connection = http.client.HTTPConnection(host, port, self._timeout)
        try:
            connection.sock = bare
            if secure:
                # Made when it is first needed: reading all authorities takes some 20 ms.
                self._tls = self._tls or ssl.create_default_context()
                connection.sock = self._tls.wrap_socket(bare, server_hostname=host)
            yield connection
            # A body without a length ends where the connection does, also where it was cut.
            if late.is_set():
                raise TimeoutError
        except (OSError, ValueError, Unanswered, http.client.HTTPException):
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            connection.close()
            bare.close()
            guard.close()

    def _answer(self, response: http.client.HTTPResponse) -> Any:
        if response.status != http.client.OK:
            raise Unanswered(f"status {response.status}")
        if response.headers.get_content_type() not in _JSON_TYPES:
            raise Unanswered("the answer is not declared to be JSON")
        data = response.read(self._max_answer + 1)
        if len(data) > self._max_answer:
            raise Unanswered(f"the answer has more than {self._max_answer} octets")
        if response.length:
            raise Unanswered("not an HTTP answer, or cut short")
        return json.loads(data)


def _cut(connection: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _call_on(loop: asyncio.AbstractEventLoop, work: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(work)
