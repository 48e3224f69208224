"""A non-blocking socket as a byte stream, in clear or under TLS, with deadlines.

Rules: octets that arrive go to one receiver as they come, and reading pauses when it holds too much; one task waits
at a time; every wait has a deadline, which the worker's one ticker enforces, so that a connection costs no timer of its
own. No protocol here: `connection` gives the octets their meaning. TLS itself is in `tls_stream`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from pillarbox.server.poller import BROKEN, IN, OUT, Poller
from pillarbox.server.tls_stream import Secured, TlsStream

READ_SIZE = 16_384
"""Octets asked for at once."""

HOLD = 65_536
"""Octets the receiver may hold before reading pauses (P36)."""

LINGER = 2.0
"""Seconds to throw away what a peer still sends after the last reply."""

UNREGISTERED = -1
"""In place of a mask of events: the poller does not know the socket."""


class ChannelClosed(Exception):
    """The peer is gone: nothing more can be received, or sent."""


class DeadlinePassed(Exception):
    """A wait took longer than it may."""


class WriteStalled(DeadlinePassed):
    """The peer did not take what was sent to it."""


class Interrupted(Exception):
    """The wait was ended from our side: the server is stopping."""


class Channel:
    """One accepted connection.

    Attributes:
        receiver: takes octets as they arrive, and returns how many it holds unused.
        ended: the peer sent FIN; what came before it has been given to the receiver.
        received, sent: octets, inside TLS where there is TLS.
    """

    __slots__ = (
        "_awaits",
        "_deadline",
        "_events",
        "_fd",
        "_loop",
        "_poller",
        "_reading",
        "_sock",
        "_tls",
        "_waiter",
        "ended",
        "received",
        "receiver",
        "sent",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, poller: Poller) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._poller = poller
        self._tls: TlsStream | None = None
        self._events = UNREGISTERED
        self._waiter: asyncio.Future[None] | None = None
        self._awaits = 0  # events that wake the waiter; 0 while it waits for the receiver to get something
        self._deadline = 0.0
        self._reading = False
        self.receiver: Callable[[bytes], int] | None = None
        self.ended = False
        self.received = self.sent = 0

    # ---- waiting ------------------------------------------------------------------------------------------------

    def _want(self, events: int) -> None:
        """Have the poller report these events from now on."""
        if events != self._events:
            if self._events == UNREGISTERED:
                self._poller.add(self._fd, events, self._ready)
            else:
                self._poller.change(self._fd, events)
            self._events = events

    def _ready(self, events: int) -> None:
        """The poller's report."""
        if events & OUT:
            if self._awaits & OUT:
                self._wake()
                return
            # Nobody waits to write any more, and a socket can nearly always be written to: it would be told for ever.
            self._want(self._events & ~OUT)
            events &= ~OUT
            if not events:
                return
        if self._reading:
            self._read()
        elif events & self._awaits or events & BROKEN:
            self._wake()
            if events & BROKEN:
                self._unregister()  # it would be reported for ever
        else:
            self._want(self._events & ~events)  # nobody wants it now: not again until somebody does

    def _unregister(self) -> None:
        self._poller.remove(self._fd)
        self._events = UNREGISTERED

    async def _wait(self, seconds: float, awaits: int) -> None:
        loop = self._loop
        waiter = self._waiter = loop.create_future()
        self._awaits = awaits
        self._deadline = loop.time() + seconds
        try:
            await waiter
        finally:
            self._waiter = None
            self._awaits = 0

    async def _wait_for(self, events: int, seconds: float) -> None:
        self._want((IN if self._reading else 0) | events)
        await self._wait(seconds, events)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def check(self, now: float) -> None:
        """The worker's ticker: end a wait whose deadline has passed. `now` is the loop's time."""
        waiter = self._waiter
        if waiter is not None and now >= self._deadline and not waiter.done():
            waiter.set_exception(DeadlinePassed)

    def interrupt(self) -> bool:
        """End a wait for input; returns False when the session is busy with something else."""
        waiter = self._waiter
        if waiter is None or waiter.done() or self._awaits:
            return False
        waiter.set_exception(Interrupted)
        return True

    # ---- reading ------------------------------------------------------------------------------------------------

    def start_reading(self) -> None:
        """Let octets flow to the receiver."""
        if not self._reading and not self.ended:
            self._reading = True
            self._want(IN)

    def stop_reading(self) -> None:
        """Leave octets in the kernel's buffer."""
        self._reading = False

    def _read(self) -> None:
        try:
            data = self._sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._end_input()
            self._unregister()
        elif self._tls is None:
            self._take(data)
        else:
            self._tls.feed(data)
            self._decrypt(self._tls)

    def _decrypt(self, tls: TlsStream) -> None:
        data = tls.read()
        if data:
            self._take(data)
        if tls.ended:
            self._end_input()
            self._want(self._events & ~IN)

    def _take(self, data: bytes) -> None:
        self.received += len(data)
        assert self.receiver is not None
        if self.receiver(data) > HOLD:
            self.stop_reading()
        if not self._awaits:
            self._wake()

    def _end_input(self) -> None:
        self.ended = True
        self.stop_reading()
        self._wake()

    async def more(self, seconds: float) -> None:
        """Wait until the receiver got something.

        Raises:
            ChannelClosed: the peer sent FIN, or is gone.
            DeadlinePassed: nothing came in time.
            Interrupted: by `interrupt`.
        """
        if self.ended:
            raise ChannelClosed
        if not self._reading:
            self.start_reading()
        # The hottest wait of all: the same as `_wait`, without a coroutine of its own.
        loop = self._loop
        waiter = self._waiter = loop.create_future()
        self._awaits = 0
        self._deadline = loop.time() + seconds
        try:
            await waiter
        finally:
            self._waiter = None

    async def peek(self, size: int, seconds: float) -> bytes:
        """What has arrived, without taking it; waits for the first octet. Only before `start_reading` and TLS.

        Raises:
            ChannelClosed, DeadlinePassed: as `more`.
        """
        while True:
            try:
                data = self._sock.recv(size, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                await self._wait_for(IN, seconds)
                continue
            except OSError:
                data = b""
            if not data:
                self.ended = True
                raise ChannelClosed
            return data

    def discard(self, size: int) -> None:
        """Take octets that `peek` has shown."""
        while size > 0:
            size -= len(self._sock.recv(size))

    # ---- writing ------------------------------------------------------------------------------------------------

    async def write(self, data: bytes | bytearray, seconds: float) -> None:
        """Send everything; `seconds` is how long it may go without progress (P38).

        Raises:
            ChannelClosed: the peer is gone.
            WriteStalled: no progress.
        """
        if self._tls is None:
            await self._send(data, seconds)
        else:
            try:
                for record in self._tls.encrypt(data):
                    await self._send(record, seconds)
            except ssl.SSLError as error:
                raise ChannelClosed from error
        self.sent += len(data)

    async def _send(self, data: bytes | bytearray, seconds: float) -> None:
        try:
            done = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            done = 0
        except OSError as error:
            raise ChannelClosed from error
        if done < len(data):
            await self._send_rest(memoryview(data)[done:], seconds)

    async def _send_rest(self, rest: memoryview, seconds: float) -> None:
        while rest:
            await self._wait_to_write(seconds)
            try:
                rest = rest[self._sock.send(rest) :]
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                raise ChannelClosed from error

    async def _wait_to_write(self, seconds: float) -> None:
        try:
            await self._wait_for(OUT, seconds)
        except DeadlinePassed as error:
            raise WriteStalled from error

    # ---- TLS ----------------------------------------------------------------------------------------------------

    async def start_tls(self, context: ssl.SSLContext, seconds: float) -> Secured:
        """Do the server's side of a handshake, in `seconds` altogether (P53).

        Raises:
            ssl.SSLError: it failed.
            ChannelClosed, DeadlinePassed: as `more`.
        """
        self.stop_reading()
        tls = TlsStream(context)
        end = self._loop.time() + seconds
        done = False
        while not done:
            try:
                data = self._sock.recv(READ_SIZE)
            except (BlockingIOError, InterruptedError):
                await self._wait_for(IN, end - self._loop.time())
                continue
            except OSError as error:
                raise ChannelClosed from error
            if not data:
                self.ended = True
                raise ChannelClosed
            tls.feed(data)
            try:
                done = tls.handshake()
            finally:  # also the alert that says why it failed
                await self._send(tls.take(), seconds)
        self._tls = tls
        secured = tls.secured()
        self._decrypt(tls)  # the client's first command may have come with its last handshake message
        return secured

    # ---- the end ------------------------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Close in order: close_notify (P56), FIN; where octets lie unread, they are waited out first.

        Closing with unread octets would reset the connection, and with it the reply the peer has not read yet.
        """
        self.stop_reading()
        with contextlib.suppress(OSError):
            if self._tls is not None:
                self._sock.send(self._tls.close())
            if not self.ended and self._unread(socket.MSG_PEEK):
                self._sock.shutdown(socket.SHUT_WR)
                await self._drain()
        self.abort()

    def _unread(self, flags: int = 0) -> bytes:
        """What lies in the kernel's buffer; b"" for nothing, and for FIN."""
        try:
            return self._sock.recv(READ_SIZE, flags)
        except (BlockingIOError, InterruptedError):
            return b""

    async def _drain(self) -> None:
        # What still comes is thrown away unread: the conversation is over.
        end = self._loop.time() + LINGER
        with contextlib.suppress(DeadlinePassed):
            while self._unread() and (left := end - self._loop.time()) > 0:
                await self._wait_for(IN, left)

    def abort(self) -> None:
        """Close at once. Safe to repeat."""
        if self._fd >= 0:
            self._poller.forget(self._fd)
            self._fd = -1
            self._sock.close()
