"""A worker in the test's own process and event loop, over real loopback sockets, with a memory store.

What is real: sockets, TLS, the worker, connections and sessions. What is not: other processes, accounts and disks.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import ipaddress
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pillarbox.auth.attempt import Accepted, Account, Attempt, Authenticator, Decision, Outcome, Password, Refused, Salt
from pillarbox.config.schema_listener import Tls
from pillarbox.events import Event, MemorySink, Secret, SessionEnded
from pillarbox.maildrop.stores.memory import MemoryStore
from pillarbox.server.certificates import make_self_signed
from pillarbox.server.connection import Times
from pillarbox.server.pace import Pace
from pillarbox.server.tls import build_context
from pillarbox.server.worker import Entry, Network, Worker
from pillarbox.session.context import Context, Policy

T = TypeVar("T")
E = TypeVar("E", bound=Event)

SECONDS = 10.0
"""How long anything may take on a busy machine before the test fails."""

PASSWORD = b"secret"
PATIENT = Times(handshake=SECONDS, login=SECONDS, idle=600.0, stall=SECONDS)
LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"),)


def run(test: Callable[[], Awaitable[T]]) -> T:
    """Run an async test, in bounded time."""

    async def bounded() -> T:
        return await asyncio.wait_for(test(), 60)

    return asyncio.run(bounded())


@functools.cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and the client's TLS context, for localhost."""
    with tempfile.TemporaryDirectory() as directory:
        now = datetime.datetime.now(datetime.UTC)
        certificate, key = make_self_signed(Path(directory), ["localhost"], now)
        server = build_context(Tls(certificate=certificate, key=key))
        client = ssl.create_default_context(cafile=str(certificate))
    assert server is not None
    return server, client


class AnyName:
    """Lets every name in with the one password; the maildrop has the account's name."""

    async def salt(self, login: str) -> Salt | Refused:
        return Salt(b"salt", 4096)

    async def decide(self, attempt: Attempt) -> Decision:
        if attempt.proof != Password(Secret(PASSWORD)):
            return Refused(Outcome.CREDENTIALS, "wrong password")
        return Accepted(Account(attempt.login, attempt.login, read_only=attempt.login == "reader"))


class Gate:
    """Admits so many connections in all."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.admitted: list[str] = []

    def admit(self, address: str, *, known: bool = True) -> str | None:
        if len(self.admitted) >= self.limit:
            return "limits.connections"
        self.admitted.append(address)
        return None

    def leave(self, address: str) -> None:
        self.admitted.remove(address)


class Served:
    """A running worker.

    Attributes:
        pop3s, pop3, open: ports: implicit TLS, STLS, STLS with cleartext login allowed.
        draining, stopping: set them to end the worker in one way or the other.
    """

    def __init__(
        self,
        worker: Worker,
        store: MemoryStore,
        sink: MemorySink,
        gate: Gate,
        ports: Sequence[int],
        draining: asyncio.Event,
        stopping: asyncio.Event,
    ) -> None:
        self.worker = worker
        self.store = store
        self.sink = sink
        self.gate = gate
        self.pop3s, self.pop3, self.open = ports
        self.draining, self.stopping = draining, stopping
        self.clients: list[Client] = []

    async def until(self, kind: type[E], count: int = 1) -> list[E]:
        """Wait for so many events of a type."""
        async with asyncio.timeout(SECONDS):
            while len(self.sink.of(kind)) < count:  # noqa: ASYNC110 - sinks wake nobody
                await asyncio.sleep(0.01)
        return self.sink.of(kind)

    async def ended(self, count: int = 1) -> SessionEnded:
        """Wait for so many sessions to end; return the last one's summary."""
        return (await self.until(SessionEnded, count))[-1]

    async def connect(self, port: int = 0, *, receive_buffer: int = 0) -> Client:
        """A connection in clear; by default to the port where logins in clear are allowed."""
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port or self.open))
        except OSError:
            sock.close()
            raise
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.clients.append(Client(sock))
        return self.clients[-1]

    async def login(self, account: str = "anna", *, receive_buffer: int = 0) -> Client:
        """A session in clear, logged in."""
        client = await self.connect(receive_buffer=receive_buffer)
        await client.line()
        await client.ask(b"USER " + account.encode())
        answer = await client.ask(b"PASS " + PASSWORD)
        assert answer.startswith(b"+OK"), answer
        return client


