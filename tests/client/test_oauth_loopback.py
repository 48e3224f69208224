"""The web server of a browser login: loopback only, patient with browsers, deaf to everybody else."""

import socket
import time

from pillarbox.client.oauth_loopback import Loopback


def talk(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_the_page_tells_nothing_and_is_kept_by_nobody() -> None:
    with Loopback() as loopback:
        answer = talk(loopback.port, b"GET /?code=sesame&state=s HTTP/1.1\r\nHost: x\r\n\r\n")
        assert loopback.wait(lambda _: True, 5) == "/?code=sesame&state=s"
    head, _, page = answer.partition(b"\r\n\r\n")
    assert b"sesame" not in page
    assert b"<script" not in page
    for header in (
        b"Cache-Control: no-store",
        b"Referrer-Policy: no-referrer",
        b"Content-Security-Policy: default-src",
    ):
        assert header in head


def test_an_idle_connection_holds_up_nobody() -> None:
    with Loopback() as loopback, socket.create_connection(("127.0.0.1", loopback.port)):
        talk(loopback.port, b"GET /?a=b HTTP/1.0\r\n\r\n")
        assert loopback.wait(lambda _: True, 5) == "/?a=b"


def test_other_requests_are_answered_and_forgotten() -> None:
    with Loopback() as loopback:
        for request in (
            b"POST /?a=b HTTP/1.0\r\n\r\n",
            b"GET /x?a=b HTTP/1.0\r\n\r\n",
            b"\x16\x03\x01\r\n",
            b"GET\r\n",
        ):
            talk(loopback.port, request)
        for number in range(100):
            talk(loopback.port, b"GET /?n=%d HTTP/1.0\r\n\r\n" % number)
        assert loopback.wait(lambda address: address == "/?n=3", 5) == "/?n=3"
        started = time.monotonic()
        assert loopback.wait(lambda _: False, 0.05) is None
        assert time.monotonic() - started < 5


def test_it_listens_on_loopback_only_and_ends() -> None:
    with Loopback() as loopback:
        port = loopback.port
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.2", port))  # free: not bound to every address
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
