"""The byte stream under a connection: waiting, deadlines, writing into full buffers, TLS, and closing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
from tests.peers.served import contexts, run

from pillarbox.server.channel import (
    HOLD,
    READ_SIZE,
    Channel,
    ChannelClosed,
    DeadlinePassed,
    Interrupted,
    WriteStalled,
)
from pillarbox.server.poller import Poller

LONG = 10.0


class Ends:
    """A channel, and the raw socket at its other end."""

    def __init__(self, channel: Channel, peer: socket.socket) -> None:
        self.channel = channel
        self.peer = peer
        self.got = bytearray()
        self.held = 0
        channel.receiver = self._receive

    def _receive(self, data: bytes) -> int:
        self.got += data
        return self.held


@contextlib.asynccontextmanager
async def ends() -> AsyncIterator[Ends]:
    """Both ends, with a ticker that enforces deadlines as a worker does."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        peer = socket.create_connection(listener.getsockname())
        sock, _ = listener.accept()
    sock.setblocking(False)
    peer.setblocking(False)
    poller = Poller(loop)
    channel = Channel(loop, sock, poller)

    async def tick() -> None:
        while True:
            channel.check(loop.time())
            await asyncio.sleep(0.01)

    ticker = loop.create_task(tick())
    both = Ends(channel, peer)
    try:
        yield both
    finally:
        ticker.cancel()
        channel.abort()
        poller.close()
        both.peer.close()


async def _receive(peer: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(peer, 1 << 20), LONG)


async def _handshake(both: Ends) -> ssl.SSLSocket:
    """TLS on both ends; returns the peer's, non-blocking."""
    server_context, client_context = contexts()
    both.peer.setblocking(True)

    def client() -> ssl.SSLSocket:
        return client_context.wrap_socket(both.peer, server_hostname="localhost")

    waiting = asyncio.get_running_loop().run_in_executor(None, client)
    await both.channel.start_tls(server_context, LONG)
    secured = await waiting
    both.peer = secured
    return secured


def test_octets_go_to_the_receiver_as_they_come() -> None:
    async def test() -> None:
        async with ends() as both:
            both.peer.send(b"one")
            await both.channel.more(LONG)
            assert both.got == b"one"
            both.peer.send(b"two")
            await both.channel.more(LONG)
            assert both.got == b"onetwo"
            assert both.channel.received == 6

    run(test)


def test_p36_reading_pauses_when_the_receiver_holds_too_much() -> None:
    async def test() -> None:
        async with ends() as both:
            both.held = HOLD + 1
            both.peer.send(b"x" * (3 * READ_SIZE))
            await both.channel.more(LONG)
            await asyncio.sleep(0.05)
            assert len(both.got) == READ_SIZE
            both.held = 0
            await both.channel.more(LONG)
            assert len(both.got) > READ_SIZE

    run(test)


def test_p37_octets_before_fin_are_given_out_first() -> None:
    async def test() -> None:
        async with ends() as both:
            both.peer.send(b"last")
            both.peer.shutdown(socket.SHUT_WR)
            await both.channel.more(LONG)
            assert both.got == b"last"
            while not both.channel.ended:  # FIN may come in the same turn or in the next
                with contextlib.suppress(ChannelClosed):
                    await both.channel.more(LONG)
            with pytest.raises(ChannelClosed):
                await both.channel.more(LONG)
            await both.channel.write(b"reply", LONG)
            assert await _receive(both.peer) == b"reply"

    run(test)


def test_p37_under_tls_a_reply_can_be_written_after_a_bare_fin() -> None:
    """Many clients close without close_notify; what they asked before is answered all the same."""

    async def test() -> None:
        async with ends() as both:
            secured = await _handshake(both)
            secured.sendall(b"QUIT\r\n")
            socket.socket.shutdown(secured, socket.SHUT_WR)
            while not both.channel.ended:
                await both.channel.more(LONG)
            assert both.got == b"QUIT\r\n"
            await both.channel.write(b"+OK\r\n", LONG)
            assert await asyncio.get_running_loop().run_in_executor(None, secured.recv, 100) == b"+OK\r\n"

    run(test)


def test_a_wait_ends_at_its_deadline() -> None:
    async def test() -> None:
        async with ends() as both:
            with pytest.raises(DeadlinePassed):
                await both.channel.more(0.02)
            with pytest.raises(DeadlinePassed):
                await both.channel.peek(1, 0.02)

    run(test)


def test_p57_only_a_wait_for_input_can_be_interrupted() -> None:
    async def test() -> None:
        async with ends() as both:
            assert not both.channel.interrupt()
            waiting = asyncio.ensure_future(both.channel.more(LONG))
            await asyncio.sleep(0.01)
            assert both.channel.interrupt()
            with pytest.raises(Interrupted):
                await waiting
            writing = asyncio.ensure_future(both.channel.write(b"x" * 50_000_000, LONG))
            await asyncio.sleep(0.05)
            assert not both.channel.interrupt()
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing

    run(test)


@pytest.mark.parametrize("tls", [False, True])
def test_p36_a_peer_that_takes_nothing_stalls_the_write(tls: bool) -> None:
    async def test() -> None:
        async with ends() as both:
            if tls:
                await _handshake(both)
            with pytest.raises(WriteStalled):
                await both.channel.write(b"x" * 50_000_000, 0.1)
            assert both.channel.sent == 0

    run(test)


