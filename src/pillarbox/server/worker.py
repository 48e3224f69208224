"""One worker process: accepts connections and keeps the list of those that run.

Rules: a connection over a limit is told so in its greeting (P58); one ticker enforces every deadline; stopping lets
running sessions finish for a named time, then asks them to go between commands (P57); draining waits for them without
limit. A worker knows nothing of other workers: what they share is in `gate`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import itertools
import socket
import ssl
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pillarbox.auth.attempt import Origin
from pillarbox.auth.guard.places import is_within
from pillarbox.events import ConnectionRefused, ProxyHeaderRefused
from pillarbox.server.channel import Channel, ChannelClosed, DeadlinePassed
from pillarbox.server.connection import Connection, Entrance, Handshakes, Times
from pillarbox.server.pace import STRANGERS, Pace
from pillarbox.server.poller import IN, Poller
from pillarbox.server.proxy_protocol import Header, ProxyHeaderError, parse
from pillarbox.session.context import Context, Door
from pillarbox.wire.peer import ServerPeer
from pillarbox.wire.replies import Reply, ResponseCode

ACCEPTS = 32
"""Connections let in in one turn of the loop, so that running sessions get theirs."""

TURNED_AWAY = 8
"""As many connections that are turned away at once cost what one costs that is let in."""

TICK = 0.25
"""Seconds between looks at the deadlines: how late a time-out may come."""

ARRIVING = 1024
"""Connections that may be waiting for their PROXY header: a proxy sends it at once, so there are few."""

OUT_OF_FILES_PAUSE = 1.0
"""Seconds without accepting after the system refused a new file descriptor."""

LAST_WORDS = 1.5
"""Seconds between asking the last sessions to go and cutting them."""

REVOKED = Reply(False, "what you logged in with was revoked", ResponseCode.SYS_PERM)

FULL = Reply(False, "too many connections, please try again later", ResponseCode.SYS_TEMP)

_FULL_LINE = ServerPeer().greet(FULL)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


_HEADER_REASONS = {ChannelClosed: "the connection was closed before it came", DeadlinePassed: "it did not come in time"}


class Admission(Protocol):
    """Counts connections, over all workers of the machine."""

    def admit(self, address: str, *, known: bool = True) -> str | None:
        """Take a place for one more connection; or the key of the limit that is reached.

        `known` says that somebody was let in from there lately.
        """
        ...

    def leave(self, address: str) -> None:
        """Give a place back."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A listening socket with what its setting says.

    Attributes:
        name: of the listener, for events.
        tls: the context for handshakes, or None.
        proxies: networks whose connections begin with a PROXY protocol header (P61).
        exceptions: networks that may log in without TLS, each with the ISO date until which.
    """

    sock: socket.socket
    name: str
    implicit: bool
    tls: ssl.SSLContext | None
    proxies: Sequence[Network] = ()
    exceptions: Sequence[tuple[Network, str]] = ()


def canonical(address: str) -> str:
    """An address as text: IPv4-mapped IPv6 as IPv4, without a zone."""
    if address.startswith("::ffff:"):
        mapped = ipaddress.IPv6Address(address).ipv4_mapped
        if mapped is not None:
            return str(mapped)
    return address.partition("%")[0]


class Worker:
    """Accepts and runs connections until told to stop."""

    def __init__(
        self,
        context: Context,
        entries: Iterable[Entry],
        gate: Admission,
        times: Times,
        *,
        handshakes: int,
        proxy_header: float,
        greeting: str,
        identities: Callable[[int], str],
        today: Callable[[], str],
        pace: Pace | None = None,
    ) -> None:
        self._context = context
        self._entries = list(entries)
        self._gate = gate
        self._times = times
        self._handshakes = Handshakes(handshakes)
        self._proxy_header = proxy_header
        self._greeting = greeting
        self._identities = identities
        self._today = today
        self._pace = pace
        self._numbers = itertools.count(1)
        self._running: dict[Connection, asyncio.Task[None]] = {}
        self._arriving: dict[Channel, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()
        self._poller = Poller(self._loop)
        self._ticker: asyncio.TimerHandle | None = None
        self._accepting = False

    # ---- accepting --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to accept connections."""
        self._accepting = True
        for entry in self._entries:
            # Accepted sockets inherit it: a reply is written whole, and must not wait for the next one.
            entry.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._listen(entry)
        self._tick()

    def stop_accepting(self) -> None:
        """Take no new connections; those in the listen queue wait for whoever else holds the sockets."""
        if not self._accepting:
            return
        self._accepting = False
        for entry in self._entries:
            self._poller.forget(entry.sock.fileno())
            entry.sock.close()

    def _listen(self, entry: Entry) -> None:
        if self._accepting:
            self._poller.add(entry.sock.fileno(), IN, functools.partial(self._accept, entry))

    def _accept(self, entry: Entry, _: int) -> None:
        left = ACCEPTS * TURNED_AWAY
        while left > 0:
            try:
                sock, address = entry.sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # Out of descriptors or memory: let running sessions free some instead of spinning.
                self._poller.remove(entry.sock.fileno())
                self._loop.call_later(OUT_OF_FILES_PAUSE, self._listen, entry)
                return
            sock.setblocking(False)
            peer = canonical(address[0])
            behind_proxy = bool(entry.proxies) and is_within(peer, entry.proxies)
            known = behind_proxy or self._pace is None or self._pace.knows(peer)
            if not known and not self._may_come(entry, peer):
                self._turn_away(sock, entry)
                left -= 1
                continue
            left -= TURNED_AWAY
            channel = Channel(self._loop, sock, self._poller)
            if not behind_proxy:
                self._admit(channel, entry, peer, address[1], known=known)
            elif len(self._arriving) >= ARRIVING:
                self._context.sink.emit(ConnectionRefused(peer=peer, listener=entry.name, limit="PROXY headers"))
                channel.abort()
            else:
                task = self._loop.create_task(self._behind_proxy(channel, entry, peer, address[1]))
                self._arriving[channel] = task

    def _may_come(self, entry: Entry, peer: str) -> bool:
        """Whether a stranger may come in now; tells of it if not."""
        pace = self._pace
        if pace is None or pace.admits():
            return True
        if pace.tells():
            self._context.sink.emit(ConnectionRefused(peer=peer, listener=entry.name, limit=STRANGERS))
        return False

    def _turn_away(self, sock: socket.socket, entry: Entry) -> None:
        """Refuse a connection before anything is made for it (P58).

        On the TLS port without a word: a handshake costs more than the login that is refused.
        """
        with contextlib.suppress(OSError):
            if not entry.implicit:
                sock.send(_FULL_LINE)  # the buffer of a new connection has room for it
        sock.close()

    async def _behind_proxy(self, channel: Channel, entry: Entry, proxy: str, port: int) -> None:
        try:
            header = await self._read_header(channel)
        except (ProxyHeaderError, ChannelClosed, DeadlinePassed) as error:
            reason = _HEADER_REASONS.get(type(error)) or str(error)
            self._context.sink.emit(ProxyHeaderRefused(peer=proxy, listener=entry.name, reason=reason))
            channel.abort()
            return
        except asyncio.CancelledError:
            channel.abort()
            raise
        finally:
            self._arriving.pop(channel, None)
        if header.local:  # the proxy itself, checking our health
            self._admit(channel, entry, proxy, port, known=True)
            return
        peer = canonical(header.source)
        known = self._pace is None or self._pace.knows(peer)
        if known or self._may_come(entry, peer):
            self._admit(channel, entry, peer, header.source_port, known=known)
        else:
            channel.abort()

    async def _read_header(self, channel: Channel) -> Header:
        """Take exactly the header's octets: what follows them belongs to TLS or POP3."""
        end = self._loop.time() + self._proxy_header
        taken = b""
        while True:
            data = await channel.peek(4096, end - self._loop.time())
            parsed = parse(taken + data)
            if isinstance(parsed, Header):
                channel.discard(parsed.consumed - len(taken))
                return parsed
            channel.discard(len(data))
            taken += data

    def _admit(self, channel: Channel, entry: Entry, peer: str, port: int, *, known: bool) -> None:
        limit = self._gate.admit(peer, known=known)
        if limit is not None:
            self._context.sink.emit(ConnectionRefused(peer=peer, listener=entry.name, limit=limit))
        origin = Origin(peer, port, entry.name)
        door = Door(stls=entry.tls is not None and not entry.implicit, cleartext_until=self._exception(entry, peer))
        connection = Connection(
            self._loop,
            channel,
            self._context,
            self._identities(next(self._numbers)),
            origin,
            Entrance(entry.implicit, entry.tls, self._handshakes, None if limit is None else FULL),
            door,
            self._times,
            self._greeting,
        )
        self._running[connection] = self._loop.create_task(self._run(connection, peer if limit is None else None))

    def _exception(self, entry: Entry, peer: str) -> str:
        """The date until which this address may log in without TLS, or ""."""
        if not entry.exceptions:
            return ""
        today = self._today()
        return next(
            (until for network, until in entry.exceptions if today <= until and is_within(peer, (network,))), ""
        )

    async def _run(self, connection: Connection, admitted: str | None) -> None:
        try:
            await connection.run()
        finally:
            del self._running[connection]
            if admitted is not None:
                self._gate.leave(admitted)

    # ---- deadlines --------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self._loop.time()
        for connection in self._running:
            connection.check(now)
        for channel in self._arriving:
            channel.check(now)
        self._ticker = self._loop.call_later(TICK, self._tick)

    # ---- stopping ---------------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> int:
        """Connections that run now."""
        return len(self._running)

    def credentials(self) -> set[tuple[str, str]]:
        """Account and credential id of every session that is logged in."""
        return {found for connection in self._running if (found := connection.credential) is not None}

    def revoke(self, credentials: Collection[tuple[str, str]]) -> None:
        """End the sessions that these have let in, between commands; nothing is deleted."""
        if credentials:
            for connection in list(self._running):
                if connection.credential in credentials:
                    connection.stop(REVOKED)

    async def serve(self, draining: asyncio.Event, stopping: asyncio.Event, grace: float) -> None:
        """Accept until one of the events is set; then let sessions end by themselves, or stop them (`stop`)."""
        self.start()
        try:
            await _first(draining.wait(), stopping.wait())
            self.stop_accepting()
            if not stopping.is_set():
                await _first(self._wait_for_sessions(None), stopping.wait())
            await self.stop(grace)
        finally:
            if self._ticker is not None:
                self._ticker.cancel()
            self._poller.close()

    async def stop(self, grace: float) -> None:
        """Accept no more; give sessions `grace` seconds, then ask them to go, then cut them."""
        self.stop_accepting()
        for task in list(self._arriving.values()):
            task.cancel()
        await self._wait_for_sessions(grace)
        for connection in list(self._running):
            connection.stop()
        await self._wait_for_sessions(LAST_WORDS)
        for task in list(self._running.values()):
            task.cancel()
        await self._wait_for_sessions(0.5)

    async def _wait_for_sessions(self, seconds: float | None) -> None:
        tasks = {*self._running.values(), *self._arriving.values()}
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait for the first of several to end, and give up the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
