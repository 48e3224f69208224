"""The blocking transport, over real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from tests.client.tls_server import Certificate
from tests.listening import listening

from pillarbox.client.tls_rules import TlsRules
from pillarbox.client.transport import SocketTransport, connect

SECONDS = 10.0


def soon() -> float:
    return time.monotonic() + SECONDS


@pytest.fixture
def pair() -> Iterator[tuple[SocketTransport, socket.socket]]:
    here, there = socket.socketpair()
    transport = SocketTransport(here)
    with there:
        yield transport, there
        transport.close()


def test_octets_both_ways(pair: tuple[SocketTransport, socket.socket]) -> None:
    transport, there = pair
    transport.send(b"CAPA\r\n", soon())
    assert there.recv(100) == b"CAPA\r\n"
    there.sendall(b"+OK\r\n")
    assert transport.receive(soon()) == b"+OK\r\n"
    there.close()
    assert transport.receive(soon()) == b""


def test_a_deadline_leaves_everything_as_it_was(pair: tuple[SocketTransport, socket.socket]) -> None:
    transport, there = pair
    with pytest.raises(TimeoutError):
        transport.receive(time.monotonic() + 0.01)
    with pytest.raises(TimeoutError):
        transport.receive(time.monotonic() - 1)
    there.sendall(b"+OK\r\n")
    assert transport.receive(soon()) == b"+OK\r\n"


def test_a_server_that_reads_nothing_ends_at_the_deadline(pair: tuple[SocketTransport, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        pair[0].send(b"x" * 50_000_000, time.monotonic() + 0.05)


def test_connecting_and_tls(tmp_path_factory: pytest.TempPathFactory) -> None:
    certificate = Certificate(tmp_path_factory.mktemp("certificate"))

    def serve(connection: socket.socket) -> None:
        with certificate.context.wrap_socket(connection, server_side=True) as stream:
            stream.sendall(b"x" * 100_000 + stream.recv(100))

    with listening(serve) as port:
        transport = connect("localhost", port, soon())
        channel = transport.start_tls(TlsRules(ca_file=certificate.file).client_context(), "localhost", soon())
        assert channel.version == "TLSv1.3"
        with pytest.raises(TimeoutError):
            transport.receive(time.monotonic() + 0.01)
        transport.send(b"end", soon())
        got = b""
        while piece := transport.receive(soon()):
            got += piece
        assert got == b"x" * 100_000 + b"end"
        transport.close()


def test_nobody_there() -> None:
    with pytest.raises(OSError, match="refused"):
        connect("127.0.0.1", 9, soon())
    with pytest.raises(TimeoutError):
        connect("127.0.0.1", 9, time.monotonic() - 1)
    with pytest.raises(socket.gaierror):
        connect("no such name", 9, soon())


def test_closing_never_fails(pair: tuple[SocketTransport, socket.socket]) -> None:
    pair[0].close()
    pair[0].close()
