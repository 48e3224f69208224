"""Requests to a provider that behaves, and to one that does not: always bounded, always `Unanswered`."""

import asyncio
import datetime
import ssl
import threading
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.auth.provider import Handler, Provider, running

from pillarbox.auth import token_http
from pillarbox.auth.token_http import JsonClient, Unanswered
from pillarbox.config.problem import Wrong
from pillarbox.testing.live import free_ports

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as found:
        yield found


def ask(url: str, *, timeout: float = 5.0, form: bytes | None = None, **options: Any) -> Any:
    async def once() -> Any:
        client = JsonClient(timeout=timeout, **options)
        try:
            return await client.ask(url, form=form, headers={"Authorization": "Basic eDp5"})
        finally:
            client.close()

    return asyncio.run(once())


def refused(url: str, **options: Any) -> str:
    with pytest.raises(Unanswered) as caught:
        ask(url, **options)
    return caught.value.reason


def test_get_and_post(provider: Provider) -> None:
    provider.holds("/a?b=c", {"x": 1})
    assert ask(provider.url("/a?b=c")) == {"x": 1}
    assert ask(provider.url("/a?b=c"), form=b"token=t") == {"x": 1}
    (_, _, headers), (_, body, posted) = provider.asked
    assert headers["Authorization"] == "Basic eDp5"
    assert body == b"token=t"
    assert posted["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("status", [204, 301, 302, 307, 400, 401, 404, 500, 503])
def test_only_ok_is_an_answer_and_nothing_is_followed(provider: Provider, status: int) -> None:
    provider.octets("/a", b"{}" if status != 204 else b"", status=status)
    assert refused(provider.url("/a")) == f"status {status}"
    assert len(provider.asked) == 1


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/octet-stream", "application/jsonx", ""])
def test_another_content_type_is_refused(provider: Provider, kind: str) -> None:
    provider.octets("/a", b"{}", kind)
    assert refused(provider.url("/a")) == "the answer is not declared to be JSON"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/jwk-set+json"])
def test_json_by_its_other_names(provider: Provider, kind: str) -> None:
    provider.octets("/a", b"{}", kind)
    assert ask(provider.url("/a")) == {}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"<html>", b"[" * 100_000, b"1" * 5000])
def test_garbage_is_refused(provider: Provider, body: bytes) -> None:
    provider.octets("/a", body)
    assert refused(provider.url("/a")) == "the answer is not JSON"


def test_a_huge_answer_is_not_read(provider: Provider) -> None:
    provider.octets("/a", b" " * 2000 + b"{}")
    assert "more than 1000 octets" in refused(provider.url("/a"), max_answer=1000)
    provider.endless("/b")
    assert "more than" in refused(provider.url("/b"))


def test_a_short_answer_is_noticed(provider: Provider) -> None:
    def short(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(HEAD + b"Content-Length: 50\r\n\r\n{}")

    provider.answers["/a"] = short
    assert "cut short" in refused(provider.url("/a"))


@pytest.mark.parametrize("answer", [b"", b"220 smtp ready\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"])
def test_what_is_not_http_is_refused(provider: Provider, answer: bytes) -> None:
    def other(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(answer)

    provider.answers["/a"] = other
    assert refused(provider.url("/a")) in ("not an HTTP answer, or cut short", "no connection")


def test_nobody_there() -> None:
    assert refused(f"http://127.0.0.1:{free_ports(1)[0]}/") == "no connection"


@pytest.mark.parametrize("how", ["silent", "headers", "body", "length"])
def test_slow_answers_are_cut_off(provider: Provider, how: str) -> None:
    """A drip of octets resets a socket's own time-out for ever; the whole request has one of its own."""
    if how == "silent":
        provider.silent("/a")
    else:
        ends = {"headers": b"X: ", "body": b"\r\n{}", "length": b"Content-Length: 100000\r\n\r\n"}
        provider.drips("/a", HEAD + ends[how])

    async def once() -> None:
        client = JsonClient(timeout=0.2)
        with pytest.raises(Unanswered, match="no answer in time"):
            await client.ask(provider.url("/a"))
        for _ in range(1000):  # the thread itself is free again, too
            if not client._waiting:
                break
            await asyncio.sleep(0.01)
        assert not client._waiting
        client.close()

    asyncio.run(once())


def test_waiting_requests_are_bounded(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_http, "MAX_WAITING", 3)
    provider.silent("/a")
    provider.holds("/b", 1)

    async def many() -> list[Any]:
        client = JsonClient(timeout=0.2)
        jobs = [client.ask(provider.url("/a")) for _ in range(5)]
        answers = await asyncio.gather(*jobs, return_exceptions=True)
        while True:  # the places come back when the threads are free
            try:
                answers.append(await client.ask(provider.url("/b")))
                break
            except Unanswered:
                await asyncio.sleep(0.01)
        client.close()
        return answers

    *reasons, last = asyncio.run(many())
    assert sum("too many" in str(reason) for reason in reasons) == 2
    assert sum("in time" in str(reason) for reason in reasons) == 3
    assert last == 1


@pytest.mark.parametrize(
    "url", ["http://example.org/", "http://localhost/", "ftp://127.0.0.1/", "http://127.0.0.1@example.org/", "http://"]
)
def test_without_tls_only_this_machine_is_asked(url: str) -> None:
    with pytest.raises((Wrong, Unanswered)):
        ask(url)


class Tls:
    def __init__(self, base: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.datetime.now(datetime.UTC)
        import ipaddress

        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(key, hashes.SHA256())
        )
        self.file = base / "both.pem"
        self.file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )


def test_certificates_are_verified(tmp_path: Path) -> None:
    made = Tls(tmp_path)

    class Own(Handler):
        provider = Provider(0)

    Own.provider.holds("/a", {"x": 1})
    server = HTTPServer(("127.0.0.1", 0), Own)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.file)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        url = f"https://127.0.0.1:{server.server_address[1]}/a"
        assert refused(url) == "its certificate is not trusted"
        assert ask(url, tls=ssl.create_default_context(cafile=str(made.file))) == {"x": 1}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
