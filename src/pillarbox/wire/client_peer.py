"""The client's end of a conversation, sans I/O: commands in, octets out; octets in, replies out.

Rules: a command that cannot be meant here and now is refused before it is sent (`LocalError`); any doubt about what a
server said ends the conversation (`ProtocolError`, once, then CLOSED); nothing is sent behind STLS or AUTH before their
reply is known, and octets a server sent between its +OK to STLS and the handshake are fatal, for anybody could have
injected them.
The server's end is `peer`, a bystander's is `observer`; all three follow `dialogue`.
Serves RFC 1939 §3, RFC 2449 §4 and §6.8, RFC 2595 §4, RFC 5034 §4.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

from pillarbox.wire import limits
from pillarbox.wire.commands import Command, Verb
from pillarbox.wire.dialogue import Dialogue
from pillarbox.wire.dots import BodyReader
from pillarbox.wire.errors import LocalError, ProtocolError
from pillarbox.wire.grammar import encode
from pillarbox.wire.lines import LineBuffer
from pillarbox.wire.replies import Challenge, Status, parse_status
from pillarbox.wire.states import TABLE, Shape, State, illegal_text


class Greeting(NamedTuple):
    """The server's first line."""

    status: Status


class Answer(NamedTuple):
    """The status line that answers a command.

    Attributes:
        command: what it answers, secrets taken out.
        body: `BodyChunk`s and a `BodyEnd` follow.
    """

    command: Command
    status: Status
    body: bool


class Unasked(NamedTuple):
    """An -ERR that answers nothing: the server says why it is about to close (shutdown, time-out)."""

    status: Status


class BodyChunk(NamedTuple):
    """The next octets of a body, dots unstuffed. Chunks are cut anywhere."""

    data: bytes


class BodyEnd(NamedTuple):
    """The body is complete. `octets` is its length, dots unstuffed."""

    octets: int


Said = Greeting | Answer | Unasked | BodyChunk | BodyEnd | Challenge


