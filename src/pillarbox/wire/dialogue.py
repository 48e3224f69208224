"""The progress of one conversation through the table, the same for server, client and observer.

Rules: commands queue up (pipelining) and replies answer them in order; a state changes when a reply is known, never
when a command is sent; what is illegal has no row and gets an -ERR that changes nothing.
Serves RFC 1939 §3, RFC 2449 §6.8 (PIPELINING).
"""

from __future__ import annotations

from collections import deque

from pillarbox.wire import limits
from pillarbox.wire.commands import Command
from pillarbox.wire.errors import ProtocolError
from pillarbox.wire.states import TABLE, Row, Shape, State

Pending = Command | None  # None: a line that was no command; only -ERR can answer it


class Dialogue:
    """State and unanswered commands of one connection."""

    __slots__ = ("_exchange", "awaiting_response", "pending", "state")

    def __init__(self) -> None:
        self.state = State.GREETING
        self.pending: deque[Pending] = deque()
        self._exchange: Row | None = None  # of the AUTH whose exchange is under way
        self.awaiting_response = False  # a challenge was sent or seen, and no response to it yet

    def row(self, command: Command) -> Row | None:
        """The table's row for a command here and now, or None when it is illegal."""
        return TABLE.get((self.state, command.verb, command.number > 0 or len(command.argument) > 0))

    def greeted(self, *, ok: bool) -> None:
        """The greeting was sent or seen."""
        if self.state is not State.GREETING:
            raise ProtocolError("there is one greeting")
        self.state = State.AUTHORIZATION if ok else State.CLOSED

    def asked(self, command: Pending) -> None:
        """A command was sent or seen.

        Raises:
            ProtocolError: when far too many are unanswered.
        """
        if len(self.pending) >= limits.PENDING_COMMANDS:
            raise ProtocolError("too many commands without a reply")
        self.pending.append(command)

    def challenged(self) -> None:
        """A continuation was sent or seen: the exchange of the oldest unanswered AUTH is under way.

        Raises:
            ProtocolError: when no AUTH can be continued here, or the last challenge has no response yet.
        """
        if self.awaiting_response:
            raise ProtocolError("two challenges without a response between them")
        if self.state is State.SASL:
            self.awaiting_response = True
            return
        command = self.pending[0] if self.pending else None
        row = self.row(command) if command is not None else None
        if row is None or row.shape is not Shape.SASL:
            raise ProtocolError("a continuation without AUTH")
        self._exchange = row
        self.state = State.SASL
        self.awaiting_response = True

    def responded(self) -> None:
        """A line of the exchange was sent or seen.

        Raises:
            ProtocolError: when no challenge asked for it.
        """
        if not self.awaiting_response:
            raise ProtocolError("a response without a challenge")
        self.awaiting_response = False

    def answered(self, *, ok: bool) -> Shape:
        """A status line was sent or seen; returns the reply's shape: `MULTI` when a body follows it.

        Raises:
            ProtocolError: when nothing was asked, or +OK answers what is illegal.
        """
        if not self.pending:
            raise ProtocolError("a reply without a command")
        command = self.pending[0]
        if self.state is State.SASL:
            row = self._exchange
            self._exchange = None
            self.awaiting_response = False
        else:
            row = self.row(command) if command is not None else None
        if row is None:
            if ok:
                raise ProtocolError("+OK to a command that is illegal here")
            self.pending.popleft()
            return Shape.SINGLE
        self.pending.popleft()
        self.state = row.ok if ok else row.err
        return row.shape if ok and row.shape is Shape.MULTI else Shape.SINGLE

    def secured(self) -> None:
        """The TLS handshake that STLS led to is done: everything starts afresh (RFC 2595 §4)."""
        if self.state is not State.TLS:
            raise ProtocolError("TLS without STLS")
        self.pending.clear()
        self.state = State.AUTHORIZATION

    def closed(self) -> None:
        """The connection is over."""
        self.state = State.CLOSED
