"""1,000 secrets through every path into the server, right and wrong, whole and broken: none is found again. P60.

Searched afterwards: the log at its lowest level, what the server printed, the accounts, the guard's state, and every
other file it has made; each secret as it is, in base64 at every alignment, and in hexadecimal. A worker is also made
to crash with secrets in its memory, and leaves no core dump.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.wiring.ways import Client, Installation, encoded, scram

from pillarbox.auth.totp import code_at, step_at
from pillarbox.events import Secret
from pillarbox.sasl import CramMd5Client, LoginClient, OAuthBearerClient, PlainClient, XOAuth2Client
from pillarbox.testing.live import LiveServer

COUNT = 1_000
OWN = "kanarie-own-password-" + secrets.token_hex(8)


def _cut(client: Client, octets: bytes) -> None:
    """Part of a line, and then nothing more."""
    client.tls.sendall(octets)
    client.tls.close()


def _over(client: Client, secret: str, octets: int) -> bytes:
    return client.say(f"PASS {secret} " + "x" * octets)


def _auth_lines(client: Client, *lines: str) -> bytes:
    reply = b""
    for line in lines:
        reply = client.say(line)
    return reply


WRONG: tuple[Callable[[Client, str], object], ...] = (
    lambda client, secret: client.user_pass("ada", secret),
    lambda client, secret: client.user_pass("nobody", secret),
    lambda client, secret: client.say(f"PASS {secret}"),
    lambda client, secret: client.say(f"PASS  {secret} "),
    lambda client, secret: client.say(f"pass\t{secret}"),
    lambda client, secret: client.say(secret),
    lambda client, secret: client.say(f"{secret} ada"),
    lambda client, secret: client.say(f"APOP ada {secret}"),
    lambda client, secret: _over(client, secret, 300),
    lambda client, secret: _over(client, secret, 20_000),
    lambda client, secret: client.auth(PlainClient("ada", Secret(secret))),
    lambda client, secret: client.auth(PlainClient("ada", Secret(secret), "somebody else")),
    lambda client, secret: client.auth(LoginClient("ada", Secret(secret))),
    lambda client, secret: client.auth(scram("ada", secret)),
    lambda client, secret: client.auth(scram("ada", secret, client.tls)),
    lambda client, secret: client.auth(CramMd5Client("ada", Secret(secret))),
    lambda client, secret: client.auth(OAuthBearerClient("ada", Secret(secret))),
    lambda client, secret: client.auth(XOAuth2Client("ada", Secret(secret))),
    lambda client, secret: client.auth(XOAuth2Client("ada", Secret(f"eyJhbGciOiJFUzI1NiJ9.{secret}.{secret}"))),
    lambda client, secret: client.say(f"AUTH PLAIN {secret}"),
    lambda client, secret: client.say(f"AUTH {secret} {secret}"),
    lambda client, secret: client.say(f"AUTH PLAIN !{encoded(secret.encode())}"),
    lambda client, secret: client.say(f"AUTH PLAIN {encoded(secret.encode())}"),
    lambda client, secret: client.say(f"AUTH EXTERNAL {encoded(secret.encode())}"),
    lambda client, secret: _auth_lines(client, "AUTH LOGIN", encoded(b"ada"), secret),
    lambda client, secret: _auth_lines(client, "AUTH PLAIN", secret * 600),
    lambda client, secret: _auth_lines(client, "AUTH SCRAM-SHA-256", encoded(f"n,,n=ada,r={secret}".encode()), secret),
    lambda client, secret: _cut(client, f"USER ada\r\nPASS {secret}".encode()),
    lambda client, secret: _cut(client, f"USER ada\r\nPASS {secret}\r\n".encode()),
    lambda client, secret: _cut(client, f"AUTH PLAIN\r\n{encoded(secret.encode())}\r\n".encode()),
)


# A name is written down as it was given, unless it is an app password in the wrong field.
MISPLACED: tuple[Callable[[Client, str], object], ...] = (
    lambda client, secret: client.user_pass(secret, secret),
    lambda client, secret: client.say(f"USER {secret}"),
    lambda client, secret: client.say(f"APOP {secret} {32 * 'a'}"),
    lambda client, secret: client.auth(PlainClient(secret, Secret(secret), secret)),
    lambda client, secret: client.auth(PlainClient("ada", Secret(secret), secret)),
    lambda client, secret: client.auth(LoginClient(secret, Secret(secret))),
    lambda client, secret: client.auth(CramMd5Client(secret, Secret(secret))),
    lambda client, secret: client.auth(scram(secret, secret)),
    lambda client, secret: client.auth(XOAuth2Client(secret, Secret(secret))),
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    keys.write_text('{"keys": []}')
    settings = {
        "auth": {"mechanisms": ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "CRAM-MD5", "APOP"]},
        "auth.tokens": {"enabled": True, "issuer": "https://a.example", "audience": ["a"], "jwks_file": str(keys)},
        "guard": {"penalty": 0.0},
    }
    with LiveServer({"ada": OWN, "coded": OWN}, workers=2, settings=settings, cleartext=True) as server:  # type: ignore[arg-type]  # values of several types
        made = Installation(server)
        yield made
        made.accounts.close()


def _before_tls(here: Installation, secret: str) -> None:
    """To the port that wants STLS first, and to the one that wants a handshake."""
    for port in (here.server.pop3_port, here.server.pop3s_port):
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(f"USER ada\r\nPASS {secret}\r\nQUIT\r\n".encode())
            while plain.recv(4096):
                pass


def test_no_secret_is_found_again(here: Installation) -> None:
    used = [OWN]
    for number in range(COUNT):
        secret = f"kanarie-{secrets.token_hex(10)}"
        # Sources of their own, so that the guard lets them come as far as the check.
        source = f"127.{20 + number % 200}.{number // 200}.1"
        if number % 50 == 0:
            _before_tls(here, secret)
        elif number % 50 == 1:
            _, secret = here.mint("ada", recoverable=number % 100 == 1)
            with here.client(source) as client:
                assert client.auth(scram("ada", secret)).startswith(b"+OK")
            with here.client(source) as client:
                assert client.user_pass("ada", secret).startswith(b"+OK")
                assert client.say(f"PASS {secret}").startswith(b"-ERR")
            with here.client(source) as client:
                MISPLACED[number // 50 % len(MISPLACED)](client, secret)
        else:
            # The server may close on an over-long line.
            with here.client(source) as client, contextlib.suppress(OSError):
                WRONG[number % len(WRONG)](client, secret)
        used.append(secret)
    totp = here.enrol("coded")
    with here.client("127.250.1.1") as client:
        assert client.user_pass("coded", OWN + code_at(totp, step_at(time.time()))).startswith(b"+OK")
    here.server.wait_for("SessionEnded", count=COUNT // 2, seconds=30)
    _assert_nowhere(here, [*used, base64.b32encode(totp).decode()])


def test_a_crash_leaves_no_core_dump_with_a_secret(here: Installation) -> None:
    secret = f"kanarie-{secrets.token_hex(10)}"
    with here.client("127.251.1.1") as client:
        client.say("USER ada")
        client.tls.sendall(f"PASS {secret}".encode())  # without its end: it stays in the buffer
        workers = here.server.workers()
        for pid in workers:
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert re.search(r"Max core file size\s+0\s+0", limits)
            os.kill(pid, signal.SIGSEGV)
        here.server.wait_for("WorkerEnded", count=len(workers))
    _assert_nowhere(here, [secret])
    assert not list(Path.cwd().glob("core*"))


def _assert_nowhere(here: Installation, used: list[str]) -> None:
    octets = {path: path.read_bytes() for path in here.server.directory.rglob("*") if path.is_file()}
    assert any(path.name == "events.jsonl" and data for path, data in octets.items())
    assert any(path.name.startswith("accounts.sqlite") for path in octets)
    forms = [form for secret in used for form in _forms(secret)]
    for path, data in octets.items():
        assert not [form for form in forms if form in data], path


def _forms(secret: str) -> Iterator[bytes]:
    octets = secret.encode()
    yield octets
    yield octets.hex().encode()
    for shift in range(3):
        # In base64 with anything before it: the characters that depend on the secret alone.
        text = base64.b64encode(b"\0" * shift + octets)
        yield text[-(-shift * 8 // 6) + (1 if shift else 0) : len(text) - 4]
