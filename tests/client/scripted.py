"""A server in memory, at the other end of a client's transport: what it says to which command is given by the test."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pillarbox.client import Client, TlsRules
from pillarbox.client.aio import AsyncClient
from pillarbox.client.wants import Channel

CAPA = b"+OK\r\nTOP\r\nUIDL\r\nUSER\r\nPIPELINING\r\n.\r\n"
SILENT_CAPA = b"+OK\r\nTOP\r\nUIDL\r\nUSER\r\n.\r\n"
"""Without PIPELINING."""

CLEAR = TlsRules(cleartext=True, stls=False)

Answer = bytes | Callable[[bytes], bytes | None]
"""A reply, or a function of the whole line; None: no reply."""


def stuffed(message: bytes) -> bytes:
    """A message as a multi-line reply: dots stuffed, and the end."""
    return b"".join(b"." * line.startswith(b".") + line for line in message.splitlines(keepends=True)) + b".\r\n"


class Server:
    """One connection's server.

    Args:
        messages: in wire form.
        answers: by keyword, or by whole line, instead of what an ordinary server says.
        discards: it throws away what it has not read when it replies.
        piece: octets the client gets at a time at most.

    Attributes:
        heard: all lines, without their ends.
        sends: the octets of each time the client sent.
        closed: the client has hung up.
        waits: how often the client waited in vain.
        exchange: takes all lines while it is set (SASL).
    """

    def __init__(
        self,
        messages: Sequence[bytes] = (),
        answers: Mapping[bytes, Answer] | None = None,
        *,
        greeting: bytes = b"+OK ready\r\n",
        discards: bool = False,
        piece: int = 1 << 20,
    ) -> None:
        self._messages = list(messages)
        self._answers = dict(answers or {})
        self._discards = discards
        self._piece = piece
        self.outgoing = bytearray(greeting)
        self.heard: list[bytes] = []
        self.sends: list[bytes] = []
        self.closed = False
        self.ended = False  # the server has closed
        self.tls: list[str] = []
        self.waits = 0
        self.exchange: Callable[[bytes], bytes] | None = None

    # ---- what it says ---------------------------------------------------------------------------------------------

    def _reply(self, line: bytes) -> bytes | None:
        if self.exchange is not None:
            return self.exchange(line)
        keyword, _, _ = line.partition(b" ")
        given = self._answers.get(line, self._answers.get(keyword.upper(), self._usual))
        return given(line) if callable(given) else given

    def _usual(self, line: bytes) -> bytes | None:
        keyword, *words = line.split()
        messages = self._messages
        match keyword:
            case b"CAPA":
                return CAPA
            case b"STAT":
                return b"+OK %d %d\r\n" % (len(messages), sum(map(len, messages)))
            case b"LIST" if not words:
                return b"+OK\r\n%s.\r\n" % b"".join(b"%d %d\r\n" % (n, len(m)) for n, m in enumerate(messages, 1))
            case b"LIST" if words and int(words[0]) <= len(messages):
                return b"+OK %s %d\r\n" % (words[0], len(messages[int(words[0]) - 1]))
            case b"UIDL" if words:
                return b"+OK %s id%s\r\n" % (words[0], words[0])
            case b"UIDL":
                return b"+OK\r\n%s.\r\n" % b"".join(b"%d id%d\r\n" % (n, n) for n in range(1, len(messages) + 1))
            case b"RETR" | b"TOP" | b"LIST" if int(words[0]) > len(messages):
                return b"-ERR no such message\r\n"
            case b"RETR":
                return b"+OK\r\n" + stuffed(messages[int(words[0]) - 1])
            case b"TOP":
                return b"+OK\r\n" + stuffed(messages[int(words[0]) - 1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
            case b"QUIT":
                self.ended = True
                return b"+OK bye\r\n"
        return b"+OK\r\n"

    # ---- the transport's side -------------------------------------------------------------------------------------

    def connect(self, host: str, port: int, deadline: float) -> Server:
        """For `Client(connect=...)`."""
        return self

    def send(self, data: bytes, deadline: float) -> None:
        """The client sends."""
        assert not self.closed
        self.sends.append(data)
        for position, line in enumerate(data.split(b"\r\n")[:-1]):
            if self._discards and position:
                break
            self.heard.append(line)
            reply = self._reply(line)
            if reply is not None:
                self.outgoing += reply

    def receive(self, deadline: float) -> bytes:
        """The client receives. With nothing to say, all its patience has ended at once."""
        assert not self.closed
        if self.outgoing:
            data = bytes(self.outgoing[: self._piece])
            del self.outgoing[: self._piece]
            return data
        if self.ended:
            return b""
        self.waits += 1
        raise TimeoutError

    def start_tls(self, context: ssl.SSLContext, name: str, deadline: float) -> Channel:
        """The client does a handshake."""
        self.tls.append(name)
        return Channel("TLSv1.3", "TEST", b"", b"")

    def close(self) -> None:
        """The client hangs up."""
        self.closed = True

    def keywords(self) -> list[bytes]:
        """What was heard, without arguments."""
        return [line.split(b" ")[0] for line in self.heard]


class AioServer:
    """The same, asynchronous."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def connect(self, host: str, port: int, deadline: float) -> AioServer:
        return self

    async def send(self, data: bytes, deadline: float) -> None:
        await asyncio.sleep(0)
        self._server.send(data, deadline)

    async def receive(self, deadline: float) -> bytes:
        await asyncio.sleep(0)
        return self._server.receive(deadline)

    async def start_tls(self, context: ssl.SSLContext, name: str, deadline: float) -> Channel:
        return self._server.start_tls(context, name, deadline)

    def close(self) -> None:
        self._server.close()


def client(server: Server, **options: Any) -> Client:  # Any: the client's own arguments
    """A client of it, without TLS."""
    options = {"password": "secret", "tls": CLEAR, **options}
    return Client("pop3://ada@mail.example.org", connect=server.connect, **options)


def async_client(server: Server, **options: Any) -> AsyncClient:  # Any: the client's own arguments
    """An asynchronous client of it, without TLS."""
    options = {"password": "secret", "tls": CLEAR, **options}
    return AsyncClient("pop3://ada@mail.example.org", connect=AioServer(server).connect, **options)