class ClientPeer:
    """One connection as the client sees it.

    Args:
        lenient_lf: accept lines and bodies that end in bare LF. Only for servers known to send nothing else.
    """

    __slots__ = ("_ahead", "_body", "_dialogue", "_lenient", "_lines")

    def __init__(self, *, lenient_lf: bool = False) -> None:
        self._dialogue = Dialogue()
        self._lines = LineBuffer()
        self._lenient = lenient_lf
        self._body: BodyReader | None = None
        self._ahead = State.GREETING  # where the session stands once everything asked has gone well

    @property
    def state(self) -> State:
        """Where the session stands, as far as the server has answered."""
        return self._dialogue.state

    @property
    def unanswered(self) -> int:
        """Commands without a reply."""
        return len(self._dialogue.pending)

    # ---- sending --------------------------------------------------------------------------------------------------

    def command(self, verb: Verb, *, number: int = 0, lines: int = -1, argument: bytes = b"") -> bytes:
        """The octets of a command. Others may be unanswered (pipelining): they are taken to succeed.

        Raises:
            LocalError: when it is illegal once those have succeeded, when its arguments do not fit, when STLS would
                not be alone, or when too many are unanswered.
        """
        command = Command(verb, number, lines, argument)
        line = encode(command)
        row = TABLE.get((self._ahead, verb, command.has_argument))
        if row is None:
            raise LocalError(illegal_text(self._ahead, verb))
        if verb is Verb.STLS and (self._dialogue.pending or len(self._lines)):
            raise LocalError("STLS has to be alone")
        if len(self._dialogue.pending) >= limits.PENDING_COMMANDS:
            raise LocalError("too many commands without a reply")
        self._dialogue.asked(command.redacted())
        self._ahead = State.SASL if row.shape is Shape.SASL else row.ok
        return line

    def auth(self, mechanism: str, initial: bytes | None = None) -> bytes:
        """The octets of AUTH with a mechanism, and with an initial response where the mechanism has one.

        Raises:
            LocalError: as `command`. An initial response that makes the line too long has to wait for the server's
                empty challenge (RFC 5034 §4).
        """
        words = [mechanism.encode("ascii", "replace")]
        if initial is not None:
            words.append(base64.b64encode(initial) or b"=")
        return self.command(Verb.AUTH, argument=b" ".join(words))

    def respond(self, data: bytes) -> bytes:
        """The octets of the response to the last challenge.

        Raises:
            LocalError: when there was none, or the response is over its limit.
        """
        return self._respond(base64.b64encode(data))

    def cancel(self) -> bytes:
        """The octets that give up an exchange; the server answers -ERR (RFC 5034 §4).

        Raises:
            LocalError: when no challenge waits for a response.
        """
        return self._respond(b"*")

    def _respond(self, line: bytes) -> bytes:
        if not self._dialogue.awaiting_response:
            raise LocalError("no challenge waits for a response")
        if len(line) + 2 > limits.SASL_LINE:
            raise LocalError("the response is too long")
        self._dialogue.responded()
        return line + b"\r\n"

    # ---- receiving ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take octets from the server."""
        self._lines.feed(data)

    def next(self) -> Said | None:
        """The next thing the server said, or None when more octets are needed, or none are to be read.

        Raises:
            ProtocolError: when it made no sense. The conversation is over then.
        """
        try:
            return self._next() if self._body is None else self._next_piece(self._body)
        except ProtocolError:
            self.close()
            raise

    def _next(self) -> Said | None:
        dialogue = self._dialogue
        if dialogue.state is State.CLOSED:
            return None
        if dialogue.state is State.TLS:
            self._refuse_plaintext()
            return None
        line = self._lines.next(limits.REPLY_LINE_TOLERATED)
        if line is None and not self._lines.overlong:
            return None
        # At its limit, not at its end, which may never come.
        if line is None or line.overlong:
            raise ProtocolError("a reply line is too long")
        if line.bare and not self._lenient:
            raise ProtocolError("a reply line ends in a bare LF")
        status = parse_status(line.data)
        if dialogue.state is State.GREETING:
            return self._greeting(status)
        if status.ok is None:
            dialogue.challenged()
            return Challenge(_decoded(line.data[2:]))
        if not dialogue.pending:
            if status.ok:
                raise ProtocolError("a reply without a command")
            dialogue.closed()
            return Unasked(status)
        return self._answer(status, ok=status.ok)

    def _greeting(self, status: Status) -> Greeting:
        if status.ok is None:
            raise ProtocolError("the greeting is a challenge")
        self._dialogue.greeted(ok=status.ok)
        self._ahead = self._dialogue.state
        return Greeting(status)

    def _answer(self, status: Status, *, ok: bool) -> Answer:
        dialogue = self._dialogue
        command = dialogue.pending[0]
        assert command is not None
        in_exchange = dialogue.state is State.SASL
        row = dialogue.row(command)
        shape = dialogue.answered(ok=ok)
        if in_exchange or (row is not None and (row.shape is Shape.SASL or (not ok and row.ok is not row.err))):
            self._look_ahead()
        if shape is Shape.MULTI:
            self._body = BodyReader(lenient_lf=self._lenient)
        if dialogue.state is State.TLS:
            self._refuse_plaintext()
        return Answer(command, status, shape is Shape.MULTI)

    def _look_ahead(self) -> None:
        """Work out anew where the unanswered commands lead: one did not go as expected."""
        state = self._dialogue.state
        for command in self._dialogue.pending:
            row = TABLE.get((state, command.verb, command.has_argument)) if command is not None else None
            if row is not None:
                state = State.SASL if row.shape is Shape.SASL else row.ok
        self._ahead = state

    def _next_piece(self, body: BodyReader) -> BodyChunk | BodyEnd | None:
        while not body.done:
            held = self._lines.peek(limits.BODY_SLICE)
            if not held:
                return None
            data = body.feed(held)
            self._lines.skip(len(held) - len(body.leftover))
            if data:
                return BodyChunk(data)
        self._body = None
        return BodyEnd(body.octets)

    # ---- the ends of things ---------------------------------------------------------------------------------------

    def _refuse_plaintext(self) -> None:
        if len(self._lines):
            raise ProtocolError("octets between the reply to STLS and the handshake")

    def secured(self) -> None:
        """The handshake that STLS led to is done: parser and state start afresh (RFC 2595 §4).

        Raises:
            ProtocolError: when plaintext came before it. The conversation is over then.
            LocalError: when there was no STLS.
        """
        if self._dialogue.state is not State.TLS:
            raise LocalError("TLS without STLS")
        try:
            self._refuse_plaintext()
        except ProtocolError:
            self.close()
            raise
        self._dialogue.secured()
        self._ahead = self._dialogue.state

    def discarded(self) -> None:
        """The server has thrown away, unread, all commands that it has not answered: none of them will be.

        Only for a caller that is sure of it: what is said next is paired with the next command.
        """
        self._dialogue.pending.clear()
        self._look_ahead()

    def eof(self) -> None:
        """The server closed the connection. Call it once `next` has nothing more.

        Raises:
            ProtocolError: when something was missing: the greeting, a reply, the rest of a line or of a body.
        """
        state = self._dialogue.state
        cut = state is State.GREETING or len(self._dialogue.pending) > 0 or len(self._lines) > 0
        in_body = self._body is not None
        self.close()
        if in_body:
            raise ProtocolError("the connection ended within a body")
        if cut and state is not State.CLOSED:
            raise ProtocolError("the connection ended before a reply")

    def close(self) -> None:
        """The connection is over."""
        self._dialogue.closed()
        self._dialogue.pending.clear()
        self._ahead = State.CLOSED
        self._body = None
        self._lines.clear()


def _decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ProtocolError("a challenge is not base64") from None
