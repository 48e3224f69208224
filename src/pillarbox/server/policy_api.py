"""The HTTP side of the policy API: connections, keys, limits. What is asked and answered is in `auth.guard.policy_api`.

Rules: nothing is read from an address outside the allowed networks; nothing is decoded before the key was shown;
whoever shows a wrong one has to connect anew. Everything has an end: the number of connections, the size of a request,
the time for each part of it. No defect is told to the peer, but for the fact.

HTTP/1.1 (RFC 9112) by the library h11, which does no I/O; `asyncio` is the shell around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import h11

from pillarbox.auth.guard.places import is_within
from pillarbox.auth.guard.policy_api import Answer, PolicyApi, failure
from pillarbox.auth.guard.policy_key import PolicyKey
from pillarbox.config.fields import Network
from pillarbox.events import PolicyClientRefused, Sink, internal_error
from pillarbox.server.worker import canonical

MAX_HEAD = 8 * 1024
"""Octets of a request line with its header fields; Dovecot's have some 300."""

MAX_BODY = 16 * 1024
"""Octets of a body: a login, a device's own words about itself, and attributes."""

HANDSHAKE = 5.0
"""Seconds for TLS."""

IDLE = 60.0
"""Seconds a connection may be kept, with the head of the next request coming. Dovecot closes its own after 10."""

FIRST = 5.0
"""Seconds for the head of a connection's first request: places must not be held by those who have no key."""

REQUEST = 5.0
"""Seconds for the body of a request, and for taking its answer. Dovecot gives up after 2."""

LINGER, LINGER_READS = 1.0, 64
"""Seconds, and pieces of up to 16 KiB, that are still read after a request was refused (RFC 9112 §9.6)."""

LAST_WORDS = 2.0
"""Seconds that requests have to end when the server stops."""

OUT_OF_FILES_PAUSE = 1.0
"""Seconds without accepting after the system refused a new file descriptor."""

_READ = 16 * 1024


