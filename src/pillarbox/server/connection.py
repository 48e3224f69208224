"""One connection: the only place that moves octets between a socket, the protocol core and the session.

Rules: replies are gathered and written together while commands are waiting (pipelining), never more than `FLUSH` octets
before a write, so that a client that does not read costs bounded memory (P36); the final "." line leaves in one write
with what is before it (P11); everything ends through `_end`, which deletes nothing.
Serves RFC 1939 §3, RFC 2595 §4, RFC 8314 §3.3.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import NamedTuple

from pillarbox.auth.attempt import Origin
from pillarbox.events import ConnectionRefused, MaildropFailed, StlsInjection, TlsFailed, WrongProtocol, internal_error
from pillarbox.maildrop.errors import MaildropError
from pillarbox.server.channel import Channel, ChannelClosed, DeadlinePassed, Interrupted, WriteStalled
from pillarbox.session.context import Context, Door
from pillarbox.session.session import Session
from pillarbox.wire.peer import ServerPeer
from pillarbox.wire.replies import END, Challenge, Reply, ResponseCode
from pillarbox.wire.states import State

FLUSH = 131_072
"""Octets of replies gathered before a write."""

TURN = 256
"""Pieces of replies gathered before a write: some hundred commands, then other sessions have their turn."""

REFUSAL_HANDSHAKE = 5.0
"""Seconds for the handshake of a connection that is over a limit and only gets its refusal."""

TLS_HANDSHAKE = b"\x16"
"""First octet of a TLS record that begins a handshake (RFC 8446 §5.1)."""

STOPPING = Reply(False, "the server is shutting down, please try again later", ResponseCode.SYS_TEMP)

_ORDERLY = frozenset({"quit", "refused", "shutdown", "idle", "login time-out"})
"""Ends at which the peer is still listening, so that close_notify and FIN are worth waiting for."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds a connection may take: see the settings of the same names."""

    handshake: float
    login: float
    idle: float
    stall: float


