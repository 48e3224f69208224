"""An authorization server on loopback: real HTTP, rotation with reuse detection, PKCE, the device flow, and faults.

It is strict where real ones are: a refresh token works once, a code once, and a code only with its verifier.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.web import web

from pillarbox.client.oauth import Application, Provider, Tokens
from pillarbox.events import Secret

SCOPE = "https://mail.example.org/pop"
Fields = dict[str, str]


class Handler(BaseHTTPRequestHandler):
    """Gives every request to the server object."""

    owner: AuthorizationServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.owner.authorize(self, {name: values[0] for name, values in parse_qs(parts.query).items()})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
        with self.owner.lock:
            self.owner.asked.append((self.path, fields))
            fault = self.owner.faults.popleft() if self.owner.faults else None
        time.sleep(self.owner.delay)
        if fault is not None:
            fault(self)
        elif self.path == "/device":
            self.json(200, self.owner.begin_device())
        else:
            self.json(*self.owner.token(fields))

    def json(self, status: int, value: Any, **headers: str) -> None:
        self.raw(status, json.dumps(value).encode(), **headers)

    def raw(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class AuthorizationServer:
    """One server. `asked` holds every POST; `faults` are used up before anything is answered properly."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.lock = threading.Lock()
        self.asked: list[tuple[str, Fields]] = []
        self.faults: deque[Callable[[Handler], None]] = deque()
        self.refresh_tokens = {"refresh-0"}
        self.used: set[str] = set()
        self.rotates = True
        self.delay = 0.0  # seconds before each answer
        self.count = 0
        self.answer: dict[str, Any] = {}  # laid over every good answer; None takes a field out
        self.device_says: deque[str] = deque()  # errors of the device flow, in order; then consent
        self.device_answer: dict[str, Any] = {}
        self.codes: dict[str, Fields] = {}
        self.denies = False

    @property
    def provider(self) -> Provider:
        urls = (f"{self.base}/authorize", f"{self.base}/token", f"{self.base}/device")
        return Provider("example", *urls, scopes=(SCOPE, "offline_access"))

    @property
    def application(self) -> Application:
        return Application(self.provider, "client-1", Secret("hush"))

    def tokens(self, **changes: Any) -> Tokens:
        """A login of before, with the first refresh token, whose access token has ended."""
        fields: dict[str, Any] = {
            "client_id": "client-1",
            "token_url": f"{self.base}/token",
            "access_token": Secret("old"),
            "refresh_token": Secret("refresh-0"),
            "expires_at": 0.0,
            "scope": SCOPE,
        }
        return Tokens(**{**fields, **changes})

    def fails(self, status: int, body: Any = b"", times: int = 1, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.faults.extend([lambda handler: handler.raw(status, data, **headers)] * times)

    def grants(self, kind: str) -> int:
        return sum(fields.get("grant_type", "").endswith(kind) for _, fields in self.asked)

    # ---- what it does ---------------------------------------------------------------------------------------------

    def authorize(self, handler: Handler, fields: Fields) -> None:
        """The page: a user who consents at once, or denies."""
        assert fields["code_challenge_method"] == "S256"
        assert fields["response_type"] == "code"
        said = {"state": fields["state"]}
        if self.denies:
            said["error"] = "access_denied"
        else:
            self.count += 1
            said["code"] = f"code-{self.count}"
            self.codes[said["code"]] = fields
        handler.raw(302, b"", Location=f"{fields['redirect_uri']}?{urlencode(said)}")

    def begin_device(self) -> dict[str, Any]:
        return {
            "device_code": "device-1",
            "user_code": "ABCD-EFGH",
            "verification_uri": f"{self.base}/activate",
            "expires_in": 600,
            "interval": 5,
        } | self.device_answer

    def token(self, fields: Fields) -> tuple[int, dict[str, Any]]:
        if (fields.get("client_id"), fields.get("client_secret")) != ("client-1", "hush"):
            return 401, {"error": "invalid_client"}
        with self.lock:
            match fields["grant_type"]:
                case "refresh_token":
                    return self._refresh(fields["refresh_token"])
                case "authorization_code":
                    return self._code(fields)
                case _:
                    return self._device(fields)

    def _refresh(self, token: str) -> tuple[int, dict[str, Any]]:
        if token not in self.refresh_tokens:
            return 400, {"error": "invalid_grant", "error_description": "expired or revoked\x1b[31m"}
        if self.rotates:
            self.refresh_tokens.remove(token)
            self.used.add(token)
        return 200, self._good(with_refresh=self.rotates)

    def _code(self, fields: Fields) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(fields["code"], None)
        digest = hashlib.sha256(fields["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != fields["redirect_uri"]
            or not 43 <= len(fields["code_verifier"]) <= 128
        ):
            return 400, {"error": "invalid_grant"}
        return 200, self._good()

    def _device(self, fields: Fields) -> tuple[int, dict[str, Any]]:
        assert fields["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
        assert fields["device_code"] == "device-1"
        if self.device_says:
            return 400, {"error": self.device_says.popleft()}
        return 200, self._good()

    def _good(self, *, with_refresh: bool = True) -> dict[str, Any]:
        self.count += 1
        said: dict[str, Any] = {
            "access_token": f"access-{self.count}",
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": SCOPE,
        }
        if with_refresh:
            said["refresh_token"] = f"refresh-{self.count}"
            self.refresh_tokens.add(said["refresh_token"])
        said |= self.answer
        return {name: value for name, value in said.items() if value is not None}


@contextlib.contextmanager
def running() -> Iterator[AuthorizationServer]:
    class Own(Handler):
        pass

    with web(Own) as port:
        Own.owner = AuthorizationServer(f"http://127.0.0.1:{port}")
        yield Own.owner
