"""An identity provider on loopback: real keys, a real HTTP server, and every way in which it can misbehave."""

from __future__ import annotations

import contextlib
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from tests.web import web

from pillarbox.events import Secret

ISSUER = "https://login.example.org"
NOW = 1_800_000_000.0
GOOD: dict[str, Any] = {"iss": ISSUER, "aud": "pillarbox", "exp": NOW + 600, "email": "alice@example.org"}

Answer = Callable[["Handler"], None]


def rsa(kid: str) -> Key:
    return RSAKey.generate_key(2048, {"kid": kid})


def ec(kid: str, curve: Any = "P-256") -> Key:
    return ECKey.generate_key(curve, {"kid": kid})


def ed25519(kid: str) -> Key:
    return OKPKey.generate_key("Ed25519", {"kid": kid})


def key_set(*keys: Key) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


def signed(key: Key, claims: Any, algorithm: str, **header: Any) -> Secret:
    """A token with these claims, signed; `header` overrides."""
    full = {"alg": algorithm, "kid": key.kid, **header}
    full = {name: value for name, value in full.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = 100_000
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    with warnings.catch_warnings():
        # Providers say "EdDSA", though RFC 9864 has a more precise name.
        warnings.simplefilter("ignore", SecurityWarning)
        return Secret(jws.serialize_compact(full, payload, key, registry=registry))


class Handler(BaseHTTPRequestHandler):
    """Answers with what the provider holds for the path."""

    provider: Provider
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.provider.asked.append((self.path, b"", dict(self.headers)))
        self.provider.answers[self.path](self)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.provider.asked.append((self.path, body, dict(self.headers)))
        self.provider.answers[self.path](self)

    def log_message(self, *args: Any) -> None:
        pass

    def reply(self, body: bytes, kind: str = "application/json", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Provider:
    """One provider. `answers` is by path; `asked` holds what came in."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, bytes, dict[str, str]]] = []
        self.ended = threading.Event()

    def url(self, path: str) -> str:
        return self.address + path

    def holds(self, path: str, value: Any) -> None:
        self.answers[path] = lambda handler: handler.reply(json.dumps(value).encode())

    def octets(self, path: str, body: bytes, kind: str = "application/json", status: int = 200) -> None:
        self.answers[path] = lambda handler: handler.reply(body, kind, status)

    def hangs_up(self, path: str) -> None:
        self.answers[path] = lambda handler: setattr(handler, "close_connection", True)

    def silent(self, path: str) -> None:
        self.answers[path] = lambda handler: self._wait()

    def drips(self, path: str, headers: bytes) -> None:
        """After `headers`, one octet at a time, for ever."""

        def drip(handler: Handler) -> None:
            handler.close_connection = True
            with contextlib.suppress(OSError):
                handler.wfile.write(headers)
                while not self.ended.wait(0.02):
                    handler.wfile.write(b" ")

        self.answers[path] = drip

    def endless(self, path: str) -> None:
        """As much as is taken, without a length."""

        def pour(handler: Handler) -> None:
            handler.close_connection = True
            with contextlib.suppress(OSError):
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
                while not self.ended.is_set():
                    handler.wfile.write(b"1," * 8192)

        self.answers[path] = pour

    def _wait(self) -> None:
        self.ended.wait(30)


@contextlib.contextmanager
def running() -> Iterator[Provider]:
    class Own(Handler):
        pass

    with web(Own) as port:
        provider = Own.provider = Provider(port)
        try:
            yield provider
        finally:
            provider.ended.set()


class Clock:
    """A clock that is set by hand; UTC and monotonic seconds in one."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now
