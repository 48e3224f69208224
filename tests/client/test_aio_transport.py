"""The asynchronous transport, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

import pytest
from tests.client.tls_server import Certificate
from tests.listening import listening

from pillarbox.client.aio_transport import AioTransport, connect
from pillarbox.client.tls_rules import TlsRules

SECONDS = 10.0


def soon() -> float:
    return time.monotonic() + SECONDS


def with_pair(test: Callable[[AioTransport, socket.socket], Awaitable[None]]) -> None:
    async def run() -> None:
        here, there = socket.socketpair()
        here.setblocking(False)
        transport = AioTransport(here)
        with there:
            await test(transport, there)
            transport.close()
            transport.close()

    asyncio.run(run())


def test_octets_both_ways() -> None:
    async def test(transport: AioTransport, there: socket.socket) -> None:
        await transport.send(b"CAPA\r\n", soon())
        assert there.recv(100) == b"CAPA\r\n"
        coming = asyncio.ensure_future(transport.receive(soon()))
        await asyncio.sleep(0)
        there.sendall(b"+OK\r\n")
        assert await coming == b"+OK\r\n"
        there.close()
        assert await transport.receive(soon()) == b""

    with_pair(test)


def test_a_deadline_loses_no_octet() -> None:
    async def test(transport: AioTransport, there: socket.socket) -> None:
        for n in range(5):
            with pytest.raises(TimeoutError):
                await transport.receive(time.monotonic() + 0.01)
            there.sendall(b"%d" % n)
            assert await transport.receive(soon()) == b"%d" % n
        with pytest.raises(TimeoutError):
            await transport.receive(time.monotonic() - 1)

    with_pair(test)


def test_a_server_that_reads_nothing_ends_at_the_deadline() -> None:
    async def test(transport: AioTransport, there: socket.socket) -> None:
        with pytest.raises(TimeoutError):
            await transport.send(b"x" * 50_000_000, time.monotonic() + 0.05)

    with_pair(test)


def test_connecting_and_tls(tmp_path_factory: pytest.TempPathFactory) -> None:
    certificate = Certificate(tmp_path_factory.mktemp("certificate"))

    def serve(connection: socket.socket) -> None:
        with certificate.context.wrap_socket(connection, server_side=True) as stream:
            stream.sendall(b"x" * 100_000 + stream.recv(100))

    async def test(port: int) -> None:
        transport = await connect("localhost", port, soon())
        context = TlsRules(ca_file=certificate.file).client_context()
        assert (await transport.start_tls(context, "localhost", soon())).version == "TLSv1.3"
        await transport.send(b"end", soon())
        got = b""
        while piece := await transport.receive(soon()):
            got += piece
        assert got == b"x" * 100_000 + b"end"
        transport.close()

    with listening(serve) as port:
        asyncio.run(test(port))


def test_nobody_there() -> None:
    async def test() -> None:
        with pytest.raises(OSError, match="9"):
            await connect("127.0.0.1", 9, soon())
        with pytest.raises(TimeoutError):
            await connect("127.0.0.1", 9, time.monotonic() - 1)

    asyncio.run(test())