@pytest.mark.parametrize("tls", [False, True])
def test_a_long_write_arrives_whole_though_the_peer_talks_meanwhile(tls: bool) -> None:
    async def test() -> None:
        async with ends() as both:
            loop = asyncio.get_running_loop()
            peer: socket.socket = await _handshake(both) if tls else both.peer
            peer.setblocking(True)
            data = bytes(range(256)) * 40_000
            both.channel.start_reading()

            def take() -> bytes:
                taken = bytearray()
                while len(taken) < len(data):
                    taken += peer.recv(100_000)
                    if len(taken) % 7 == 0:
                        peer.send(b"more")
                return bytes(taken)

            taking = loop.run_in_executor(None, take)
            await both.channel.write(data, LONG)
            assert await taking == data
            assert both.channel.sent == len(data)

    run(test)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("reading", [False, True])
def test_an_idle_connection_costs_nothing_after_a_write_that_had_to_wait(
    tls: bool, reading: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with ends() as both:
            loop = asyncio.get_running_loop()
            peer: socket.socket = await _handshake(both) if tls else both.peer
            peer.setblocking(True)
            if reading:
                both.channel.start_reading()
            size = 20_000_000
            writing = asyncio.ensure_future(both.channel.write(b"x" * size, LONG))
            await asyncio.sleep(0.05)

            def take() -> None:
                left = size
                while left:
                    left -= len(peer.recv(min(left, 1_000_000)))

            await loop.run_in_executor(None, take)
            await writing
            calls = 0
            ready = Channel._ready

            def counted(self: Channel, events: int) -> None:
                nonlocal calls
                calls += 1
                ready(self, events)

            monkeypatch.setattr(Channel, "_ready", counted)
            both.channel._poller._callbacks[both.channel._fd] = both.channel._ready
            waiting = asyncio.ensure_future(both.channel.more(LONG))
            await asyncio.sleep(0.1)
            assert calls <= 3
            await loop.run_in_executor(None, peer.send, b"x")
            await waiting
            assert both.got == b"x"

    run(test)


def test_a_reset_ends_reading_and_writing() -> None:
    async def test() -> None:
        async with ends() as both:
            both.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            both.peer.close()
            await both.channel.more(LONG)  # tells of the end …
            with pytest.raises(ChannelClosed):
                await both.channel.more(LONG)  # … which is over now

        async with ends() as both:
            writing = asyncio.ensure_future(both.channel.write(b"x" * 50_000_000, LONG))
            await asyncio.sleep(0.02)
            both.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            both.peer.close()
            with pytest.raises(ChannelClosed):
                await writing

    run(test)


def test_peek_takes_nothing_and_discard_takes_exactly() -> None:
    async def test() -> None:
        async with ends() as both:
            both.peer.send(b"PROXY\r\nrest")
            assert (await both.channel.peek(100, LONG)).startswith(b"PROXY")
            both.channel.discard(7)
            assert await both.channel.peek(2, LONG) == b"re"
            await both.channel.more(LONG)
            assert both.got == b"rest"

    run(test)


def test_p53_a_handshake_has_its_own_limit_and_failures_are_errors() -> None:
    async def test() -> None:
        async with ends() as both:
            both.peer.send(b"\x16\x03\x01")
            with pytest.raises(DeadlinePassed):
                await both.channel.start_tls(contexts()[0], 0.05)
        async with ends() as both:
            both.peer.send(b"\x16\x03\x01\x00\x05hello")
            with pytest.raises(ssl.SSLError):
                await both.channel.start_tls(contexts()[0], LONG)
        async with ends() as both:
            both.peer.close()
            with pytest.raises((ChannelClosed, ssl.SSLError)):
                await both.channel.start_tls(contexts()[0], LONG)

    run(test)


@pytest.mark.parametrize("unread", [0, 100_000])
@pytest.mark.parametrize("tls", [False, True])
def test_p56_finish_sends_close_notify_and_fin_and_loses_nothing(tls: bool, unread: int) -> None:
    """Input that nobody reads any more must not turn the close into a reset that destroys the last reply."""

    async def test() -> None:
        async with ends() as both:
            loop = asyncio.get_running_loop()
            peer: socket.socket = await _handshake(both) if tls else both.peer
            peer.setblocking(True)
            peer.settimeout(LONG)
            peer.sendall(b"x" * unread)
            await both.channel.write(b"+OK bye\r\n", LONG)

            def rest() -> bytes:
                taken = bytearray()
                while data := peer.recv(100):
                    taken += data
                peer.close()
                return bytes(taken)

            taking = loop.run_in_executor(None, rest)
            await both.channel.finish()
            assert await taking == b"+OK bye\r\n"

    run(test)


def test_p11_under_tls_the_end_of_a_reply_is_not_torn_between_two_records() -> None:
    """A TLS record holds 16,384 octets: clients that look for the final line in what one read gives need it whole."""

    async def test() -> None:
        async with ends() as both:
            peer = await _handshake(both)
            loop = asyncio.get_running_loop()
            for over in range(1, 6):
                for size in (READ_SIZE + over, 3 * READ_SIZE + over):
                    data = b"x" * (size - 5) + b"\r\n.\r\n"

                    def take(size: int = size) -> bytes:
                        taken = 0
                        while taken < size:  # each read gives one record
                            last = peer.recv(READ_SIZE)
                            taken += len(last)
                        return last

                    taking = loop.run_in_executor(None, take)
                    await both.channel.write(data, LONG)
                    assert (await taking).endswith(b"\r\n.\r\n"), size

    run(test)


def test_abort_is_safe_to_repeat() -> None:
    async def test() -> None:
        async with ends() as both:
            both.channel.start_reading()
            both.channel.abort()
            both.channel.abort()

    run(test)
