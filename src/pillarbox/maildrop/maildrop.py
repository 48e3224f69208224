"""The promise every mail store keeps to a POP3 session, on one machine or on many.

Rules: a lease is exclusive and dies with its holder; a snapshot never changes; `commit` is all-or-nothing as seen by
the client, durable before it returns, and safe to repeat. Everything that may touch a disk or a network is awaitable.
A store gives octets; turning them into a reply (line endings, dot-stuffing, TOP) is `wire_form` and `retrieval`.

Serves RFC 1939 §4 (exclusive-access lock), §5 (snapshot) and §6 (UPDATE).
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol


class Form(enum.Enum):
    """How a store hands out a body."""

    WIRE = "wire"  # CRLF line endings, dot-stuffed, ends in CRLF; the final "." line is not part of it
    STORED = "stored"  # as it lies in the store: any line endings, not stuffed


class Shape(enum.IntFlag):
    """What is known of a stored body, so that sending it needs no search. 0 means: nothing is known yet."""

    KNOWN = 1  # the other bits, and the numbers beside them, were computed from the octets themselves
    BARE_LF = 2  # every line ends in a bare LF and there is no CR at all
    CRLF = 4  # every line ends in CRLF and there is no other CR or LF
    DOTTED = 8  # in CRLF form some line starts with "."
    UNTERMINATED = 16  # the last line has no line ending
    UTF8_HEADER = 32  # the header has UTF-8 beyond ASCII: needs RFC 6856's UTF8, or a surrogate


class Facts(NamedTuple):
    """The wire facts of one message, computed once from its stored octets.

    Attributes:
        size: octets as stored.
        octets: octets in CRLF form (RFC 1939 §11), a missing final line ending included, dot-stuffing excluded.
        header: stored octets of the header and the empty line that ends it (all of it when there is no empty line).
        surrogate: octets in CRLF form of the surrogate (RFC 6858); equals `octets` unless `UTF8_HEADER` is set.
        shape: see `Shape`.
        version: the store's mark of the content that these were computed from; 0 where it has none.
    """

    size: int
    octets: int
    header: int
    surrogate: int
    shape: Shape
    version: int = 0


class Lease(NamedTuple):
    """The right to be the only session of a maildrop.

    Attributes:
        holder: who holds it, for people: a process, a node.
        session: the session's id.
        since: UTC seconds since the epoch.
        epoch: rises with every new lease where a store can tell; a fencing token. 0 where the kernel fences.
    """

    holder: str
    session: str
    since: float
    epoch: int = 0


class Snapshot(Protocol):
    """The messages of a maildrop as they were when it was opened. Indexes are 0-based."""

    @property
    def count(self) -> int:
        """How many messages."""
        ...

    @property
    def total(self) -> int:
        """The sum of `octets`."""
        ...

    @property
    def octets(self) -> Sequence[int]:
        """Octets of each message as it would be sent in this session (CRLF form, not stuffed)."""
        ...

    @property
    def unique_ids(self) -> Sequence[bytes]:
        """The unique-id of each message: 1-70 octets of 0x21-0x7E (RFC 1939 §7, UIDL).

        One costs no more in a large maildrop than in a small one; who needs all of them makes a list.
        """
        ...

    @property
    def received(self) -> Sequence[float]:
        """When each message was delivered, UTC seconds; 0 where that is not known."""
        ...


class Piece(NamedTuple):
    """A slice of one body, in the form its store keeps.

    Attributes:
        data: the octets.
        form: how they are encoded.
        facts: of the whole message; for `Form.WIRE` only `octets` and `header` (in wire octets) matter.
        end: whether the body ends with this piece.
    """

    data: bytes | bytearray
    form: Form
    facts: Facts
    end: bool


class Maildrop(Protocol):
    """An opened maildrop: one lease, one snapshot. Not safe for concurrent calls."""

    @property
    def lease(self) -> Lease:
        """The lease this maildrop is held under."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether `commit` of anything is refused with `ReadOnly`."""
        ...

    @property
    def utf8(self) -> bool:
        """Whether the client understands RFC 6856, so that messages which need UTF8 are sent as they are."""
        ...

    async def list(self) -> Snapshot:
        """The snapshot. The same object every time."""
        ...

    async def read(self, index: int, start: int, stop: int) -> Piece:
        """Octets `start` up to `stop` of a body, in the store's own form; shorter only at its end.

        Raises:
            MessageGone: the message was removed, or altered, by another program.
            MaildropUnavailable: the store cannot be read now.
        """
        ...

    async def commit(self, marked: Collection[int], retrieved: Collection[int] = ()) -> int:
        """Enter UPDATE: remove the marked messages durably; return how many are now gone (RFC 1939 §6).

        A message that another program removed meanwhile counts as gone. `retrieved` may be marked as seen in the
        store. Repeating the call with the same session returns the first result.

        Raises:
            PartlyCommitted: some could not be removed; the others are gone.
            ReadOnly: this maildrop cannot be changed.
            MaildropReplaced: it is not the maildrop that was opened; nothing was removed.
            MaildropUnavailable: nothing was removed.
        """
        ...

    async def release(self) -> None:
        """Give the lease back. Deletes nothing. Safe to repeat."""
        ...


class Store(Protocol):
    """Where maildrops live."""

    async def open(self, maildrop: str, session: str, *, utf8: bool = False, read_only: bool = False) -> Maildrop:
        """Take the lease of a maildrop and fix its snapshot.

        Args:
            maildrop: its name in this store (for a Maildir: its absolute path).
            session: an id that is unique per session; makes `commit` repeatable.
            utf8: whether the client understands RFC 6856, so that no surrogates are needed.
            read_only: refuse every change.

        Raises:
            MaildropBusy: another session holds the lease.
            MaildropUnavailable: it cannot be opened; `permanent` says whether waiting can help.
        """
        ...

    async def close(self) -> None:
        """Let go of what the store itself holds. Open maildrops must be released first."""
        ...
