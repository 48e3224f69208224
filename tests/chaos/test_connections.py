"""Connections that end in every way, against the whole server with its Maildirs (P21, P37), and slow readers (P36)."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator

import pytest

from pillarbox.testing.live import LiveServer

PASSWORD = b"secret"
SECONDS = 15.0
LARGE = b"Subject: large\n\n" + b"0123456789abcdef\n" * 300_000
MAIL = b"Subject: x\n\nbody\n"

pytestmark = pytest.mark.slow

_accounts = [f"account{number}" for number in range(80)]


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    accounts = dict.fromkeys(_accounts, PASSWORD.decode())
    with LiveServer(accounts, cleartext=True, settings={"timeouts": {"stall": 0.5}}) as running:
        yield running
        assert not running.events("InternalError")


@pytest.fixture
def account(server: LiveServer) -> str:
    """A fresh account with a large and a small message."""
    name = _accounts.pop()
    server.deliver(name, LARGE, "1.M1P1.localhost")
    server.deliver(name, MAIL, "2.M2P1.localhost")
    return name


def _fin(sock: socket.socket) -> None:
    socket.socket.shutdown(sock, socket.SHUT_WR)


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def _close(sock: socket.socket) -> None:
    sock.close()


def _connect(server: LiveServer, account: str, *, tls: bool, buffer: int = 0) -> socket.socket:
    """Logged in, with all replies so far read."""
    sock: socket.socket = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(SECONDS)
    sock.connect(("127.0.0.1", server.pop3s_port if tls else server.open_port))
    if tls:
        sock = server.client_context().wrap_socket(sock, server_hostname="localhost")
    sock.sendall(b"USER " + account.encode() + b"\r\nPASS " + PASSWORD + b"\r\n")
    replies = b""
    while replies.count(b"\r\n") < 3:
        replies += sock.recv(4096)
    assert replies.count(b"+OK") == 3, replies
    return sock


def _rest(sock: socket.socket) -> bytes:
    """All that still comes."""
    got = bytearray()
    try:
        while data := sock.recv(1 << 20):
            got += data
    except (ConnectionError, ssl.SSLError, OSError):
        pass  # reset, or closed by ourselves
    return bytes(got)


def _left(server: LiveServer, account: str) -> int:
    """Messages in the maildrop, once the session is over and its lock is free."""
    server.wait_for("SessionEnded", where=lambda event: event["user"] == account, seconds=SECONDS)
    sock = _connect(server, account, tls=False)
    sock.sendall(b"STAT\r\nQUIT\r\n")
    count = int(_rest(sock).split()[1])
    sock.close()
    return count


ENDS: dict[str, Callable[[socket.socket], None]] = {"fin": _fin, "reset": _reset, "close": _close}


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "commands",
    [b"DELE 1\r\nDELE 2\r\n", b"DELE 1\r\nQUIT", b"DELE 2\r\nRETR 1\r\n", b"RETR 1\r\nDELE 1\r\nDELE 2\r\nNOOP\r\n"],
    ids=["marked", "half a QUIT", "in a reply", "behind a reply"],
)
def test_p21_p37_an_end_without_quit_deletes_nothing(
    server: LiveServer, account: str, commands: bytes, end: str, tls: bool
) -> None:
    sock = _connect(server, account, tls=tls)
    sock.sendall(commands)
    ENDS[end](sock)
    _rest(sock)
    sock.close()
    assert _left(server, account) == 2


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("commands", [b"DELE 2\r\nQUIT\r\n", b"RETR 1\r\nDELE 2\r\nQUIT\r\n"], ids=["short", "long"])
def test_p37_quit_and_fin_get_every_reply_and_the_deletion(
    server: LiveServer, account: str, commands: bytes, tls: bool
) -> None:
    sock = _connect(server, account, tls=tls)
    sock.sendall(commands)
    _fin(sock)
    assert _rest(sock).endswith(b"+OK bye\r\n")
    sock.close()
    assert _left(server, account) == 1


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_p36_who_reads_nothing_is_cut_and_loses_nothing(server: LiveServer, account: str, tls: bool) -> None:
    sock = _connect(server, account, tls=tls, buffer=4096)
    sock.sendall(b"RETR 1\r\n" * 50 + b"DELE 1\r\nQUIT\r\n")
    event = server.wait_for("SessionEnded", where=lambda event: event["user"] == account, seconds=SECONDS)[0]
    assert event["how"] == "stalled"
    assert event["deleted"] == 0
    sock.close()
    assert _left(server, account) == 2


def test_p36_who_reads_slowly_gets_everything(server: LiveServer, account: str) -> None:
    sock = _connect(server, account, tls=True, buffer=65_536)
    sock.sendall(b"RETR 1\r\nQUIT\r\n")
    got = bytearray()
    while data := sock.recv(16_384):
        got += data
        if len(got) % 5 == 0:
            time.sleep(0.01)
    assert got.endswith(b"\r\n.\r\n+OK bye\r\n")
    assert got.count(b"0123456789abcdef\r\n") == 300_000
    sock.close()
