"""One message of a session, as both shells hand it out: its octets, their hash, and what became of it. Sans I/O.

Rules: nothing is asked for before it is needed; octets pass through and are never held; only a complete message can be
`done`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from pillarbox.client.batch import Batch
from pillarbox.client.conversation import Conversation
from pillarbox.client.errors import UsageError, refusal
from pillarbox.client.exchange import Ticket
from pillarbox.client.seen import Seen, seconds
from pillarbox.client.values import Entry
from pillarbox.client.wants import Work


class Body:
    """One message.

    Args:
        ticket: of a RETR that was said already.
        seen: where `done` and `skip` are remembered.

    Attributes:
        octets: how many have come, in wire form.
        sha256: of the message, once it is complete; None before.
    """

    __slots__ = ("_hash", "_seen", "_talk", "_ticket", "_used", "entry", "octets", "sha256")

    def __init__(
        self, talk: Conversation, entry: Entry, ticket: Ticket | None = None, seen: Seen | None = None
    ) -> None:
        self._talk = talk
        self._ticket = ticket
        self._seen = seen
        self._used = False
        self.entry = entry
        self.octets = 0
        self.sha256: bytes | None = None

    def open(self) -> Work[Ticket]:
        """Ask for the message, from its beginning.

        Raises:
            Refused: the server does not give it.
        """
        ticket = self._ticket
        if ticket is None or self._used or ticket.dropped:
            ticket = yield from self._talk.retrieve(self.entry)
        elif ticket.status is not None and not ticket.status.ok:
            raise refusal(ticket.status, "RETR")
        self._ticket, self._used = ticket, True
        self._hash = hashlib.sha256()
        self.octets, self.sha256 = 0, None
        return ticket

    def piece(self, ticket: Ticket) -> Work[bytes | None]:
        """The next octets, CRLF line ends, 64 KiB at most; None at the end.

        Args:
            ticket: what `open` gave.
        """
        if ticket is not self._ticket:
            raise UsageError("this message is being read anew")
        piece = yield from self._talk.piece(self.entry, ticket)
        if piece is None:
            self.sha256 = self._hash.digest()
        else:
            self._hash.update(piece)
            self.octets += len(piece)
        return piece

    def delete(self) -> Work[None]:
        """Mark the message to be deleted at QUIT."""
        yield from self._talk.mark(self.entry)
        yield from self._talk.exchange.line.flush()

    def skip(self, reason: str) -> None:
        """Leave the message, and remember why."""
        if self._seen is not None and self.entry.unique_id:
            self._seen.skipped(self.entry.unique_id, reason)

    def done(self, delete_after: str | float | None) -> Work[None]:
        """The message is safe: remember it, and delete it on the server when it is time.

        Raises:
            UsageError: it was not read to its end.
        """
        span = seconds(delete_after)
        if self.sha256 is None:
            raise UsageError("only a message that was read to its end can be done; use skip() for others")
        unique_id = self.entry.unique_id
        if self._seen is not None and unique_id:
            self._seen.done(unique_id, self.octets, self.sha256, span)
        if span == 0:
            yield from self.delete()
            if self._seen is not None and unique_id:
                self._seen.delete_sent({unique_id})


class News:
    """The messages that are new to a `Seen`; at the beginning, what is due is marked to be deleted.

    Args:
        prefetch: messages asked for ahead; with 1, a message is asked for when its octets are wanted.
    """

    def __init__(self, talk: Conversation, seen: Seen, prefetch: int) -> None:
        self._talk = talk
        self._seen = seen
        self._prefetch = prefetch
        self._entries: Iterator[Entry] | None = None
        self._batch: Batch | None = None

    def next(self) -> Work[Body | None]:
        """The next one, or None."""
        if self._entries is None:
            self._entries = yield from self._begin()
            if self._prefetch > 1:
                self._batch = self._talk.batch(self._entries, window=self._prefetch)
        if self._batch is not None:
            found = yield from self._batch.next()
            return None if found is None else Body(self._talk, found[0], found[1], self._seen)
        entry = next(self._entries, None)
        return None if entry is None else Body(self._talk, entry, None, self._seen)

    def _begin(self) -> Work[Iterator[Entry]]:
        talk, seen = self._talk, self._seen
        entries = yield from talk.listing()
        due = seen.due()
        # What is new in spite of its unique-id is another message, which nobody has.
        known = (entry for entry in entries if entry.unique_id and entry.unique_id in due)
        going = [entry for entry in known if not seen.is_new(entry.unique_id, entry.size)]
        if going:
            for entry in going:
                yield from talk.mark(entry)
            seen.delete_sent({entry.unique_id for entry in going})
        talk.at_quit(seen.committed)
        gone = {entry.number for entry in going}

        def is_new(entry: Entry) -> bool:
            return entry.number not in gone and (not entry.unique_id or seen.is_new(entry.unique_id, entry.size))

        return filter(is_new, entries)
