"""The web server on 127.0.0.1 to which the browser brings the authorization code: one page, for one login.

Rules: loopback only, on a port the kernel chooses; whatever is not the awaited redirect gets its answer and changes
nothing; connections have a few seconds and a small request. The page says nothing of what came, runs no script, and
tells the browser not to keep or pass on its address, which holds the code.
Serves RFC 8252 §7.3 and §8.3.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

__all__ = ["Loopback"]

_SECONDS = 10.0  # for one connection: browsers open some ahead, without a request
_WAITING = 16  # redirects that are looked at; a program that floods the port is not our user
_PAGE = (
    b"<!doctype html><meta charset=utf-8><title>Pillarbox</title>"
    b"<p>Thank you. You can close this page and go back to Pillarbox.</p>"
)
_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Length", str(len(_PAGE))),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Connection", "close"),
)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 8

    def __init__(self) -> None:
        self.came: queue.Queue[str] = queue.Queue(_WAITING)
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # as the base class has them
        """Nothing: a browser that goes away is no trouble."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _SECONDS
    server_version = "Pillarbox"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path not in ("", "/") or not parts.query:
            self.send_error(404)
            return
        self.send_response(200)
        for name, value in _HEADERS:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(_PAGE)
        try:
            self.server.came.put_nowait(self.path)
        except queue.Full:
            pass

    def log_message(self, *_: Any) -> None:
        """Nothing: the request line holds the code."""


class Loopback:
    """Listens from its making on. Use it in `with`.

    Attributes:
        port: of 127.0.0.1. Where a provider wants "localhost", a browser may try ::1 first, finds nobody, and comes
            here; if somebody were there, PKCE makes the code useless to them.
    """

    def __init__(self) -> None:
        self._server = _Server()
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="oauth", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, is_mine: Callable[[str], bool], patience: float) -> str | None:
        """The first address that came and `is_mine`; None when none does within `patience` seconds."""
        deadline = time.monotonic() + patience
        while True:
            try:
                address = self._server.came.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                return None
            if is_mine(address):
                return address
