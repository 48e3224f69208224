"""One request, to a server that behaves and to many that do not: always bounded, always typed."""

import contextlib
import datetime
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.listening import listening

from pillarbox.client.oauth_http import MAX_ANSWER, HttpAnswer, NoAnswer, exchange

Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that does one thing with each connection, and then closes it."""

    def secured(connection: socket.socket) -> None:
        assert tls is not None
        with tls.wrap_socket(connection, server_side=True) as stream:
            serve(stream)

    with listening(serve if tls is None else secured) as port:
        yield port


def says(data: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return serve


def drips(data: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.sendall(data)
        for _ in range(500):
            connection.sendall(b"x")
            time.sleep(0.02)

    return serve


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def pours(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def asked(serve: Serve, timeout: float = 10.0, form: dict[str, str] | None = None) -> HttpAnswer:
    with serving(serve) as port:
        return exchange(f"http://127.0.0.1:{port}/a?b=c", form, timeout=timeout)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 429, 500, 503])
def test_every_status_is_an_answer_and_nothing_is_followed(status: int) -> None:
    head = f"HTTP/1.1 {status} x\r\nLocation: https://elsewhere.example/\r\nRetry-After: 30\r\n\r\nbody"
    answer = asked(says(head.encode()))
    assert (answer.status, answer.body) == (status, b"body")
    assert (answer.location, answer.retry_after) == ("https://elsewhere.example/", 30)


def test_what_is_sent() -> None:
    got: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        got.append(connection.recv(65536))
        while b"\r\n\r\n" not in got[-1] or (got[-1].startswith(b"POST") and b"t=%C3%A4+b" not in got[-1]):
            got[-1] += connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    asked(serve)
    asked(serve, form={"t": "ä b"})
    assert got[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert got[1].startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded\r\n" in got[1]
    assert got[1].endswith(b"\r\n\r\nt=%C3%A4+b")


@pytest.mark.parametrize(
    ("serve", "reason"),
    [
        (says(b""), "no connection"),
        (says(b"220 mail.example.org ESMTP\r\n"), "not an HTTP answer"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"), "cut short"),
        (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "cut short"),
        (says(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n"), "not an HTTP answer"),
        (says(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000), "not an HTTP answer"),
        (pours, f"more than {MAX_ANSWER} octets"),
    ],
)
def test_garbage_and_floods(serve: Serve, reason: str) -> None:
    with pytest.raises(NoAnswer, match=reason) as caught:
        asked(serve)
    assert not caught.value.certain


@pytest.mark.parametrize(
    "serve",
    [silent, drips(b""), drips(b"HTTP/1.1 200 OK\r\nx: "), drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")],
)
def test_the_deadline_is_for_all_of_it(serve: Serve) -> None:
    started = time.monotonic()
    with pytest.raises(NoAnswer, match="in time"):
        asked(serve, timeout=0.3)
    assert time.monotonic() - started < 5


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoAnswer, match="no connection"):
        exchange(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.org/",
        "http://localhost/",
        "ftp://127.0.0.1/",
        "https://user@login.example.org/",
        "https://login.example.org/a b",
        "https://login.example.org/\r\nX: y",
        "",
    ],
)
def test_only_https_or_loopback(url: str) -> None:
    with pytest.raises(NoAnswer) as caught:
        exchange(url)
    assert caught.value.certain


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def test_certificates_are_verified(certificate: Path) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with serving(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), own) as port:
        assert exchange(f"https://localhost:{port}/", tls=trusting).body == b"{}"
        with pytest.raises(NoAnswer, match="certificate is not trusted"):
            exchange(f"https://localhost:{port}/")
        with pytest.raises(NoAnswer, match="certificate is not trusted"):
            exchange(f"https://127.0.0.1:{port}/", tls=trusting)  # another name
    with serving(silent) as port, pytest.raises(NoAnswer, match="in time"):
        exchange(f"https://localhost:{port}/", tls=trusting, timeout=0.3)
    with serving(says(b"HTTP/1.1 200 OK\r\n\r\n")) as port, pytest.raises(NoAnswer, match="TLS failed"):
        exchange(f"https://localhost:{port}/", tls=trusting)


def test_an_answer_does_not_print() -> None:
    assert "sesame" not in repr(HttpAnswer(200, b"sesame"))
