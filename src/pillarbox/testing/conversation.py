"""One connection of a scripted server, in a thread of its own: the project's session, with faults on the way out.

Rules: what is honest is said by `session` over `wire.ServerPeer`, the same as in the real server; a fault at a command
strikes before the command is carried out, a fault at an octet of its reply afterwards. Nothing that the memory store
does ever waits, so that a coroutine is run to its end in one step, without an event loop.
Elsewhere: octets (`channel`), changed replies (`reply_script`).
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

from pillarbox.auth.attempt import Origin
from pillarbox.session.context import Context, Door
from pillarbox.session.session import Session
from pillarbox.testing.behaviour import Behaviour
from pillarbox.testing.channel import Channel, Ended
from pillarbox.testing.faults import GREETING, TLS, Action, Fault, Moment
from pillarbox.testing.reply_script import Scripted, apply, count_and_name, line
from pillarbox.testing.transcript import Transcript
from pillarbox.wire.commands import Command, Malformed, Received, SaslResponse, Verb
from pillarbox.wire.grammar import verb_of
from pillarbox.wire.peer import ServerPeer
from pillarbox.wire.replies import Challenge, Reply
from pillarbox.wire.states import State

T = TypeVar("T")

_LONGEST_LINE = 65_536  # octets that are collected for one line of a client before the core gets them as they are
_RESPONSE = "RESPONSE"  # the moment of a line inside an exchange


class Host(Protocol):
    """What a conversation needs of its server."""

    behaviour: Behaviour
    context: Context
    lock: threading.RLock
    stopping: threading.Event

    def faults(self) -> list[Fault]:
        """Those in force now."""
        ...

    def used(self, fault: Fault) -> None:
        """A fault has struck: one that is for once is over."""
        ...

    def changed(self) -> None:
        """Something happened that somebody may wait for."""
        ...

    def was_retrieved(self, session: Session, number: int) -> None:
        """The message with this number was sent as a whole."""
        ...


class Conversation:
    """One connection.

    Attributes:
        number: which connection of the server this is, from 1.
        commands: how many commands came.
        how: how it ended; "" while it goes on.
        transcript: what was said.
    """

    def __init__(
        self, host: Host, sock: socket.socket, number: int, door: Door, tls: ssl.SSLContext | None, *, implicit: bool
    ) -> None:
        self.number = number
        self.commands = 0
        self.how = ""
        self.transcript = Transcript()
        self._host = host
        self._tls = tls
        self._implicit = implicit
        self._channel = Channel(sock, host.stopping, self._struck)
        address, port = sock.getpeername()[:2]
        self._session = Session(host.context, str(number), Origin(address, port, "scripted"), door)
        self._peer = ServerPeer()
        self._input = bytearray()
        self._seen: dict[str, int] = {}  # commands by verb

    def shut(self) -> None:
        """End it, from another thread."""
        self._channel.shut()

    @property
    def sent(self) -> int:
        """Octets sent so far, inside TLS."""
        return self._channel.sent

    def run(self) -> None:
        """Serve the client until the connection is over."""
        how = "defect"
        try:
            how = self._converse()
        except Ended as ended:
            how = str(ended)
        finally:
            with self._host.lock:
                finished(self._session.end(how))
            self.transcript.note(how)
            self.how = how
            self._host.changed()
            self._channel.close()

    def _converse(self) -> str:
        mine = [fault for fault in self._host.faults() if fault.place.session in (0, self.number)]
        self._channel.plan(
            [(fault.place.octet, fault) for fault in mine if fault.place.in_stream and fault.place.octet is not None]
        )
        if self._implicit:
            self._secure()
        self._greet()
        while True:
            end = self._serve_one()
            self._host.changed()
            if end is not None:
                return end

    def _greet(self) -> None:
        moment = Moment(self.number, GREETING)
        greeting = Reply(True, self._session.greeting(self._host.behaviour.greeting))
        answer = self._before(moment)
        status = self._peer.greet(greeting if answer is None else Reply(not answer.startswith(b"-")))
        self._send(moment, Scripted(status if answer is None else answer))
        if self._peer.state is State.CLOSED:
            self._channel.finish()
            raise Ended("refused")

    # ---- one command ----------------------------------------------------------------------------------------------

    def _serve_one(self) -> str | None:
        """Answer the next thing the client says; returns how the session ended, when it did."""
        said = self._next_line()
        self._peer.receive(said)
        received = self._peer.next()
        if received is None:
            return None  # a part of an over-long line
        self.transcript.client(said.rstrip(b"\r\n"), received)
        moment = self._at(said, received)
        self._host.changed()
        answer = self._before(moment) if moment.command else None
        refusal = self._refusal(received) if answer is None else None
        if answer is not None or refusal is not None:
            status = self._peer.reply(Reply(False, refusal or "scripted"))
            self._send(moment, Scripted(status if answer is None else answer))
        else:
            self._honest(moment, received)
        match self._peer.state:
            case State.TLS:
                self._begin_tls()
            case State.CLOSED:
                self._channel.finish()
                return "quit" if moment.verb == Verb.QUIT.name else "closed by server"
        return None

    def _honest(self, moment: Moment, received: Received) -> None:
        with self._host.lock:
            answer = finished(self._session.handle(received))
        if isinstance(answer, Challenge):
            self._send(moment, Scripted(self._peer.challenge(answer)))
            return
        reply = Scripted(self._peer.reply(answer), None if answer.body is None else slices(answer.body))
        count_and_name(reply, moment.verb, self._host.behaviour, self.number)
        self._send(moment, reply)
        if answer.ok and moment.verb == Verb.RETR.name:
            self._host.was_retrieved(self._session, moment.number)

    def _at(self, said: bytes, received: Received) -> Moment:
        if isinstance(received, SaslResponse) or (isinstance(received, Malformed) and self._session.exchange):
            return Moment(self.number, _RESPONSE)
        self.commands += 1
        verb = received.verb if received.verb is not None else verb_of(said.strip())
        name = verb.name if verb is not None else ""
        self._seen[name] = nth = self._seen.get(name, 0) + 1
        return Moment(self.number, name, self.commands, nth, received.number if isinstance(received, Command) else 0)

    def _refusal(self, received: Received) -> str | None:
        """What the behaviour has against a command."""
        behaviour = self._host.behaviour
        if not isinstance(received, Command):
            return None
        verb = received.verb
        if verb.name in behaviour.refused or (verb is Verb.CAPA and not behaviour.capa):
            return "unknown command"
        if not behaviour.user_pass and verb in (Verb.USER, Verb.PASS):
            return "logins with a password in clear are not accepted here"
        if verb is Verb.AUTH and b" " in received.argument and not behaviour.initial_response:
            return "protocol error"
        return None

    def _next_line(self) -> bytes:
        """The client's next line, with its ending."""
        while (end := self._input.find(b"\n")) < 0:
            if len(self._input) > _LONGEST_LINE:
                end = len(self._input) - 1
                break
            self._input += self._channel.receive()
        said = bytes(self._input[: end + 1])
        del self._input[: end + 1]
        if not self._host.behaviour.pipelining and self._peer.state is not State.SASL:
            self._discard()
        return said

    def _discard(self) -> None:
        """Throw away what the client sent without waiting for its reply."""
        early = len(self._input)
        self._input.clear()
        while data := self._channel.receive(wait=False):
            early += len(data)
        if early:
            self.transcript.note(f"{early} pipelined octets thrown away")

    # ---- faults and replies ---------------------------------------------------------------------------------------

    def _faults(self, moment: Moment) -> list[Fault]:
        return [fault for fault in self._host.faults() if not fault.place.in_stream and fault.place.fits(moment)]

    def _before(self, moment: Moment) -> bytes | None:
        """Let the faults strike that come before a command is carried out; returns what answers it instead."""
        for fault in self._faults(moment):
            if fault.place.octet is not None:
                continue
            if fault.action is Action.ANSWER:
                self._struck(fault)
                return line(fault.text)
            if fault.cuts or fault.action in (Action.SLOW, Action.CALL):
                self._channel.strike(fault)
        return None

    def _send(self, moment: Moment, reply: Scripted) -> None:
        faults = self._faults(moment)
        apply(reply, faults)
        for fault in reply.changed:
            self._struck(fault)
        self._channel.plan_reply([(f.place.octet, f) for f in faults if f.place.octet is not None])
        self._put(moment, reply)
        self._channel.plan_reply([])

    def _put(self, moment: Moment, reply: Scripted) -> None:
        """Send a reply: the status line with the first slice, the final line with the last one (P11)."""
        self.transcript.server(reply.status)
        held, octets, known = reply.status, 0, b""
        for part in reply.body or ():
            if octets:
                self._channel.send(held)
                held = b""
            held += part
            octets += len(part)
            known = part if octets == len(part) else known
        behaviour = self._host.behaviour
        if reply.body is not None or octets:
            self.transcript.body(known, octets, message=moment.verb in ("RETR", "TOP"))
            held += b"" if reply.endless else reply.end
        if reply.endless:
            self._channel.send(held)
            self._channel.send_endlessly(reply.endless, behaviour.endless_octets, behaviour.endless_seconds)
        self._channel.send(held + reply.suffix)

    def _struck(self, fault: Fault) -> None:
        self.transcript.note(f"fault: {fault}")
        self._host.used(fault)

    # ---- TLS ------------------------------------------------------------------------------------------------------

    def _begin_tls(self) -> None:
        """After STLS; plaintext behind the command ends the connection (P51)."""
        if self._input or self._peer.leftover():
            self._channel.finish()
            raise Ended("plaintext behind STLS")
        self._peer.secured()
        self._secure()

    def _secure(self) -> None:
        assert self._tls is not None
        self._before(Moment(self.number, TLS))
        secured = self._channel.start_tls(self._tls)
        origin = self._session.origin._replace(tls=secured.version, certificate=secured.certificate)
        self._session.secured(origin, secured.bindings)
        self.transcript.note(secured.version)


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("something waited that must not")


def slices(body: bytes | bytearray | AsyncGenerator[bytes | bytearray, None]) -> Iterator[bytes]:
    """A body slice by slice, without an event loop."""
    if isinstance(body, (bytes, bytearray)):
        yield bytes(body)
        return
    while True:
        try:
            yield bytes(finished(body.__anext__()))
        except StopAsyncIteration:
            return
