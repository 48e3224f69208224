"""Who the conversations are held with: the core and session in process, a live Pillarbox, or Dovecot.

All speak octets and hide how: `send` never waits for a reply, `line` takes the next reply line.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from pathlib import Path
from typing import Protocol

from tests.dialogues.script import PASSWORD
from tests.peers.dovecot import Dovecot

from pillarbox.auth.attempt import Accepted, Account, Attempt, Decision, Origin, Outcome, Password, Refused, Salt
from pillarbox.events import MemorySink, Secret
from pillarbox.maildrop.stores.memory import MemoryStore
from pillarbox.session.context import Context, Door, Policy
from pillarbox.session.session import Session
from pillarbox.testing.live import LiveServer
from pillarbox.wire.peer import ServerPeer
from pillarbox.wire.replies import END, Challenge, Reply
from pillarbox.wire.states import State

SECONDS = 10.0
"""How long a reply may take on a busy machine before the test fails."""


class Speaker(Protocol):
    """One account on one server, and the connection to it."""

    account: str

    def connect(self, tls: str) -> None: ...
    def send(self, data: bytes) -> None: ...
    def line(self) -> bytes | None:
        """The next line with its line ending, or None when the server closed the connection."""

    def start_tls(self) -> None: ...
    def fin(self) -> None: ...
    def drop(self) -> None: ...
    def deliver(self, message: bytes) -> None: ...
    def vanish(self, number: int) -> None: ...


# ---- in process -----------------------------------------------------------------------------------------------------


class _OneAccount:
    """Lets one account in; refusals cost no time."""

    def __init__(self, account: str) -> None:
        self._account = account

    async def salt(self, login: str) -> Salt | Refused:
        return Salt(b"salt", 4096)

    async def decide(self, attempt: Attempt) -> Decision:
        right = Password(Secret(PASSWORD))
        if attempt.login == self._account and attempt.proof == right:
            return Accepted(Account(self._account, self._account))
        return Refused(Outcome.CREDENTIALS, "wrong password")


class CoreSpeaker:
    """The protocol core and a session over a memory store: no socket, no TLS, no server.

    Args:
        chunk: octets the core is fed at a time; 0 for all at once.
    """

    def __init__(self, account: str, *, chunk: int = 0) -> None:
        self.account = account
        self._chunk = chunk
        self._store = MemoryStore(clock=lambda: 0.0)
        self._ids: list[bytes] = []
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._sink = MemorySink()
        self._context = Context(_OneAccount(account), self._store, self._sink, lambda: 0.0, Policy("Pillarbox"))

    def connect(self, tls: str) -> None:
        origin = Origin("127.0.0.1", 1, "core", tls="TLSv1.3" if tls == "implicit" else "")
        self._session = Session(self._context, f"s{next(self._numbers)}", origin, Door(stls=tls != "implicit"))
        self._peer = ServerPeer()
        self._out = bytearray(self._peer.greet(Reply(True, "ready")))
        self._over = False

    def send(self, data: bytes) -> None:
        step = self._chunk or max(len(data), 1)
        for start in range(0, len(data), step):
            self._peer.receive(data[start : start + step])
            self._loop.run_until_complete(self._answer())

    async def _answer(self) -> None:
        peer = self._peer
        while not self._over and (received := peer.next()) is not None:
            answer = await self._session.handle(received)
            if isinstance(answer, Challenge):
                self._out += peer.challenge(answer)
                continue
            self._out += peer.reply(answer)
            if isinstance(answer.body, (bytes, bytearray)):
                self._out += answer.body + END
            elif answer.body is not None:
                async with contextlib.aclosing(answer.body) as parts:
                    async for part in parts:
                        self._out += part
                self._out += END
            if peer.state is State.CLOSED:
                await self._end("quit")
        if peer.state is State.TLS and peer.held:  # as the server does: plaintext behind STLS ends it (P51)
            await self._end("stls injection")

    async def _end(self, how: str) -> None:
        if not self._over:
            self._over = True
            await self._session.end(how)

    def line(self) -> bytes | None:
        if not self._out:
            assert self._over, "the server said nothing"
            return None
        end = self._out.index(b"\n") + 1
        line = bytes(self._out[:end])
        del self._out[:end]
        return line

    def start_tls(self) -> None:
        self._peer.secured()
        self._session.secured(self._session.origin._replace(tls="TLSv1.3"), {})

    def fin(self) -> None:
        self._loop.run_until_complete(self._end("closed"))

    def drop(self) -> None:
        self.fin()

    def deliver(self, message: bytes) -> None:
        self._ids.append(self._store.deliver(self.account, message))

    def vanish(self, number: int) -> None:
        self._store.remove(self.account, self._ids[number - 1])

    def close(self) -> None:
        self.fin()
        self._loop.close()
        assert not [event for event in self._sink.events if type(event).__name__ == "InternalError"]


# ---- over sockets ---------------------------------------------------------------------------------------------------


class SocketSpeaker:
    """A server over loopback: a live Pillarbox, or Dovecot."""

    def __init__(self, server: LiveServer | Dovecot, account: str) -> None:
        self.account = account
        self._server = server
        self._files: list[Path] = []
        self._names = itertools.count(1)
        self._sock: socket.socket | None = None
        self._buffer = bytearray()

    def connect(self, tls: str) -> None:
        # From another address of loopback: Dovecot takes a connection from its own address for a safe one.
        implicit = tls == "implicit"
        port = self._server.pop3s_port if implicit else self._server.pop3_port
        sock = socket.create_connection(("127.0.0.1", port), SECONDS, source_address=("127.0.0.2", 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = self._wrapped(sock) if implicit else sock
        self._buffer.clear()

    def _wrapped(self, sock: socket.socket) -> socket.socket:
        return self._server.client_context().wrap_socket(sock, server_hostname="localhost")

    def _open(self) -> socket.socket:
        assert self._sock is not None
        return self._sock

    def send(self, data: bytes) -> None:
        self._open().sendall(data)

    def line(self) -> bytes | None:
        while b"\n" not in self._buffer:
            try:
                data = self._open().recv(65_536)
            except ConnectionResetError:
                data = b""
            if not data:
                assert not self._buffer, f"the connection ends within a line: {bytes(self._buffer)!r}"
                return None
            self._buffer += data
        end = self._buffer.index(b"\n") + 1
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        return line

    def start_tls(self) -> None:
        assert not self._buffer, "the server spoke before the handshake"
        self._sock = self._wrapped(self._open())

    def fin(self) -> None:
        socket.socket.shutdown(self._open(), socket.SHUT_WR)  # under TLS too, FIN and nothing else

    def drop(self) -> None:
        self._open().close()
        self._buffer.clear()

    def deliver(self, message: bytes) -> None:
        # Names in order, so that both servers number the messages as they were delivered.
        number = next(self._names)
        name = f"{1_700_000_000 + number}.M{number:06d}P1Q1.localhost"
        self._files.append(self._server.deliver(self.account, message, name))

    def vanish(self, number: int) -> None:
        path = self._files[number - 1]
        for place in ("new", "cur"):
            for found in (path.parent.parent / place).glob(f"{path.name}*"):
                found.unlink()

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
