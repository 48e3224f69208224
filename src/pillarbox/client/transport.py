"""What carries a session's octets: the two protocols, blocking and asynchronous, and the blocking one over a socket.

Rules: a deadline is on the clock of `time.monotonic`; one that has passed raises `TimeoutError` and leaves the
connection usable; other troubles are `OSError`s. Tests and tunnels put their own in place (`Client(connect=...)`).
Elsewhere: the asynchronous one (`aio_transport`).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from pillarbox.client.tls_stream import TlsStream
from pillarbox.client.wants import Channel

RECEIVE = 262_144
"""Octets asked of the kernel at a time: as much as a fast sender lets pile up."""


class Transport(Protocol):
    """A connection that blocks."""

    def send(self, data: bytes, deadline: float) -> None:
        """Send all octets."""
        ...

    def receive(self, deadline: float) -> bytes:
        """The octets that are there, waiting for the first; b"" when the server has closed."""
        ...

    def start_tls(self, context: ssl.SSLContext, name: str, deadline: float) -> Channel:
        """Do a handshake as a client; everything after it is encrypted."""
        ...

    def close(self) -> None:
        """Close at once. Never fails."""
        ...


class AsyncTransport(Protocol):
    """A connection for asyncio."""

    async def send(self, data: bytes, deadline: float) -> None:
        """Send all octets."""
        ...

    async def receive(self, deadline: float) -> bytes:
        """The octets that are there, waiting for the first; b"" when the server has closed."""
        ...

    async def start_tls(self, context: ssl.SSLContext, name: str, deadline: float) -> Channel:
        """Do a handshake as a client; everything after it is encrypted."""
        ...

    def close(self) -> None:
        """Close at once. Never fails."""
        ...


Connector = Callable[[str, int, float], Transport]
"""Opens a connection to a host and port by a deadline."""

AsyncConnector = Callable[[str, int, float], Awaitable[AsyncTransport]]
"""Opens a connection to a host and port by a deadline."""


class SocketTransport:
    """A TCP connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._tls: TlsStream | None = None
        # A command is one small segment that must not wait for an acknowledgement.
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes, deadline: float) -> None:
        """Send all octets."""
        self._send(data if self._tls is None else self._tls.encrypt(data), deadline)

    def _send(self, data: bytes, deadline: float) -> None:
        if data:
            self._patient(deadline)
            self._socket.sendall(data)

    def receive(self, deadline: float) -> bytes:
        """The octets that are there."""
        tls = self._tls
        if tls is None:
            return self._receive(deadline)
        while not (data := tls.read()) and not tls.ended:
            if reply := tls.take():
                self._send(reply, deadline)
            tls.feed(self._receive(deadline))
        return data

    def _receive(self, deadline: float) -> bytes:
        self._patient(deadline)
        return self._socket.recv(RECEIVE)

    def _patient(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def start_tls(self, context: ssl.SSLContext, name: str, deadline: float) -> Channel:
        """Do a handshake as a client."""
        tls = TlsStream(context, name)
        try:
            while not tls.handshake():
                self._send(tls.take(), deadline)
                tls.feed(self._receive(deadline))
        except ssl.SSLError:
            with contextlib.suppress(OSError):
                self._send(tls.take(), deadline)  # the alert: it tells the server what was wrong
            raise
        self._send(tls.take(), deadline)
        self._tls = tls
        return tls.channel()

    def close(self) -> None:
        """Close at once."""
        try:
            if self._tls is not None:
                self._socket.settimeout(0)
                self._socket.send(self._tls.close())
        except OSError:
            pass
        self._socket.close()


def connect(host: str, port: int, deadline: float) -> SocketTransport:
    """A connection to the first address of a host that answers; each address gets its share of the time.

    Looking up the name takes as long as the system's resolver takes.

    Raises:
        OSError: the last address's trouble; `TimeoutError` when it was the time.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    trouble: OSError = OSError("the name has no address")
    for left, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        share = (deadline - time.monotonic()) / left
        if share <= 0:
            raise TimeoutError
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(share)
            connection.connect(address)
        except OSError as error:
            connection.close()
            trouble = error
        else:
            return SocketTransport(connection)
    raise trouble
