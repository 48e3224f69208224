"""The asynchronous transport: a non-blocking socket on the running loop.

Rules: those of `transport`; nothing is read before it is asked for, so that a slow caller slows the server down, and
not one octet is taken from the socket before a handshake that belongs to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time

from pillarbox.client.tls_stream import TlsStream
from pillarbox.client.transport import RECEIVE
from pillarbox.client.wants import Channel


class AioTransport:
    """A TCP connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._tls: TlsStream | None = None
        self._coming: asyncio.Task[bytes] | None = None  # a read that outlived its deadline
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def send(self, data: bytes, deadline: float) -> None:
        """Send all octets."""
        await self._send(data if self._tls is None else self._tls.encrypt(data), deadline)

    async def _send(self, data: bytes, deadline: float) -> None:
        if data:
            async with asyncio.timeout(_left(deadline)):
                await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def receive(self, deadline: float) -> bytes:
        """The octets that are there."""
        tls = self._tls
        if tls is None:
            return await self._receive(deadline)
        while not (data := tls.read()) and not tls.ended:
            if reply := tls.take():
                await self._send(reply, deadline)
            tls.feed(await self._receive(deadline))
        return data

    async def _receive(self, deadline: float) -> bytes:
        if self._coming is None:
            with contextlib.suppress(BlockingIOError, InterruptedError):
                return self._socket.recv(RECEIVE)
            self._coming = asyncio.ensure_future(_read(self._socket))
        # A read is never cancelled at a deadline: octets that come at that very moment would be lost.
        await asyncio.wait((self._coming,), timeout=_left(deadline))
        if not self._coming.done():
            raise TimeoutError
        coming, self._coming = self._coming, None
        return coming.result()

    async def start_tls(self, context: ssl.SSLContext, name: str, deadline: float) -> Channel:
        """Do a handshake as a client."""
        tls = TlsStream(context, name)
        try:
            while not tls.handshake():
                await self._send(tls.take(), deadline)
                tls.feed(await self._receive(deadline))
        except ssl.SSLError:
            with contextlib.suppress(OSError):
                await self._send(tls.take(), deadline)  # the alert: it tells the server what was wrong
            raise
        await self._send(tls.take(), deadline)
        self._tls = tls
        return tls.channel()

    def close(self) -> None:
        """Close at once."""
        if self._coming is not None:
            self._coming.cancel()
        with contextlib.suppress(OSError):
            if self._tls is not None:
                self._socket.send(self._tls.close())
        self._socket.close()


async def _read(connection: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(connection, RECEIVE)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


async def connect(host: str, port: int, deadline: float) -> AioTransport:
    """A connection to the first address of a host that answers; each address gets its share of the time.

    Raises:
        OSError: the last address's trouble; `TimeoutError` when it was the time.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_left(deadline)):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    trouble: OSError = OSError("the name has no address")
    for left, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        share = _left(deadline) / left
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(share):
                await loop.sock_connect(connection, address)
        except OSError as error:
            connection.close()
            trouble = error
        except BaseException:
            connection.close()
            raise
        else:
            return AioTransport(connection)
    raise trouble
