"""What the poplib shim stands on: a session made step by step, and the response lines as they were sent.

Rules: every step is one command and its reply, so that the first line that comes after something was sent is the
response; nothing is sent ahead. `OSError`s of connecting and of handshakes pass as they are; those of sending and
receiving are remembered, because the conversation turns them into its own.
Elsewhere: poplib's names and results (`poplib`); commands and replies (`exchange`).
"""

from __future__ import annotations

import ssl
import sys
from typing import TypeVar

from pillarbox.client.blocking import Client
from pillarbox.client.transport import Transport
from pillarbox.client.wants import Channel, Connect, StartTls, Work
from pillarbox.wire.commands import Verb

MOST_OCTETS = 1 << 30
"""Octets of one reply: poplib has no limit, but its users hold all of it in memory."""

_HEAD = 8192  # octets of a response line that are kept: as much as the core accepts

T = TypeVar("T")


class Recorder:
    """A transport that remembers the first line of what came since something was sent, and its own last trouble.

    Attributes:
        trouble: the last error of sending or receiving, or None.
    """

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self._head = bytearray()
        self.trouble: OSError | None = None

    @property
    def line(self) -> bytes:
        """The response line, without its end."""
        return bytes(self._head.partition(b"\n")[0]).removesuffix(b"\r")

    def send(self, data: bytes, deadline: float) -> None:
        """Send; what comes next begins a response."""
        self._head.clear()
        try:
            self._inner.send(data, deadline)
        except OSError as error:
            self.trouble = error
            raise

    def receive(self, deadline: float) -> bytes:
        """Receive, and keep the first line."""
        try:
            data = self._inner.receive(deadline)
        except OSError as error:
            self.trouble = error
            raise
        if b"\n" not in self._head and len(self._head) < _HEAD:
            self._head += data[:_HEAD]
        return data

    def start_tls(self, context: ssl.SSLContext, name: str, deadline: float) -> Channel:
        """Do a handshake."""
        return self._inner.start_tls(context, name, deadline)

    def close(self) -> None:
        """Close at once."""
        self._inner.close()


class Steps(Client):
    """A client whose session is made step by step, each by the caller's command, and none ahead of its reply."""

    def meet(self, context: ssl.SSLContext | None) -> Work[None]:
        """Connect, secure the channel where TLS comes first, and read the greeting."""
        plan, line = self._talk.plan, self._talk.exchange.line
        yield Connect(plan.address.host, plan.address.port, plan.clock() + plan.timeout.connect)
        line.begun()
        if context is not None:
            yield from self._handshake(context)
        yield from self._talk.exchange.greeting()

    def _handshake(self, context: ssl.SSLContext) -> Work[None]:
        plan = self._talk.plan
        yield StartTls(context, plan.address.host, plan.clock() + plan.timeout.connect)

    def say(self, verb: Verb, number: int = 0, lines: int = -1, argument: bytes = b"") -> Work[bool]:
        """A command with a single line of reply; returns whether it is +OK."""
        exchange = self._talk.exchange
        ticket = yield from exchange.post(verb, number=number, lines=lines, argument=argument)
        return bool((yield from exchange.status(ticket)).ok)

    def ask(self, verb: Verb, number: int = 0, lines: int = -1) -> Work[tuple[list[bytes], int] | None]:
        """A command with a body: its lines and octets, or None when it is refused."""
        exchange = self._talk.exchange
        ticket = yield from exchange.post(verb, number=number, lines=lines, allowed=MOST_OCTETS)
        if not (yield from exchange.status(ticket)).ok:
            return None
        found = yield from exchange.lines(ticket, sys.maxsize, sys.maxsize)
        return found, ticket.octets

    def secure(self, context: ssl.SSLContext) -> Work[bool]:
        """STLS; returns whether it is +OK, and the channel secured."""
        if not (yield from self.say(Verb.STLS)):
            return False
        yield from self._handshake(context)
        yield from self._talk.exchange.secured()
        return True

    def carry_out(self, work: Work[T]) -> T:
        """See `_run`."""
        return self._run(work)
