"""TLS without sockets, against Python's own server side."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from tests.client.tls_server import Certificate

from pillarbox.client.tls_stream import TlsStream


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("certificate"))


class Pair:
    """A client's stream and a server's, after the handshake."""

    def __init__(self, certificate: Certificate, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        context = ssl.create_default_context(cafile=str(certificate.file))
        context.maximum_version = version
        self.client = TlsStream(context, "localhost")
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = certificate.context.wrap_bio(self._in, self._out, server_side=True)
        done = False
        while not done:
            done = self.client.handshake()
            self._in.write(self.client.take())
            with contextlib.suppress(ssl.SSLWantReadError):
                self.server.do_handshake()
            self.client.feed(self._out.read() or b"") if self._out.pending else None

    def heard(self, data: bytes) -> bytes:
        self._in.write(data)
        return self.server.read(65536)

    def say(self, data: bytes) -> bytes:
        self.server.write(data)
        return self._out.read()

    def bye(self) -> bytes:
        with contextlib.suppress(ssl.SSLError):
            self.server.unwrap()
        return self._out.read()


def test_octets_both_ways(certificate: Certificate) -> None:
    pair = Pair(certificate)
    assert pair.heard(pair.client.encrypt(b"CAPA\r\n")) == b"CAPA\r\n"
    cipher = pair.say(b"x" * 100_000)
    assert pair.client.read() == b""
    pair.client.feed(cipher[:50_000])
    first = pair.client.read()
    assert 0 < len(first) < 100_000
    pair.client.feed(cipher[50_000:])
    assert first + pair.client.read() == b"x" * 100_000


@pytest.mark.parametrize("politely", [True, False])
def test_the_end_comes_after_all_that_was_sent(certificate: Certificate, politely: bool) -> None:
    pair = Pair(certificate)
    pair.client.feed(pair.say(b"last words") + (pair.bye() if politely else b""))
    if not politely:
        pair.client.feed(b"")
    assert pair.client.read() == b"last words"
    assert pair.client.ended
    assert pair.client.read() == b""


def test_records_that_somebody_changed(certificate: Certificate) -> None:
    pair = Pair(certificate)
    cipher = bytearray(pair.say(b"hello"))
    cipher[-1] ^= 1
    pair.client.feed(bytes(cipher))
    with pytest.raises(ssl.SSLError):
        pair.client.read()


def test_tls_unique_only_where_it_is_defined(certificate: Certificate) -> None:
    """RFC 9266 §4: not with TLS 1.3."""
    new, old = Pair(certificate), Pair(certificate, ssl.TLSVersion.TLSv1_2)
    assert new.client.channel().version == "TLSv1.3"
    assert new.client.channel().unique == b""
    assert old.client.channel().version == "TLSv1.2"
    assert old.client.channel().unique == old.server.get_channel_binding("tls-unique")
    assert old.client.channel().certificate == ssl.PEM_cert_to_DER_cert(certificate.file.read_text())


def test_closing_says_so(certificate: Certificate) -> None:
    pair = Pair(certificate)
    assert pair.heard(pair.client.close()) == b""
