"""What a session has to do, decided from a listing and the journal, before anything is done. Pure.

Rules: every message of the listing appears in exactly one part of the plan; a deletion is planned only for a message
whose unique-id and size are those of a record that says it may be deleted; what failed before is kept
apart, for a session of its own: it never blocks others, nor their deletion.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pillarbox.client.values import Entry
from pillarbox.fetch.records import Known, State, Why


class Oversize(enum.Enum):
    """What is done with a message that is larger than the limit."""

    SKIP = "skip"  # leave it on the server, tell of it once
    HEADERS = "headers"  # leave it there, deliver its header with a note in its place
    QUARANTINE = "quarantine"  # fetch it into the quarantine directory instead of the destination


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with the messages of a listing.

    `delete`: DELE, nothing else: they were delivered before. `fetch`: download and deliver. `again`: the same, but they
    failed before; those with the fewest failures first. `doubtful`: download; their content tells whether they were
    delivered, because they have no usable unique-id, or one that another message had. `oversize`: larger than the
    limit, and not dealt with yet.
    """

    delete: list[Entry]
    fetch: list[Entry]
    again: list[Entry]
    doubtful: list[Entry]
    oversize: list[Entry]
    waiting: int = 0
    """How many others there are: kept, skipped, quarantined, staged."""

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.delete or self.fetch or self.again or self.doubtful or self.oversize)


def make_plan(listing: Iterable[Entry], known: Mapping[bytes, Known], now: float, *, limit: int | None = None) -> Plan:
    """The plan of a session. `known` has a record for each usable unique-id of the listing; `limit` is octets."""
    delete: list[Entry] = []
    fetch: list[Entry] = []
    again: list[Entry] = []
    doubtful: list[Entry] = []
    oversize: list[Entry] = []
    waiting = 0
    for entry in listing:
        record = known.get(entry.unique_id) if entry.unique_id else None
        if record is None or is_reused(entry, record):
            doubtful.append(entry)
            continue
        large = limit is not None and entry.size > limit
        match record.state:
            case State.PENDING:
                delete.append(entry)
            case State.DELIVERED if record.delete_at is not None and record.delete_at <= now:
                delete.append(entry)
            case State.SEEN:
                (oversize if large else again if record.failures else fetch).append(entry)
            case State.SKIPPED if record.why is Why.SIZE and not large:
                fetch.append(entry)
            case _:
                waiting += 1
    again.sort(key=lambda entry: known[entry.unique_id].failures)
    return Plan(delete, fetch, again, doubtful, oversize, waiting)


def is_reused(entry: Entry, record: Known) -> bool:
    """Whether a unique-id that is known may name another message now: the size of what was fetched is not the same.

    RFC 1939 §7 forbids it; servers that were set up anew do it, and then a deletion would hit mail nobody has.
    """
    settled = record.state in (State.DELIVERED, State.PENDING) and record.delivered
    return settled and record.size not in (entry.size, -1)