class _Refused(Exception):
    """A request that is answered without having been understood; the connection ends with it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class PolicyServer:
    """Answers the questions of other servers until told to stop.

    Args:
        api: knows the answers.
        key: what has to be shown.
        networks: who may connect.
        connections: how many may be open.
        tls: the context for HTTPS, or None.
        sink: is told who was turned away, and of defects.
    """

    def __init__(
        self,
        api: PolicyApi,
        *,
        key: PolicyKey,
        networks: Sequence[Network],
        connections: int,
        tls: ssl.SSLContext | None,
        sink: Sink,
    ) -> None:
        self._api = api
        self._key = key
        self._networks = networks
        self._connections = connections
        self._tls = tls
        self._sink = sink
        self._open: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.StreamWriter] = set()
        self._stopping = False

    async def serve(self, sockets: Iterable[socket.socket], stop: asyncio.Event) -> None:
        """Accept from listening sockets until the event is set, and let requests end then. Closes the sockets."""
        accepting = [asyncio.create_task(self._accept(one)) for one in sockets]
        try:
            await stop.wait()
        finally:
            self._stopping = True
            for task in accepting:
                task.cancel()
            await asyncio.gather(*accepting, return_exceptions=True)
            for writer in self._idle:
                writer.close()
            if self._open:
                await asyncio.wait(self._open, timeout=LAST_WORDS)
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        with listening:
            while True:
                try:
                    sock, address = await loop.sock_accept(listening)
                except ConnectionAbortedError:
                    continue
                except OSError:
                    await asyncio.sleep(OUT_OF_FILES_PAUSE)
                    continue
                peer = canonical(address[0])
                reason = self._turned_away(peer)
                if reason:
                    sock.close()
                    self._sink.emit(PolicyClientRefused(peer=peer, reason=reason))
                    continue
                task = loop.create_task(self._converse(sock, peer))
                self._open.add(task)
                task.add_done_callback(self._open.discard)

    def _turned_away(self, peer: str) -> str:
        if not is_within(peer, self._networks):
            return "policy_api.networks"
        return "policy_api.connections" if len(self._open) >= self._connections else ""

    # ---- one connection -------------------------------------------------------------------------------------------

    async def _converse(self, sock: socket.socket, peer: str) -> None:
        writer = None
        try:
            reader, writer = await self._opened(sock)
            wire = _Wire(reader, writer)
            while await self._exchange(wire, peer) and not self._stopping:
                wire.http.start_next_cycle()
        except OSError:
            pass  # the peer has gone, or speaks no TLS
        except Exception as error:
            self._sink.emit(internal_error(error))
        finally:
            if writer is None:
                sock.close()
            else:
                await _ended(writer)

    async def _opened(self, sock: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = asyncio.StreamReader(limit=_READ)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, sock, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE if self._tls else None
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _exchange(self, wire: _Wire, peer: str) -> bool:
        """One request and its answer; whether another one can follow."""
        try:
            self._idle.add(wire.writer)
            try:
                async with asyncio.timeout(IDLE if wire.known else FIRST):
                    request = await wire.event()
            finally:
                self._idle.discard(wire.writer)
            if not isinstance(request, h11.Request):
                return False
            async with asyncio.timeout(REQUEST):
                body = await wire.body()
            self._check_key(request, peer)
            wire.known = True
            answer = self._answer(request, body)
        except TimeoutError:
            return False
        except _Refused as refused:
            await wire.refuse(refused.answer)
            return False
        except h11.RemoteProtocolError as error:
            if wire.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                await wire.refuse(failure(error.error_status_hint, "this is no request of HTTP/1.1"))
            return False
        await wire.send(answer, last=self._stopping)
        return wire.http.our_state is h11.DONE and wire.http.their_state is h11.DONE

    def _check_key(self, request: h11.Request, peer: str) -> None:
        shown = [value for name, value in request.headers if name == b"authorization"]
        if len(shown) == 1 and self._key.is_shown_by(shown[0]):
            return
        self._sink.emit(PolicyClientRefused(peer=peer, reason="wrong key" if shown else "no key"))
        raise _Refused(failure(HTTPStatus.UNAUTHORIZED, "show the key, as user wforce"))

    def _answer(self, request: h11.Request, body: bytes) -> Answer:
        try:
            command = _command(request.target)
            return self._api.answer(request.method.decode("ascii"), command, body)
        except Exception as error:
            self._sink.emit(internal_error(error))
            return failure(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")


class _Wire:
    """One connection: h11 between octets and events. `known`: the key was shown on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self.writer = writer
        self.known = False
        self._reader = reader

    async def event(self) -> object:
        """The next event; its own type of each kind."""
        while True:
            event = self.http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self.http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[]))
            self.http.receive_data(await self._reader.read(_READ))

    async def body(self) -> bytes:
        """The body of the request whose head was read."""
        parts, size = [], 0
        while isinstance(event := await self.event(), h11.Data):
            size += len(event.data)
            if size > MAX_BODY:
                raise _Refused(failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {MAX_BODY} octets"))
            parts.append(bytes(event.data))
        return b"".join(parts)

    async def send(self, answer: Answer, *, last: bool) -> None:
        """Send an answer, in bounded time. `last`: the connection ends with it."""
        headers = [
            ("Date", _date()),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(answer.body))),
        ]
        if answer.status == HTTPStatus.UNAUTHORIZED:
            headers.append(("WWW-Authenticate", 'Basic realm="policy"'))
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", "POST"))
        if last:
            headers.append(("Connection", "close"))
        self._write(
            h11.Response(status_code=answer.status, headers=headers, reason=HTTPStatus(answer.status).phrase),
            h11.Data(data=answer.body),
            h11.EndOfMessage(),
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REQUEST):
                await self.writer.drain()

    async def refuse(self, answer: Answer) -> None:
        """Send the last answer, and read on for a moment: to close with octets unread would take it back."""
        await self.send(answer, last=True)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(LINGER):
                if self.writer.can_write_eof():
                    self.writer.write_eof()
                for _ in range(LINGER_READS):
                    if not await self._reader.read(_READ):
                        return

    def _write(self, *events: h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage) -> None:
        self.writer.write(b"".join([self.http.send(event) or b"" for event in events]))


def _command(target: bytes) -> str:
    """The command that a request's target names, or ""."""
    try:
        found = parse_qs(urlsplit(target.decode("ascii")).query, max_num_fields=16).get("command", [])
    except ValueError:
        return ""
    return found[0] if len(found) == 1 else ""


def _date() -> str:
    return _formatted(int(asyncio.get_running_loop().time()))


@functools.lru_cache(maxsize=1)
def _formatted(_: int) -> str:
    """The time of day as HTTP writes it, made once a second."""
    return formatdate(usegmt=True)


async def _ended(writer: asyncio.StreamWriter) -> None:
    """Close a connection; a peer that does not take part in it is cut."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(REQUEST):
            writer.close()
            await writer.wait_closed()
            return
    writer.transport.abort()
