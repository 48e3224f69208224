"""Commands out, replies in, in order: what a client's conversation is made of. Sans I/O.

Rules: every command that was sent has a `Ticket`, and tickets are answered in the order of sending; whoever waits for
one lets all before it pass, whose bodies are dropped then; a body is handed on in pieces and never held.
Elsewhere: deadlines and the end of a connection (`line`); which command when (`opening`, `conversation`, `batch`).
Serves RFC 1939 §3, RFC 2449 §4 and §6.8 (PIPELINING), RFC 5034 §4.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pillarbox.client.errors import LimitExceeded, ProtocolError, UsageError, refusal
from pillarbox.client.line import Line
from pillarbox.client.settings import PIPELINED_OCTETS
from pillarbox.client.wants import Work
from pillarbox.wire import errors as wire
from pillarbox.wire import limits
from pillarbox.wire.client_peer import Answer, BodyChunk, BodyEnd, Greeting
from pillarbox.wire.commands import Verb
from pillarbox.wire.replies import Challenge, Status
from pillarbox.wire.states import State

SMALL_REPLY = 64 * 1024
"""Octets of a multi-line reply that is no listing and no message (CAPA)."""

_MESSAGES = (Verb.RETR, Verb.TOP)

Fits = Callable[[Status], bool]
"""Whether this can be the answer to a command whose answer is known."""


class Ticket:
    """One command, and what became of it.

    Attributes:
        allowed: octets of its body before the server counts as hostile.
        octets: of the body, as far as it was handed on or dropped.
        status: the status line, once it has come.
        ended: nothing more comes.
        dropped: of the body, something has passed without having been wanted.
        seal: the command behind this one whose answer proves where this one's ends.
        begins: the first octets of a message.
        lines: line ends among the `octets` that were handed on.
        listed: the size that LIST has, of a message that was asked for ahead; -1 for others.
        confirmed: it is certain that the body is this command's, and whole.
    """

    __slots__ = (
        "allowed", "begins", "confirmed", "dropped", "ended", "fits", "length", "lines", "listed", "octets", "seal",
        "status", "verb",
    )  # fmt: skip

    def __init__(self, verb: Verb, length: int, allowed: int, fits: Fits | None = None) -> None:
        self.verb = verb
        self.length = length  # octets of the command
        self.allowed = allowed
        self.fits = fits
        self.seal: Ticket | None = None
        self.begins = b""
        self.lines = 0
        self.listed = -1
        self.confirmed = False
        self.octets = 0
        self.status: Status | None = None
        self.ended = False
        self.dropped = False


class Exchange:
    """The commands and replies of one connection.

    Attributes:
        line: the connection underneath.
        pipelining: whether commands are sent ahead; None when it is not known whether they can be (then they are not).
    """

    def __init__(self, line: Line) -> None:
        self.line = line
        self.pipelining: bool | None = None
        self._peer = line.peer
        self._owed: deque[Ticket] = deque()
        self._flight = 0  # octets of commands without a complete reply

    @property
    def state(self) -> State:
        """Where the session stands, as far as the server has answered."""
        return self._peer.state

    @property
    def outstanding(self) -> int:
        """Commands whose replies are not complete."""
        return len(self._owed)

    @property
    def busy(self) -> bool:
        """Whether messages are on their way."""
        return any(ticket.verb in _MESSAGES for ticket in self._owed)

    def awaits(self, size: int) -> bool:
        """Whether a message of this listed size is on its way."""
        return any(ticket.listed == size for ticket in self._owed)

    # ---- commands -------------------------------------------------------------------------------------------------

    @property
    def room(self) -> bool:
        """Whether one more command can go out without waiting for a reply."""
        return not self._owed or (self.pipelining is True and self._flight < PIPELINED_OCTETS)

    def post(
        self,
        verb: Verb,
        *,
        number: int = 0,
        lines: int = -1,
        argument: bytes = b"",
        allowed: int = SMALL_REPLY,
        fits: Fits | None = None,
    ) -> Work[Ticket]:
        """Say a command; its reply is read later. Where there is no `room`, replies before it are read first.

        An answer that does not fit ends the session.

        Raises:
            UsageError: it cannot be said here and now, or the argument has a line break or NUL, or is too long.
        """
        if not self.room:
            # Half of the room is made at once, so that commands go out many at a time.
            enough = PIPELINED_OCTETS // 2 if self.pipelining else 0
            while self._owed and self._flight > enough:
                yield from self.finish(self._owed[0])
        if not self._owed and self.line.open:
            yield from self.line.quiet()
        return self._ask(verb, number, lines, argument, allowed, fits)

    def overlap(self, verb: Verb, number: int = 0, fits: Fits | None = None) -> Ticket:
        """Say a command behind another, whatever is known about pipelining: only the probe and seals may."""
        return self._ask(verb, number, -1, b"", SMALL_REPLY, fits)

    def _ask(self, verb: Verb, number: int, lines: int, argument: bytes, allowed: int, fits: Fits | None) -> Ticket:
        self.line.check()
        try:
            octets = self._peer.command(verb, number=number, lines=lines, argument=argument)
        except wire.LocalError as error:
            raise UsageError(f"{verb.name}: {error}") from None
        return self._said(verb, octets, allowed, fits)

    def auth(self, mechanism: str, initial: bytes | None) -> Ticket:
        """Begin a SASL exchange; `challenge` and `respond` go on with it.

        Raises:
            UsageError: the initial response makes the line too long: it has to wait for the empty challenge.
        """
        self.line.check()
        try:
            octets = self._peer.auth(mechanism, initial)
        except wire.LocalError as error:
            raise UsageError(f"AUTH: {error}") from None
        return self._said(Verb.AUTH, octets, SMALL_REPLY)

    def _said(self, verb: Verb, octets: bytes, allowed: int, fits: Fits | None = None) -> Ticket:
        ticket = Ticket(verb, len(octets), allowed, fits)
        self._owed.append(ticket)
        self._flight += len(octets)
        self.line.say(octets)
        return ticket

    def respond(self, data: bytes | None) -> None:
        """Answer a challenge; None gives the exchange up.

        Raises:
            UsageError: the response is too long.
        """
        try:
            self.line.say(self._peer.cancel() if data is None else self._peer.respond(data))
        except wire.LocalError as error:
            raise UsageError(f"AUTH: {error}") from None

    # ---- replies --------------------------------------------------------------------------------------------------

    def greeting(self) -> Work[Status]:
        """The server's first line.

        Raises:
            Refused: the server turns us away.
        """
        said = yield from self.line.hear("greeting")
        assert isinstance(said, Greeting)
        self.line.fresh()
        if not said.status.ok:
            yield from self.line.close()
            raise refusal(said.status, "connection")
        return said.status

    def status(self, ticket: Ticket, patience: float | None = None) -> Work[Status]:
        """The status line that answers a command; everything before it passes.

        Raises:
            TimeoutError: there was `patience`, in seconds, and it has ended; the connection is as before.
        """
        while ticket.status is None:
            self.line.check()
            first = self._owed[0]
            if first.status is None:
                yield from self._answer(first, patience)
            else:
                yield from self.finish(first)
        return ticket.status

    def demand(self, ticket: Ticket) -> Work[Status]:
        """As `status`.

        Raises:
            Refused: it is -ERR.
        """
        status = yield from self.status(ticket)
        if not status.ok:
            raise refusal(status, ticket.verb.name)
        return status

    def challenge(self, ticket: Ticket) -> Work[bytes | None]:
        """The next challenge of a SASL exchange, or None when the status line came instead."""
        said = yield from self.line.hear(ticket.verb.name)
        self.line.fresh()
        if isinstance(said, Challenge):
            return said.data
        assert isinstance(said, Answer)
        self._take(ticket, said)
        return None

    def piece(self, ticket: Ticket) -> Work[bytes | None]:
        """The next octets of a body, dots unstuffed, 64 KiB at most; None at its end, or after an -ERR.

        Raises:
            UsageError: something else was asked for meanwhile, and the body passed.
        """
        if ticket.dropped:
            raise UsageError("the rest of this reply has passed: it was not read before something else was asked")
        if ticket.status is None:
            yield from self.status(ticket)
        return None if ticket.ended else (yield from self._piece(ticket))

    def finish(self, ticket: Ticket) -> Work[None]:
        """Read a reply to its end and drop what is left of its body."""
        yield from self.status(ticket)
        while not ticket.ended:
            self.line.check()
            if (yield from self._piece(ticket)) is not None:
                ticket.dropped = True

    def settle(self) -> Work[None]:
        """Read all replies that are still to come."""
        while self._owed:
            yield from self.finish(self._owed[-1])

    def forget(self) -> None:
        """The server threw away all commands that have no reply yet: none will come."""
        self._peer.discarded()
        self._owed.clear()
        self._flight = 0

    def lines(self, ticket: Ticket, most: int, longest: int = limits.REPLY_LINE_TOLERATED) -> Work[list[bytes]]:
        """The lines of a body, `most` at most of `longest` octets each, without their ends.

        Raises:
            LimitExceeded: there are more.
            ProtocolError: one is longer.
        """
        found: list[bytes] = []
        rest = b""
        while (piece := (yield from self.piece(ticket))) is not None:
            if len(found) + piece.count(b"\n") > most:
                text = "more lines than any honest listing has"
                raise (yield from self.line.abort(LimitExceeded(text), ticket.verb.name))
            *complete, rest = (rest + piece).split(b"\n")  # in lenient mode nothing else ends a line
            if max(map(len, (*complete, rest))) > longest:
                text = "a line of a listing is too long"
                raise (yield from self.line.abort(ProtocolError(text), ticket.verb.name))
            found += [line.removesuffix(b"\r") for line in complete]
        return found

    def _answer(self, ticket: Ticket, patience: float | None = None) -> Work[None]:
        said = yield from self.line.hear(ticket.verb.name, patience)
        self.line.fresh()
        if not isinstance(said, Answer):
            error = ProtocolError("a challenge outside of an exchange")
            raise (yield from self.line.abort(error, ticket.verb.name))
        self._take(ticket, said)
        if ticket.fits is not None and not ticket.fits(said.status):
            wrong = ProtocolError("replies do not fit their commands")
            raise (yield from self.line.abort(wrong, ticket.verb.name))

    def _take(self, ticket: Ticket, answer: Answer) -> None:
        ticket.status = answer.status
        if not answer.body:
            self._ended(ticket)

    def _ended(self, ticket: Ticket) -> None:
        ticket.ended = True
        self._owed.popleft()
        self._flight -= ticket.length
        self.line.fresh()

    def _piece(self, ticket: Ticket) -> Work[bytes | None]:
        said = yield from self.line.hear(ticket.verb.name)
        if isinstance(said, BodyEnd):
            self._ended(ticket)
            return None
        assert isinstance(said, BodyChunk)
        ticket.octets += len(said.data)
        if ticket.octets > ticket.allowed:
            text = f"a reply to {ticket.verb.name} is longer than {ticket.allowed} octets"
            raise (yield from self.line.abort(LimitExceeded(text), ticket.verb.name))
        return said.data

    # ---- boundaries -----------------------------------------------------------------------------------------------

    def secured(self) -> Work[None]:
        """The handshake that STLS led to is done.

        Raises:
            ProtocolError: plaintext came before it.
        """
        try:
            self._peer.secured()
            return
        except wire.ProtocolError as wrong:
            error = ProtocolError(str(wrong))
        raise (yield from self.line.abort(error, "STLS"))
