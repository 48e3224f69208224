"""The octet layer of a scripted server: one connection's socket, its TLS, and the faults that strike at an octet.

Rules: octets are counted inside TLS; every end, orderly or not, leaves through `Ended`; whatever blocks here ends when
the server shuts the socket down.
Elsewhere: what is said (`conversation`), and how a reply is changed (`reply_script`).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator

from pillarbox.server.tls_stream import Secured, TlsStream
from pillarbox.testing.faults import Action, Fault

READ = 65_536
"""Octets read at a time."""

ENDLESS = "endless reply given up"
"""How a connection ends whose client has taken all of an endless reply."""

_LINGER = 5.0  # seconds a closed connection waits for the client's own end, so that FIN does not become RST
_SLICE = 65_536  # octets of an endless reply at a time
_TICKS = 20  # writes a second while a rate is in force


class Ended(Exception):
    """The connection is over; the text says how, in one or two words."""


class Channel:
    """One connection.

    Attributes:
        sent: octets sent so far.
        rate: octets a second that are sent at most; 0 for no limit.
    """

    def __init__(self, sock: socket.socket, stopping: threading.Event, told: Callable[[Fault], None]) -> None:
        self._sock = sock
        self._stopping = stopping
        self._told = told
        self._tls: TlsStream | None = None
        self._stream: list[tuple[int, Fault]] = []  # faults by the octet of the connection
        self._reply: list[tuple[int, Fault]] = []  # those of the reply under way
        self.sent = 0
        self.rate = 0
        self._lingers = False

    # ---- faults -------------------------------------------------------------------------------------------------

    def plan(self, faults: list[tuple[int, Fault]]) -> None:
        """Let faults strike at octets of the connection."""
        self._stream = sorted(faults, key=lambda planned: planned[0])

    def plan_reply(self, faults: list[tuple[int, Fault]]) -> None:
        """Let faults strike at octets of the reply that begins now; those of the last reply are forgotten."""
        self._reply = sorted(((self.sent + octet, fault) for octet, fault in faults), key=lambda planned: planned[0])

    def strike(self, fault: Fault) -> None:
        """Let a fault happen now. Whoever is to be told of it is told first: it may take as long as the client likes.

        Raises:
            Ended: it ended the connection.
        """
        self._told(fault)
        match fault.action:
            case Action.DROP:
                self._finish(notify=False)
                raise Ended("dropped")
            case Action.FIN:
                self._finish(notify=True)
                raise Ended("closed by fault")
            case Action.RESET:
                self._reset()
                raise Ended("reset")
            case Action.STALL:
                self._stall()
                raise Ended("stalled")
            case Action.SLOW:
                self.rate = fault.number
            case Action.CALL if fault.function is not None:
                fault.function()

    def _next(self) -> tuple[int, Fault] | None:
        firsts = [planned[0] for planned in (self._stream, self._reply) if planned]
        return min(firsts, key=lambda planned: planned[0], default=None)

    def _strike_due(self) -> None:
        while (planned := self._next()) is not None and planned[0] <= self.sent:
            (self._stream if planned in self._stream else self._reply).remove(planned)
            self.strike(planned[1])

    # ---- octets -------------------------------------------------------------------------------------------------

    def receive(self, *, wait: bool = True) -> bytes:
        """Octets of the client; none without waiting when none are there.

        Raises:
            Ended: there are no more.
        """
        while True:
            # The client's first octets may have come together with the end of its handshake.
            plain = self._tls.read() if self._tls is not None else b""
            if plain:
                return plain
            if self._tls is not None and self._tls.ended:
                raise Ended("client left")
            try:
                data = self._sock.recv(READ, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return b""
            except OSError:
                raise Ended("connection lost") from None
            if not data:
                raise Ended("client left")
            if self._tls is None:
                return data
            self._tls.feed(data)

    def send(self, data: bytes) -> None:
        """Send octets; faults strike on the way.

        Raises:
            Ended: a fault, or the client, ended the connection.
        """
        self._strike_due()
        view = memoryview(data)
        while view:
            planned = self._next()
            size = len(view) if planned is None else min(len(view), planned[0] - self.sent)
            if self.rate:
                size = min(size, max(1, self.rate // _TICKS))
                if self._stopping.wait(size / self.rate):
                    raise Ended("server stopped")
            self._write(bytes(view[:size]))
            view = view[size:]
            self._strike_due()

    def send_endlessly(self, pattern: bytes, octets: int, seconds: float) -> None:
        """Send a pattern again and again, up to a bound, then reset.

        Raises:
            Ended: always.
        """
        part = pattern * (_SLICE // len(pattern) + 1)
        started, end = self.sent, time.monotonic() + seconds
        self._sock.settimeout(seconds)
        while self.sent - started < octets and time.monotonic() < end and not self._stopping.is_set():
            self.send(part)
        self._reset()
        raise Ended(ENDLESS)

    def _write(self, data: bytes) -> None:
        if self._tls is None:
            self._raw(data)
        else:
            try:
                for record in self._tls.encrypt(data):
                    self._raw(record)
            except ssl.SSLError:
                raise Ended("connection lost") from None
        self.sent += len(data)

    def _raw(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError:
            raise Ended("connection lost") from None

    # ---- TLS ----------------------------------------------------------------------------------------------------

    def start_tls(self, context: ssl.SSLContext) -> Secured:
        """Make the handshake.

        Raises:
            Ended: it failed, or the client left.
        """
        tls = TlsStream(context)
        try:
            for _ in self._handshake(tls):
                data = self._sock.recv(READ)
                if not data:
                    raise Ended("client left in the handshake")
                tls.feed(data)
        except ssl.SSLError as error:
            with contextlib.suppress(Ended):
                self._raw(tls.take())  # the alert
                self._finish(notify=False)
            raise Ended(f"TLS failed: {error.reason or type(error).__name__}") from None
        except OSError:
            raise Ended("connection lost in the handshake") from None
        self._tls = tls
        return tls.secured()

    def _handshake(self, tls: TlsStream) -> Iterator[None]:
        while not tls.handshake():
            self._raw(tls.take())
            yield
        self._raw(tls.take())

    # ---- ends ---------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """An orderly end (P56)."""
        self._finish(notify=True)

    def shut(self) -> None:
        """End whatever blocks on this socket; from any thread."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back; after an end of ours, when the client has seen it, or had time to."""
        with contextlib.suppress(OSError):
            # What is unread when a socket is closed turns its FIN into RST.
            end = time.monotonic() + _LINGER
            while self._lingers and (left := end - time.monotonic()) > 0:
                self._sock.settimeout(left)
                if not self._sock.recv(READ):
                    break
        self._sock.close()

    def _finish(self, *, notify: bool) -> None:
        with contextlib.suppress(OSError, Ended):
            if notify and self._tls is not None:
                self._raw(self._tls.close())
            self._sock.shutdown(socket.SHUT_WR)
        self._lingers = True

    def _reset(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._sock.close()

    def _stall(self) -> None:
        """Until the client ends the connection, or the server is stopped."""
        with contextlib.suppress(OSError):
            while self._sock.recv(READ):
                pass
