"""A bystander's view of a conversation: the octets of both directions in, typed observations out.

Rules: it never raises, never holds more than its named limits, and never shows a secret; what breaks the protocol
becomes a `Violation` and the watch goes on; what leaves no way to tell where a line begins becomes `Lost`. A lost
observer, or one that joined in mid-stream, finds its way again (`Found`) only with clients that wait for each reply:
at a command that tells the state it belongs to, whose reply is the next thing the server says.
Octets must be given in the order in which they passed the observer; how they are cut does not matter.
The ends' views are `peer` and `client_peer`; all three follow `dialogue`. Packets and reassembly are elsewhere.
Serves RFC 1939 §3, RFC 2449 §6.8, RFC 2595 §4, RFC 5034 §4.
"""

from __future__ import annotations

from pillarbox.wire import limits
from pillarbox.wire.commands import Command, Verb
from pillarbox.wire.dialogue import Dialogue
from pillarbox.wire.dots import BodyReader
from pillarbox.wire.errors import BadCommand, ProtocolError
from pillarbox.wire.grammar import parse, verb_of
from pillarbox.wire.lines import LineBuffer
from pillarbox.wire.observations import (
    Asked,
    BodyEnded,
    Challenged,
    Ended,
    Found,
    Garbled,
    Greeted,
    Lost,
    Moved,
    Observation,
    Replied,
    Responded,
    StlsStarted,
    Unasked,
    Violation,
)
from pillarbox.wire.replies import Status, parse_status
from pillarbox.wire.states import Shape, State

_HANDSHAKE = b"\x16"  # first octet of a TLS record that carries a handshake (RFC 8446 §5.1)

# Commands that are sensible in one state only: where a lost observer can begin again.
_TELLING: dict[Verb, State] = {
    Verb.USER: State.AUTHORIZATION,
    Verb.APOP: State.AUTHORIZATION,
    Verb.STLS: State.AUTHORIZATION,
    Verb.UTF8: State.AUTHORIZATION,
    Verb.PASS: State.NAMED,
    Verb.STAT: State.TRANSACTION,
    Verb.LIST: State.TRANSACTION,
    Verb.RETR: State.TRANSACTION,
    Verb.DELE: State.TRANSACTION,
    Verb.NOOP: State.TRANSACTION,
    Verb.RSET: State.TRANSACTION,
    Verb.TOP: State.TRANSACTION,
    Verb.UIDL: State.TRANSACTION,
}


