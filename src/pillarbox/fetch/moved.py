"""A server that gave all its messages new unique-ids: moved, rebuilt, or replaced by another program.

Rules: it is looked for only when most of a listing is new while most of what was known has vanished and the sizes fit;
a message counts as known when its size and the hash of its header (`TOP n 0`) are those of one vanished record, and
each record is matched once, so that of two equal messages both keep their record. What does not match is new mail.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pillarbox.client.values import Entry
from pillarbox.fetch.records import Known, State, header_hash, is_content_key

_MOSTLY_NEW = 0.5
"""The share of a listing that has to be unknown."""

_FITTING = 0.5
"""The share of the vanished messages whose sizes have to be found again among the new ones."""


def suspects(listing: Sequence[Entry], known: Mapping[bytes, Known]) -> list[Entry]:
    """The new messages that may be old ones under new unique-ids; none unless the server seems to have moved.

    `known` is the journal as it was before this listing was recorded.
    """
    usable = [entry for entry in listing if entry.unique_id]
    new = [entry for entry in usable if entry.unique_id not in known]
    if not new or len(new) < _MOSTLY_NEW * len(usable):
        return []
    gone = _vanished(usable, known)
    sizes = Counter(known[key].size for key in gone)
    fitting = sum((sizes & Counter(entry.size for entry in new)).values())
    if not fitting or fitting < _FITTING * len(gone):
        return []
    return [entry for entry in new if entry.size in sizes]


def matches(
    headers: Iterable[tuple[Entry, bytes]], listing: Sequence[Entry], known: Mapping[bytes, Known]
) -> list[tuple[bytes, bytes, int]]:
    """Which messages are old ones: (old key, new key, size), for `Journal.renamed`."""
    by_content: dict[tuple[int, bytes], list[bytes]] = defaultdict(list)
    for key in _vanished([entry for entry in listing if entry.unique_id], known):
        record = known[key]
        if record.headers is not None:
            by_content[record.size, record.headers].append(key)
    found = []
    for entry, header in headers:
        candidates = by_content.get((entry.size, header_hash(header)))
        if candidates:
            found.append((candidates.pop(0), entry.unique_id, entry.size))
    return found


def _vanished(usable: Sequence[Entry], known: Mapping[bytes, Known]) -> list[bytes]:
    """The messages that were on the server at last, have been dealt with, and are not listed now."""
    here = {entry.unique_id for entry in usable}
    return [
        key
        for key, record in known.items()
        if key not in here
        and not is_content_key(key)
        and record.state in (State.DELIVERED, State.PENDING)
        and record.headers is not None
    ]
