"""The TLS side of a channel against OpenSSL's own client, in memory: octet for octet, without a socket."""

from __future__ import annotations

import datetime
import random
import ssl
from pathlib import Path

import pytest

from pillarbox.config.schema_listener import Tls
from pillarbox.server.certificates import make_self_signed
from pillarbox.server.tls import build_context
from pillarbox.server.tls_stream import LAST, RECORD, TlsStream

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Peer:
    """A client, sans I/O too."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def handshake(self, stream: TlsStream) -> None:
        complete = False
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                done = False
            else:
                done = True
            stream.feed(self.outgoing.read())
            complete = complete or stream.handshake()
            self.incoming.write(stream.take())
            if done and complete:
                return

    def sends(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def reads(self, octets: bytes) -> bytes:
        self.incoming.write(octets)
        parts = []
        while True:
            try:
                part = self.tls.read(RECORD)
            except ssl.SSLWantReadError:
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts)

    def lengths(self, octets: bytes) -> list[int]:
        """The plaintext lengths of whole records."""
        found = []
        while octets:
            end = 5 + int.from_bytes(octets[3:5])
            found.append(len(self.reads(octets[:end])))
            octets = octets[end:]
        return found


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    now = datetime.datetime.now(datetime.UTC)
    certificate, key = make_self_signed(tmp_path_factory.mktemp("tls"), ["localhost"], now)
    context = build_context(Tls(certificate=certificate, key=key))
    assert context is not None
    return context, certificate


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def connected(request: pytest.FixtureRequest, contexts: tuple[ssl.SSLContext, Path]) -> tuple[TlsStream, Peer]:
    server, certificate = contexts
    client = ssl.create_default_context(cafile=str(certificate))
    client.minimum_version = client.maximum_version = request.param
    stream, peer = TlsStream(server), Peer(client)
    peer.handshake(stream)
    assert stream.secured().version.replace(".", "_") == request.param.name
    peer.reads(b"")
    return stream, peer


Connected = tuple[TlsStream, Peer]


def test_what_the_client_sends_is_read_whole_or_octet_by_octet(connected: Connected) -> None:
    stream, peer = connected
    stream.feed(peer.sends(b"CAPA\r\n") + peer.sends(b"QUIT\r\n"))
    assert stream.read() == b"CAPA\r\nQUIT\r\n"
    assert stream.read() == b""
    read = b""
    for octet in peer.sends(b"NOOP\r\n"):
        assert read == b""
        stream.feed(bytes([octet]))
        read += stream.read()
    assert read == b"NOOP\r\n"
    assert not stream.ended


def test_a_large_flood_is_read_completely(connected: Connected) -> None:
    stream, peer = connected
    data = random.Random(7).randbytes(5 * RECORD + 17)
    stream.feed(b"".join(peer.sends(data[at : at + 1000]) for at in range(0, len(data), 1000)))
    assert stream.read() == data


@pytest.mark.parametrize(
    "size", [1, LAST, RECORD - 1, RECORD, RECORD + 1, RECORD + LAST, 2 * RECORD + LAST - 1, 5 * RECORD]
)
def test_a_reply_is_sent_in_records_whose_last_is_not_torn(connected: Connected, size: int) -> None:
    """P11: the end of a reply, its dot line, never comes in a record of a few octets of its own."""
    stream, peer = connected
    data = random.Random(size).randbytes(size)
    records = list(stream.encrypt(bytearray(data)))
    assert all(records)
    lengths = [length for record in records for length in peer.lengths(record)]
    assert sum(lengths) == size
    assert max(lengths) <= RECORD
    assert lengths[-1] >= min(size, LAST)
    assert b"".join(map(peer.reads, stream.encrypt(data))) == data


def test_nothing_is_encrypted_before_it_is_asked_for(connected: Connected) -> None:
    """An idle or slow session holds one record at most."""
    stream, _ = connected
    pieces = stream.encrypt(bytes(100 * RECORD))
    assert len(next(pieces)) < RECORD + 100
    assert stream.take() == b""
    assert list(stream.encrypt(b"")) == []


def test_close_notify_both_ways(connected: Connected) -> None:
    """P56."""
    stream, peer = connected
    ours = stream.close()
    assert ours
    assert peer.reads(ours) == b""
    assert peer.tls.read(1) == b""  # the end of the data, not a cut
    assert stream.close() == b""


@pytest.mark.parametrize("behind", [b"", b"j", b"\x17\x03\x03\x00\x05hello" * 100])
def test_a_clients_close_notify_ends_it_after_what_came_before(connected: Connected, behind: bytes) -> None:
    """What stands behind it is not read, and above all not tried again and again."""
    stream, peer = connected
    octets = peer.sends(b"QUIT\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.unwrap()
    stream.feed(octets + peer.outgoing.read() + behind)
    assert stream.read() == b"QUIT\r\n"
    assert stream.ended
    stream.feed(behind)
    assert stream.read() == b""


def test_broken_records_end_it_without_an_exception(connected: Connected) -> None:
    stream, peer = connected
    good = peer.sends(b"NOOP\r\n")
    bad = bytearray(peer.sends(b"DELE 1\r\n"))
    bad[-1] ^= 1
    stream.feed(good + bytes(bad))
    assert stream.read() == b"NOOP\r\n"
    assert stream.ended
    assert stream.read() == b""


@pytest.mark.parametrize(
    "octets", [b"USER anna\r\nPASS x\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + bytes(200)]
)
def test_what_is_not_tls_fails_the_handshake(contexts: tuple[ssl.SSLContext, Path], octets: bytes) -> None:
    stream = TlsStream(contexts[0])
    assert not stream.handshake()
    stream.feed(octets)
    with pytest.raises(ssl.SSLError):
        stream.handshake()


def test_octets_behind_the_handshake_are_kept(contexts: tuple[ssl.SSLContext, Path]) -> None:
    """A client may send its first command together with the end of its handshake (TLS 1.3)."""
    client = ssl.create_default_context(cafile=str(contexts[1]))
    stream, peer = TlsStream(contexts[0]), Peer(client)
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.do_handshake()
    stream.feed(peer.outgoing.read())
    assert not stream.handshake()
    peer.incoming.write(stream.take())
    peer.tls.do_handshake()
    stream.feed(peer.outgoing.read() + peer.sends(b"CAPA\r\n"))
    assert stream.handshake()
    assert stream.read() == b"CAPA\r\n"
