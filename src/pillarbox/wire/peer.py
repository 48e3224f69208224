"""The server's end of a conversation, sans I/O: octets in, commands out; replies in, octets out.

Rules: one command is given out at a time, and the next only after its reply, so that pipelined commands run in order
(P35) and state is never ahead of what was answered; after an accepted STLS the core is paused until `secured`, and
plaintext left behind the STLS line is refused there (P51).
The client's end is `client_peer`, a bystander's is `observer`; all three follow `dialogue`.
Serves RFC 1939 §3, RFC 2449 §4, RFC 2595 §4, RFC 5034 §4.
"""

from __future__ import annotations

from pillarbox.wire import limits
from pillarbox.wire.commands import Command, Malformed, Received, SaslResponse
from pillarbox.wire.dialogue import Dialogue
from pillarbox.wire.errors import BadCommand, LocalError
from pillarbox.wire.grammar import parse, verb_of
from pillarbox.wire.lines import LineBuffer
from pillarbox.wire.replies import Challenge, Reply, challenge_line, status_line
from pillarbox.wire.states import Shape, State, illegal_text


class ServerPeer:
    """One connection as the server sees it."""

    __slots__ = ("_asked", "_dialogue", "_lines")

    def __init__(self) -> None:
        self._dialogue = Dialogue()
        self._lines = LineBuffer()
        self._asked = False  # a command was given out and has no final reply yet

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._dialogue.state

    @property
    def held(self) -> int:
        """Octets received and not yet used."""
        return len(self._lines)

    def greet(self, reply: Reply) -> bytes:
        """The greeting's octets."""
        self._dialogue.greeted(ok=reply.ok)
        return status_line(reply)

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take octets from the client."""
        self._lines.feed(data)

    def begins_with(self, octets: bytes) -> bool:
        """Whether what is held begins so: tells other protocols from POP3 before a line is complete."""
        return self._lines.begins_with(octets)

    def next(self) -> Received | None:
        """The next thing the client said, or None when more octets are needed, or none are to be read (TLS, CLOSED).

        Raises:
            LocalError: when the last one has not been answered.
        """
        state = self._dialogue.state
        if state is State.SASL:
            return self._next_response()
        if state is State.TLS or state is State.CLOSED:
            return None
        if self._asked:
            raise LocalError("the last command has no reply yet")
        line = self._lines.next(limits.COMMAND_LINE)
        if line is None:
            return None
        self._asked = True
        if line.overlong:
            self._dialogue.asked(None)
            return Malformed("command line too long", verb_of(line.data), overlong=True)
        try:
            command = parse(line.data)
        except BadCommand as error:
            self._dialogue.asked(None)
            return Malformed(str(error), verb_of(line.data))
        if self._dialogue.row(command) is None:
            self._dialogue.asked(None)
            return Malformed(illegal_text(state, command.verb), command.verb)
        self._dialogue.asked(command)
        return command

    def _next_response(self) -> SaslResponse | Malformed | None:
        if not self._dialogue.awaiting_response:
            raise LocalError("the last response has no answer yet")
        line = self._lines.next(limits.SASL_LINE)
        if line is None:
            return None
        self._dialogue.responded()
        if line.overlong:
            return Malformed("response too long", overlong=True)
        return SaslResponse(line.data)

    def reply(self, reply: Reply) -> bytes:
        """The status line that answers the last command; its body, if any, is the caller's to send after it.

        Raises:
            LocalError: when there is nothing to answer, or the body does not fit the table's shape.
        """
        if not self._asked:
            raise LocalError("nothing was asked")
        shape = self._dialogue.answered(ok=reply.ok)
        if (shape is Shape.MULTI) != (reply.body is not None):
            raise LocalError("a body where none belongs, or none where one does")
        self._asked = False
        if reply.close:
            self._dialogue.closed()
        return status_line(reply)

    def challenge(self, challenge: Challenge) -> bytes:
        """The octets of a SASL continuation."""
        self._dialogue.challenged()
        return challenge_line(challenge)

    def refuse(self, reply: Reply) -> bytes:
        """An unasked -ERR between commands, after which nothing more is said (shutdown, limits)."""
        if reply.ok:
            raise LocalError("only -ERR is ever said unasked")
        self._dialogue.closed()
        return status_line(reply)

    def leftover(self) -> int:
        """Octets that came behind the STLS line; they are forgotten. Anything but 0 must end the connection (P51)."""
        return self._lines.clear()

    def secured(self) -> None:
        """The handshake is done: parser and state start afresh.

        Raises:
            LocalError: when plaintext is still held.
        """
        if len(self._lines):
            raise LocalError("plaintext behind STLS")
        self._dialogue.secured()

    def close(self) -> None:
        """The connection is over."""
        self._dialogue.closed()
        self._lines.clear()


__all__ = ["Command", "Malformed", "Reply", "SaslResponse", "ServerPeer", "State"]