class Observer:
    """Watches one connection.

    Args:
        lenient_lf: the server ends lines of bodies in bare LF.
    """

    __slots__ = (
        "_body",
        "_body_of",
        "_candidate",
        "_client",
        "_dialogue",
        "_lenient",
        "_lost",
        "_out",
        "_server",
        "_tls_seen",
    )

    def __init__(self, *, lenient_lf: bool = False) -> None:
        self._dialogue = Dialogue()
        self._client = LineBuffer()
        self._server = LineBuffer()
        self._lenient = lenient_lf
        self._body: BodyReader | None = None
        self._body_of = Command(Verb.RETR)
        self._lost = False
        self._candidate: Command | None = None  # while lost: the command that may tell where we are
        self._tls_seen: set[str] = set()  # the sides whose first octets behind STLS were looked at
        self._out: list[Observation] = []

    @property
    def state(self) -> State:
        """Where the session stands, as far as is known."""
        return self._dialogue.state

    @property
    def lost(self) -> bool:
        """Whether the conversation cannot be followed just now."""
        return self._lost

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way: every command seen has its whole reply, and it is the client's turn."""
        dialogue = self._dialogue
        waiting = self._body is not None or len(self._client) > 0
        return not waiting and (not dialogue.pending or dialogue.awaiting_response)

    @property
    def held(self) -> int:
        """Octets held of both sides."""
        return len(self._client) + len(self._server)

    def from_client(self, data: bytes | bytearray | memoryview) -> list[Observation]:
        """Take octets that the client sent."""
        self._client.feed(data)
        if self._dialogue.state is State.GREETING and not self._lost and len(self._client):
            self._lose("the client spoke before the greeting")
        return self._observe()

    def from_server(self, data: bytes | bytearray | memoryview) -> list[Observation]:
        """Take octets that the server sent."""
        self._server.feed(data)
        return self._observe()

    def secured(self) -> list[Observation]:
        """From here on the octets given are what the TLS connection carries inside."""
        before = self._dialogue.state
        self._forget()
        self._lost = False
        self._tls_seen.clear()
        self._dialogue.pending.clear()
        self._dialogue.state = State.AUTHORIZATION
        return [Moved(before, State.AUTHORIZATION)]

    def ended(self) -> list[Observation]:
        """The connection is over."""
        self._out.append(Ended(len(self._dialogue.pending), self._body is not None))
        before = self._dialogue.state
        self._dialogue.closed()
        self._dialogue.pending.clear()
        self._forget()
        if before is not State.CLOSED:
            self._out.append(Moved(before, State.CLOSED))
        return self._taken()

    # ---- one step after another -----------------------------------------------------------------------------------

    def _observe(self) -> list[Observation]:
        self._crank()
        if len(self._client) > limits.OBSERVED_AHEAD:
            self._lose("the client is too far ahead")
            self._crank()
        return self._taken()

    def _crank(self) -> None:
        while self._client_step() or self._server_step():
            pass

    def _taken(self) -> list[Observation]:
        out, self._out = self._out, []
        return out

    def _lose(self, reason: str) -> None:
        self._out.append(Lost(reason))
        self._lost = True
        self._dialogue.pending.clear()
        self._dialogue.awaiting_response = False
        # What the client said and was not looked at yet is looked at in the new light; replies are of no more use.
        self._server.clear()
        self._body = None
        self._candidate = None

    def _forget(self) -> None:
        self._client.clear()
        self._server.clear()
        self._body = None
        self._candidate = None

    def _violation(self, by: str, reason: str) -> None:
        self._out.append(Violation(by, reason))

    # ---- the client's side ----------------------------------------------------------------------------------------

    def _client_step(self) -> bool:
        """Take one line of the client; False when there is none, or it cannot be told yet what it is."""
        dialogue = self._dialogue
        if self._lost:
            return self._client_lost()
        if dialogue.state is State.SASL:
            return dialogue.awaiting_response and self._client_response()
        if dialogue.state in (State.TLS, State.CLOSED):
            self._drop("client", self._client)
            return False
        last = dialogue.pending[-1] if dialogue.pending else None
        if last is not None and (last.verb is Verb.STLS or (last.verb is Verb.AUTH and last.argument)):
            return False  # the reply decides whether commands, responses or a handshake follow
        line = self._client.next(limits.COMMAND_LINE)
        if line is None:
            return False
        if line.overlong:
            self._asked(None, Garbled("command line too long", verb_of(line.data)))
            return True
        try:
            command = parse(line.data).redacted()
        except BadCommand as error:
            self._asked(None, Garbled(str(error), verb_of(line.data)))
        else:
            self._asked(command, Asked(command))
        return True

    def _asked(self, command: Command | None, observation: Asked | Garbled) -> None:
        self._out.append(observation)
        try:
            self._dialogue.asked(command)
        except ProtocolError as error:
            self._lose(str(error))

    def _client_response(self) -> bool:
        line = self._client.next(limits.SASL_LINE)
        if line is None:
            return False
        self._dialogue.responded()
        self._out.append(Responded(line.data == b"*"))
        return True

    def _client_lost(self) -> bool:
        line = self._client.next(limits.COMMAND_LINE)
        if line is None:
            return False
        waited, self._candidate = self._candidate, None
        if waited is None and not line.overlong:
            try:
                command = parse(line.data).redacted()
            except BadCommand:
                return True
            if command.verb in _TELLING:
                self._candidate = command
                self._server.clear()
        return True

    # ---- the server's side ----------------------------------------------------------------------------------------

    def _server_step(self) -> bool:
        """Take one thing the server said; False when more octets are needed."""
        if self._body is not None:
            return self._server_body(self._body)
        if self._dialogue.state in (State.TLS, State.CLOSED) and not self._lost:
            self._drop("server", self._server)
            return False
        if self._lost and self._candidate is None:
            self._server.clear()
            return False
        line = self._server.next(limits.REPLY_LINE_TOLERATED)
        if line is None:
            return False
        try:
            if line.overlong:
                raise ProtocolError("a reply line is too long")
            status = parse_status(line.data)
            if self._lost:
                self._find(status)
            else:
                self._server_line(status)
        except ProtocolError as error:
            if not self._lost:
                self._lose(str(error))
            self._candidate = None
        return True

    def _find(self, status: Status) -> None:
        """The command that may tell where we are has a reply: begin again with it."""
        command, self._candidate = self._candidate, None
        if command is None or status.ok is None:
            return
        self._lost = False
        self._dialogue.state = _TELLING[command.verb]
        self._out.append(Found(self._dialogue.state))
        self._asked(command, Asked(command))
        self._server_line(status)

    def _server_line(self, status: Status) -> None:
        """A status line or a challenge.

        Raises:
            ProtocolError: when nothing can be told any more.
        """
        dialogue = self._dialogue
        before = dialogue.state
        if before is State.GREETING:
            if status.ok is None:
                raise ProtocolError("the greeting is a challenge")
            dialogue.greeted(ok=status.ok)
            self._out.append(Greeted(status))
        elif status.ok is None:
            dialogue.challenged()
            self._out.append(Challenged())
        elif dialogue.pending:
            self._replied(status, ok=status.ok)
        elif status.ok:
            raise ProtocolError("a reply without a command")
        else:
            dialogue.closed()
            self._out.append(Unasked(status))
        if dialogue.state is not before:
            self._out.append(Moved(before, dialogue.state))
            if dialogue.state is State.TLS:
                self._out.append(StlsStarted())

    def _replied(self, status: Status, *, ok: bool) -> None:
        dialogue = self._dialogue
        command = dialogue.pending[0]
        try:
            body = dialogue.answered(ok=ok) is Shape.MULTI
        except ProtocolError as error:
            # +OK to what the table has no row for: some servers know more commands. Only a single line is likely.
            dialogue.pending.popleft()
            self._violation("server", str(error))
            body = False
        self._out.append(Replied(command, status, body))
        if body and command is not None:
            self._body = BodyReader(lenient_lf=self._lenient)
            self._body_of = command

    def _server_body(self, body: BodyReader) -> bool:
        held = self._server.peek(limits.BODY_SLICE)
        if not held:
            return False
        body.feed(held)
        self._server.skip(len(held) - len(body.leftover))
        if body.done:
            self._body = None
            self._out.append(BodyEnded(self._body_of, body.octets))
        return True

    def _drop(self, by: str, buffer: LineBuffer) -> None:
        """Forget octets that are not for us. The first ones behind STLS must begin a handshake (P51)."""
        if not len(buffer):
            return
        if self._dialogue.state is State.TLS and by not in self._tls_seen:
            self._tls_seen.add(by)
            if not buffer.begins_with(_HANDSHAKE):
                self._violation(by, "plaintext between STLS and the handshake")
        buffer.clear()
