"""What the fetcher hands messages to: the promise every destination keeps, and the values that go in and come out.

Rules: a message is staged first (complete, hashed, on disk) and only then offered to its destination; what that
answers with `Delivered` is durable at that moment, because the next thing that happens is that the server is told to
delete its copy; one message that fails never fails its batch. A destination knows nothing of POP3 and of the journal.

The order of a batch, kept by `run`: stage → make the staged files durable → commit `staged` → `deliver` → commit
`delivered` → DELE → QUIT → commit `gone`. After a crash every record that stands at `staged` is asked for with `find`:
found means delivered; not found means `deliver` again, from the staged file if it is whole, else from the server.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = [
    "Delivered",
    "Destination",
    "DestinationError",
    "Failed",
    "LineEnds",
    "Staged",
    "Sure",
    "staged_name",
]

_NAME_OCTETS = 20
"""Of the hash in a name: 160 bits, so that two messages never share one; 40 digits fit in every file name."""


class LineEnds(enum.Enum):
    """How the lines of a stored message end.

    `LF` is lossless: the lines end in LF only where every line end of the message is CRLF and no bare CR or LF occurs
    in it, so that the wire form can be made again octet by octet; any other message is stored exactly as it came.
    `CRLF` stores every message exactly as it came.
    """

    LF = "lf"
    CRLF = "crlf"


class Sure(enum.Enum):
    """What a destination promises when the process is killed between delivery and commit."""

    EXACTLY_ONCE = "exactly once"  # `find` can always tell
    AT_LEAST_ONCE = "at least once"  # a message may come twice; never lost


@dataclass(frozen=True, slots=True)
class Staged:
    """A complete message in a file, durable, known to the journal.

    `name` is the hash of account and unique-id (see `staged_name`): 40 lower-case hexadecimal digits, the same for the
    same message in every run, safe in file names, message-ids and headers. `size` and `sha256` are those of the octets
    the server sent (lines end in CRLF there). The file at `path` holds `stored` octets; its lines end as `line_ends`
    says: in LF only where the destination asked for that and it is lossless. `received` is UTC seconds.
    """

    name: str
    path: Path
    size: int
    sha256: bytes
    account: str
    unique_id: bytes
    received: float
    stored: int
    line_ends: LineEnds = LineEnds.CRLF


@dataclass(frozen=True, slots=True)
class Delivered:
    """The message is in its destination, durably. `id` is what the destination calls it, for people and for `find`."""

    staged: Staged
    id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The message is not in its destination, or nobody can know.

    `temporary`: a later try may succeed (a full disk, a busy server); the message stays where it is and no try is
    counted. `message_is_bad`: the destination refuses this message and takes others; its tries are counted, and it is
    quarantined when there were enough of them. Neither: as `message_is_bad`, but the fault may be the destination's.
    """

    staged: Staged
    reason: str
    temporary: bool = False
    message_is_bad: bool = False


class DestinationError(Exception):
    """The destination as a whole takes nothing. `text` says what to do; `temporary`: waiting may be enough."""

    def __init__(self, text: str, *, temporary: bool) -> None:
        super().__init__(text)
        self.text = text
        self.temporary = temporary


class Destination(Protocol):
    """Where messages go. One object serves one account's run at a time; calls come from one thread at a time."""

    @property
    def sure(self) -> Sure:
        """What is promised over a crash."""
        ...

    @property
    def line_ends(self) -> LineEnds:
        """How the lines of staged files shall end. A destination that needs exact octets says `CRLF`."""
        ...

    def staging(self) -> Path | None:
        """A directory on the destination's own file system in which messages are staged, so that delivery is a rename.

        None where there is no use in that: messages are then staged beside the journal. Asked after `open`.
        """
        ...

    def open(self) -> None:
        """Check that messages can be delivered, take the locks that takes.

        Raises:
            DestinationError: nothing can be delivered.
        """
        ...

    def close(self) -> None:
        """Let go of everything. Never raises; closing twice is allowed."""
        ...

    def find(self, staged: Staged) -> str | None:
        """The destination's id of the message if it is there already. Asked only after a crash.

        A destination that cannot be asked answers None. `staged.path` may be gone.

        Raises:
            DestinationError: it cannot be found out now.
        """
        ...

    def deliver(self, batch: Sequence[Staged]) -> list[Delivered | Failed]:
        """Deliver messages; one answer for each, in their order.

        When it returns, everything `Delivered` is durable. A staged file may be moved away or left; what is left is
        removed by the caller. A message that `find` would find may be delivered again only if that replaces it.

        Raises:
            DestinationError: the destination failed as a whole; each message may or may not have been delivered, and
                `find` is asked for it next time.
        """
        ...


def staged_name(account: str, unique_id: bytes) -> str:
    """The name under which a message can be recognised in a destination, over crashes and runs.

    Unique-ids are opaque and may hold anything, so only their hash ever gets into a file name.
    """
    digest = hashlib.sha256(len(account.encode()).to_bytes(4, "big") + account.encode() + unique_id)
    return digest.hexdigest()[: 2 * _NAME_OCTETS]