class Client:
    """A client that sends what it is told to, octet for octet; in clear or, after `start_tls`, under TLS."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = bytearray()
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        """Send octets."""
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        await asyncio.wait_for(self._loop.sock_sendall(self.sock, data), SECONDS)

    async def receive(self) -> bytes:
        """The next octets, b"" at the end. Under TLS the end is close_notify; a bare FIN raises `ssl.SSLError`."""
        while True:
            if self._tls is not None:
                try:
                    return self._tls.read(65_536)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    return b""
            data = await asyncio.wait_for(self._loop.sock_recv(self.sock, 65_536), SECONDS)
            if self._tls is None:
                return data
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    async def line(self) -> bytes:
        """The next line without its ending."""
        while b"\r\n" not in self.buffer:
            data = await self.receive()
            assert data, f"the server closed the connection; last was {bytes(self.buffer[-200:])!r}"
            self.buffer += data
        line, _, rest = bytes(self.buffer).partition(b"\r\n")
        self.buffer[:] = rest
        return line

    async def body(self) -> bytes:
        """The rest of a multi-line response, as it is on the wire, without the final line."""
        while not (self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer):
            data = await self.receive()
            assert data
            self.buffer += data
        whole = b"\r\n" + bytes(self.buffer)
        body, _, rest = whole.partition(b"\r\n.\r\n")
        self.buffer[:] = rest
        return body[2:] + b"\r\n" if body else b""

    async def ask(self, command: bytes) -> bytes:
        """Send a command, and return the status line."""
        await self.send(command + b"\r\n")
        return await self.line()

    async def rest(self) -> bytes:
        """All that still comes until the server closes; a reset is an end too."""
        with contextlib.suppress(ConnectionResetError):
            while data := await self.receive():
                self.buffer += data
        rest = bytes(self.buffer)
        self.buffer.clear()
        return rest

    async def start_tls(self, behind: bytes = b"") -> None:
        """Do a handshake; `behind` is sent under TLS in one packet with its last message."""
        self._tls = contexts()[1].wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await asyncio.wait_for(self._loop.sock_sendall(self.sock, self._outgoing.read()), SECONDS)
                data = await asyncio.wait_for(self._loop.sock_recv(self.sock, 65_536), SECONDS)
                if not data:
                    raise ConnectionResetError from None
                self._incoming.write(data)
            else:
                if behind:
                    self._tls.write(behind)
                await asyncio.wait_for(self._loop.sock_sendall(self.sock, self._outgoing.read()), SECONDS)
                return

    def hello(self) -> bytes:
        """The ClientHello that a handshake would begin with."""
        tls = contexts()[1].wrap_bio(ssl.MemoryBIO(), outgoing := ssl.MemoryBIO(), server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        return outgoing.read()

    def fin(self) -> None:
        """Close the sending side."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def close(self) -> None:
        """Close."""
        self.sock.close()


@contextlib.asynccontextmanager
async def serving(
    *,
    times: Times = PATIENT,
    limit: int = 1000,
    handshakes: int = 100,
    proxies: Sequence[Network] = (),
    proxy_header: float = SECONDS,
    policy: Policy | None = None,
    store: MemoryStore | None = None,
    grace: float = 0.0,
    authenticator: Authenticator | None = None,
    mechanisms: Sequence[str] = ("PLAIN", "LOGIN"),
    tls: ssl.SSLContext | None = None,
    pace: Pace | None = None,
) -> AsyncIterator[Served]:
    """A worker that accepts on three ports until the block ends; all clients are closed then."""
    loop = asyncio.get_running_loop()
    own_store, sink, gate = store or MemoryStore(clock=loop.time), MemorySink(), Gate(limit)
    context = Context(authenticator or AnyName(), own_store, sink, loop.time, policy or Policy(), mechanisms=mechanisms)
    sockets = [_listening() for _ in range(3)]
    tls = tls or contexts()[0]
    entries = [
        Entry(sockets[0], "pop3s", True, tls, proxies),
        Entry(sockets[1], "pop3", False, tls, proxies),
        Entry(sockets[2], "open", False, tls, proxies, [(LOOPBACK[0], "9999-12-31")]),
    ]
    worker = Worker(
        context,
        entries,
        gate,
        times,
        handshakes=handshakes,
        proxy_header=proxy_header,
        greeting="ready",
        identities="s{}".format,
        today=lambda: "2030-01-01",
        pace=pace,
    )
    unexpected: list[str] = []
    loop.set_exception_handler(lambda _, told: unexpected.append(f"{told['message']}: {told.get('exception')!r}"))
    ports = [sock.getsockname()[1] for sock in sockets]
    draining, stopping = asyncio.Event(), asyncio.Event()
    serving = loop.create_task(worker.serve(draining, stopping, grace))
    served = Served(worker, own_store, sink, gate, ports, draining, stopping)
    try:
        yield served
    finally:
        for client in served.clients:
            client.close()
        stopping.set()
        await asyncio.wait_for(serving, 30)
    assert not unexpected
    assert worker.sessions == 0
    assert not gate.admitted


def _listening() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(100)
    sock.setblocking(False)
    return sock
