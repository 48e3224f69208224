"""What an observer says about a conversation, as values.

Rules: nothing here holds a secret: commands come redacted, lines of a SASL exchange without their content; texts of a
server (`Status`) are untrusted and are cleaned by whoever shows them; reasons are fixed wording.
Who makes them is `observer`.
"""

from __future__ import annotations

from typing import NamedTuple

from pillarbox.wire.commands import Command, Verb
from pillarbox.wire.replies import Status
from pillarbox.wire.states import State


class Greeted(NamedTuple):
    """The server's greeting."""

    status: Status


class Asked(NamedTuple):
    """A command, with "*" where a secret was."""

    command: Command


class Garbled(NamedTuple):
    """A client's line that is no command; `verb` is what it was meant to be, if that could be read."""

    text: str
    verb: Verb | None


class Challenged(NamedTuple):
    """The server sent a challenge of a SASL exchange."""


class Responded(NamedTuple):
    """The client sent a line of a SASL exchange; `cancelled` when it was "*"."""

    cancelled: bool


class Replied(NamedTuple):
    """A status line. `command` is what it answers, None where that was no command; `body`: a body follows."""

    command: Command | None
    status: Status
    body: bool


class Unasked(NamedTuple):
    """An -ERR that answers nothing: the server is about to close."""

    status: Status


class BodyEnded(NamedTuple):
    """A body is complete: its octets without the stuffed dots."""

    command: Command
    octets: int


class Moved(NamedTuple):
    """The state changed."""

    before: State
    after: State


class StlsStarted(NamedTuple):
    """STLS was accepted: what follows is a handshake, and is not looked at."""


class Violation(NamedTuple):
    """Somebody broke the protocol; the watch goes on. `by` is "client" or "server"; `reason` is a fixed text."""

    by: str
    reason: str


class Lost(NamedTuple):
    """Replies can no longer be told from each other; `reason` is a fixed text."""

    reason: str


class Found(NamedTuple):
    """The observer follows again; the state is inferred from the command that comes next."""

    state: State


class Ended(NamedTuple):
    """The connection is over. `unanswered` commands had no reply; `in_body`: it was cut within a body."""

    unanswered: int
    in_body: bool


Observation = (
    Greeted | Asked | Garbled | Challenged | Responded | Replied | Unasked | BodyEnded | Moved | StlsStarted | Violation
    | Lost | Found | Ended
)  # fmt: skip
