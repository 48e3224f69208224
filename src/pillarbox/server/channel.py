"""A non-blocking socket as a byte stream, in clear or under TLS, with deadlines.

Rules: octets that arrive go to one receiver as they come, and reading pauses when it holds too much; one task waits
at a time; every wait has a deadline, which the worker's one ticker enforces, so that a connection costs no timer of its own;
TLS runs directly on the socket, so that nothing of it is buffered while a session is idle.
No protocol here: `connection` gives the octets their meaning.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

READ_SIZE = 16_384
"""Octets asked for at once: one TLS record, so that nothing stays behind inside OpenSSL."""

HOLD = 65_536
"""Octets the receiver may hold before reading pauses (P36)."""

LINGER = 2.0
"""Seconds to wait for the peer's FIN after ours, so that the last reply is not lost to a reset."""


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
        "_deadline",
        "_fd",
        "_loop",
        "_reading",
        "_sock",
        "_waiter",
        "_waits_for_input",
        "ended",
        "received",
        "receiver",
        "sent",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._waiter: asyncio.Future[None] | None = None
        self._waits_for_input = False
        self._deadline = 0.0
        self._reading = False
        self.receiver: Callable[[bytes], int] | None = None
        self.ended = False
        self.received = self.sent = 0

    # ---- waiting ------------------------------------------------------------------------------------------------

    async def _wait(self, seconds: float) -> None:
        loop = self._loop
        waiter = self._waiter = loop.create_future()
        self._deadline = loop.time() + seconds
        try:
            await waiter
        finally:
            self._waiter = None

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
        if waiter is None or waiter.done() or not self._waits_for_input:
            return False
        waiter.set_exception(Interrupted)
        return True

    # ---- reading ------------------------------------------------------------------------------------------------

    def start_reading(self) -> None:
        """Let octets flow to the receiver."""
        if not self._reading and not self.ended:
            self._reading = True
            self._loop.add_reader(self._fd, self._readable)

    def stop_reading(self) -> None:
        """Leave octets in the kernel's buffer."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._wake_blocked_write()
            return
        except OSError:  # ssl.SSLError is one too: a broken stream is a closed one
            data = b""
        if data:
            self.received += len(data)
            assert self.receiver is not None
            if self.receiver(data) > HOLD:
                self.stop_reading()
        else:
            self.ended = True
            self.stop_reading()
        if self._waits_for_input:
            self._wake()
        else:
            self._wake_blocked_write()

    def _wake_blocked_write(self) -> None:
        """TLS may need to read before it can write on."""
        if isinstance(self._sock, ssl.SSLSocket) and not self._waits_for_input:
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
        self.start_reading()
        self._waits_for_input = True
        try:
            await self._wait(seconds)
        finally:
            self._waits_for_input = False

    async def peek(self, size: int, seconds: float) -> bytes:
        """What has arrived, without taking it; waits for the first octet. Only before `start_reading` and TLS.

        Raises:
            ChannelClosed, DeadlinePassed: as `more`.
        """
        while True:
            try:
                data = self._sock.recv(size, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                await self._wait_readable(seconds)
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

    async def _wait_readable(self, seconds: float) -> None:
        self._loop.add_reader(self._fd, self._wake)
        try:
            await self._wait(seconds)
        finally:
            self._loop.remove_reader(self._fd)

    # ---- writing ------------------------------------------------------------------------------------------------

    async def write(self, data: bytes | bytearray, seconds: float) -> None:
        """Send everything; `seconds` is how long it may go without progress (P38).

        Raises:
            ChannelClosed: the peer is gone.
            WriteStalled: no progress.
        """
        size = len(data)
        try:
            done = self._sock.send(data)
        except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            done = 0
        except OSError as error:
            raise ChannelClosed from error
        if done < size:
            await self._write_rest(memoryview(data), done, seconds)
        self.sent += size

    async def _write_rest(self, view: memoryview, done: int, seconds: float) -> None:
        while done < len(view):
            try:
                done += self._sock.send(view[done:])
            except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError):
                await self._wait_writable(seconds)
            except ssl.SSLWantReadError:
                self.start_reading()
                await self._wait(seconds)
            except OSError as error:
                raise ChannelClosed from error

    async def _wait_writable(self, seconds: float) -> None:
        self._loop.add_writer(self._fd, self._wake)
        try:
            await self._wait(seconds)
        except DeadlinePassed as error:
            raise WriteStalled from error
        finally:
            self._loop.remove_writer(self._fd)

    # ---- TLS ----------------------------------------------------------------------------------------------------

    async def start_tls(self, context: ssl.SSLContext, seconds: float) -> ssl.SSLSocket:
        """Do the server's side of a handshake, in `seconds` altogether (P53).

        Raises:
            ssl.SSLError: it failed.
            ChannelClosed, DeadlinePassed: as `more`.
        """
        self.stop_reading()
        try:
            sock = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                raise
            raise ChannelClosed from error
        self._sock = sock
        end = self._loop.time() + seconds
        while True:
            try:
                sock.do_handshake()
            except ssl.SSLWantReadError:
                await self._wait_readable(end - self._loop.time())
            except ssl.SSLWantWriteError:
                await self._wait_writable(end - self._loop.time())
            except ssl.SSLError:
                raise
            except OSError as error:
                raise ChannelClosed from error
            else:
                return sock

    # ---- the end ------------------------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Close in order: close_notify (P56), FIN, then wait a little for the peer's."""
        self.stop_reading()
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self._sock, ssl.SSLSocket):
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    self._sock.unwrap()
            self._sock.shutdown(socket.SHUT_WR)
            if not self.ended:
                await self._drain_until_fin()
        self.abort()

    async def _drain_until_fin(self) -> None:
        # What still comes is thrown away unread, as raw octets: the conversation is over, under TLS too.
        end = self._loop.time() + LINGER
        with contextlib.suppress(DeadlinePassed, ssl.SSLError):
            while (left := end - self._loop.time()) > 0:
                await self._wait_readable(left)
                with contextlib.suppress(BlockingIOError, InterruptedError):
                    if not socket.socket.recv(self._sock, READ_SIZE):
                        return

    def abort(self) -> None:
        """Close at once. Safe to repeat."""
        if self._fd >= 0:
            self.stop_reading()
            self._loop.remove_writer(self._fd)
            self._fd = -1
            self._sock.close()