class Handshakes:
    """Places for TLS handshakes under way: the most expensive thing a stranger can ask for."""

    __slots__ = ("active", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.active = 0


class OtherProtocolError(Exception):
    """The peer does not speak POP3."""


class NoPlaceError(Exception):
    """Too many handshakes are under way."""


class Entrance(NamedTuple):
    """How a connection came in.

    Attributes:
        implicit: TLS from the first octet.
        tls: the context for handshakes, or None where there is no TLS.
        handshakes: the places of this worker.
        refusal: what the greeting refuses the connection with (P58), or None.
    """

    implicit: bool
    tls: ssl.SSLContext | None
    handshakes: Handshakes
    refusal: Reply | None = None


class Connection:
    """One client, from the first octet to the last."""

    __slots__ = (
        "_channel",
        "_connected",
        "_entrance",
        "_greeting",
        "_loop",
        "_peer",
        "_session",
        "_stopping",
        "_times",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        channel: Channel,
        context: Context,
        identity: str,
        origin: Origin,
        entrance: Entrance,
        door: Door,
        times: Times,
        greeting: str,
    ) -> None:
        self._loop = loop
        self._channel = channel
        self._entrance = entrance
        self._times = times
        self._greeting = greeting
        self._connected = loop.time()
        self._stopping: Reply | None = None
        self._peer = ServerPeer()
        self._session = Session(context, identity, origin, door)
        channel.receiver = self._receive

    def _receive(self, data: bytes) -> int:
        self._peer.receive(data)
        return self._peer.held

    async def run(self) -> None:
        """Serve the client until the connection is over. Never raises."""
        how = "error"
        try:
            how = await self._converse()
        except ChannelClosed:
            how = "closed"
        except WriteStalled:
            how = "stalled"
        except DeadlinePassed:
            how = "idle" if self._peer.state is State.TRANSACTION else "login time-out"
        except Interrupted:
            how = await self._say_stopping()
        except MaildropError as error:
            how = "store failed"  # in the middle of a long body: only a cut tells the client so
            session = self._session
            user = session.account.name if session.account is not None else ""
            session.context.sink.emit(MaildropFailed(session=session.id, user=user, reason=str(error), permanent=False))
        except NoPlaceError:
            how = "no place"
        except OtherProtocolError:
            how = "wrong protocol"
        except asyncio.CancelledError:
            how = "cut"
            raise
        except ssl.SSLError as error:
            how = "tls failed"
            self._tls_failed(_why(error))
        except Exception as error:  # the last border: a defect is an event, never a traceback
            self._session.context.sink.emit(internal_error(error, self._session.id))
        finally:
            await self._end(how)

    async def _end(self, how: str) -> None:
        channel, session = self._channel, self._session
        session.counts.received = channel.received
        session.counts.sent = channel.sent
        await session.end(how)
        if how in _ORDERLY:
            await channel.finish()
        else:
            channel.abort()

    async def _say_stopping(self) -> str:
        try:
            await self._channel.write(self._peer.refuse(self._stopping or STOPPING), self._times.stall)
        except (ChannelClosed, DeadlinePassed):
            return "closed"
        return "shutdown"

    # ---- before the conversation ----------------------------------------------------------------------------------

    async def _converse(self) -> str:
        entrance, peer, channel = self._entrance, self._peer, self._channel
        if entrance.implicit:
            if not await self._expect_handshake():
                return "wrong protocol"
            await self._secure()
        refusal = entrance.refusal
        if refusal is not None:
            await channel.write(peer.greet(refusal), self._times.stall)
            return "refused"
        await channel.write(peer.greet(Reply(True, self._session.greeting(self._greeting))), self._times.stall)
        return await self._serve()

    async def _expect_handshake(self) -> bool:
        """Whether the client's next octet begins a TLS handshake; anything else gets no answer (P55)."""
        try:
            first = await self._channel.peek(8, self._times.handshake)
        except DeadlinePassed:
            self._tls_failed("nothing came")
            raise
        if first[:1] == TLS_HANDSHAKE:
            return True
        self._wrong_protocol("HTTP" if first[:4] in (b"GET ", b"POST", b"HEAD") else "cleartext on the TLS port")
        return False

    def _wrong_protocol(self, seen: str) -> None:
        session = self._session
        session.context.sink.emit(
            WrongProtocol(session=session.id, peer=session.origin.address, listener=session.origin.listener, seen=seen)
        )

    def _tls_failed(self, reason: str) -> None:
        session = self._session
        session.context.sink.emit(
            TlsFailed(session=session.id, peer=session.origin.address, listener=session.origin.listener, reason=reason)
        )

    async def _secure(self) -> None:
        entrance, session = self._entrance, self._session
        assert entrance.tls is not None
        places = entrance.handshakes
        # Those who are only to be told that there is no room may not take the places of those who are let in.
        refused = entrance.refusal is not None
        if places.active >= (places.limit // 4 if refused else places.limit):
            session.context.sink.emit(
                ConnectionRefused(
                    peer=session.origin.address, listener=session.origin.listener, limit="limits.handshakes"
                )
            )
            raise NoPlaceError
        places.active += 1
        try:
            seconds = min(self._times.handshake, REFUSAL_HANDSHAKE) if refused else self._times.handshake
            secured = await self._channel.start_tls(entrance.tls, seconds)
        except DeadlinePassed:
            self._tls_failed("handshake took too long")
            raise
        finally:
            places.active -= 1
        origin = session.origin._replace(tls=secured.version, certificate=secured.certificate)
        session.secured(origin, secured.bindings)

    # ---- the conversation -----------------------------------------------------------------------------------------

    async def _serve(self) -> str:
        """The loop. Returns how the session ended."""
        peer, session, channel = self._peer, self._session, self._channel
        handle = session.handle
        out: list[bytes | bytearray] = []
        gathered = 0
        while True:
            received = peer.next()
            if received is None:
                if out:
                    await channel.write(out[0] if len(out) == 1 else b"".join(out), self._times.stall)
                    out.clear()
                    gathered = 0
                if self._stopping is not None:
                    raise Interrupted
                if session.account is not None:
                    await channel.more(self._times.idle)
                else:
                    await self._more_before_login()
                continue
            answer = await handle(received)
            if isinstance(answer, Challenge):
                out.append(peer.challenge(answer))
                continue
            line = peer.reply(answer)
            out.append(line)
            gathered += len(line)
            body = answer.body
            if body is not None:
                if isinstance(body, (bytes, bytearray)):
                    out.append(body)
                    out.append(END)
                    gathered += len(body) + 3
                else:
                    await self._stream(out, body)
                    gathered = 0
            state = peer.state
            if gathered >= FLUSH or len(out) >= TURN or state is State.CLOSED or state is State.TLS:
                await channel.write(b"".join(out), self._times.stall)
                out.clear()
                gathered = 0
                if state is State.CLOSED:
                    return "refused" if answer.close else "quit"
                if state is State.TLS:
                    if not await self._begin_tls():
                        return "stls injection"
                else:
                    await asyncio.sleep(0)

    async def _more_before_login(self) -> None:
        """Wait for octets: there is a total time until login (P38)."""
        left = self._connected + self._times.login - self._loop.time()
        if left <= 0:
            raise DeadlinePassed
        before = self._channel.received
        await self._channel.more(left)
        if before == 0 and not self._session.origin.tls:
            self._refuse_tls_in_clear()

    def _refuse_tls_in_clear(self) -> None:
        """A ClientHello on the cleartext port is no command line (P55)."""
        if self._peer.begins_with(TLS_HANDSHAKE):
            self._wrong_protocol("TLS on the cleartext port")
            raise OtherProtocolError

    async def _stream(self, out: list[bytes | bytearray], body: AsyncGenerator[bytes | bytearray, None]) -> None:
        """Send a long body slice by slice; the last slice leaves together with the final line (P11)."""
        held: bytes | bytearray = b"".join(out)
        out.clear()
        async with contextlib.aclosing(body) as parts:
            async for part in parts:
                if not part:  # an empty last slice would leave the final line alone
                    continue
                await self._channel.write(held, self._times.stall)
                held = part
                await asyncio.sleep(0)
        await self._channel.write(held + END, self._times.stall)

    async def _begin_tls(self) -> bool:
        """After STLS: a boundary. Plaintext behind it ends the connection (P51)."""
        peer, session, channel = self._peer, self._session, self._channel
        channel.stop_reading()
        octets = peer.leftover()
        if not octets:
            first = await channel.peek(8, self._times.handshake)
            if first[:1] != TLS_HANDSHAKE:
                octets = len(first)
        if octets:
            session.context.sink.emit(StlsInjection(session=session.id, peer=session.origin.address, octets=octets))
            return False
        # Before the handshake: the client's first command may come in one packet with the end of it. Nothing is given
        # to the core until then, for reading has stopped, and nothing is taken from it until `_secure` returns.
        peer.secured()
        await self._secure()
        return True

    # ---- from outside ---------------------------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """The worker's ticker."""
        self._channel.check(now)

    @property
    def credential(self) -> tuple[str, str] | None:
        """Account and id of the credential of this session; None before login."""
        account = self._session.account
        return None if account is None else (account.name, account.credential)

    def stop(self, why: Reply = STOPPING) -> None:
        """Ask the client to go: now if it waits for its next command, else behind the reply it is in (P57)."""
        self._stopping = why
        self._channel.interrupt()


def _why(error: ssl.SSLError) -> str:
    """OpenSSL's reason; for a client certificate also what is wrong with it."""
    reason = error.reason or type(error).__name__
    return f"{reason}: {error.verify_message}" if isinstance(error, ssl.SSLCertVerificationError) else reason
