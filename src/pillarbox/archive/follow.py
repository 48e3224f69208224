"""Lets the index follow the log: reads the lines it has not read yet, and the messages they name.

Rules: for who holds the archive's lock. The way is the same behind every batch, after a crash and when the index is
made again from nothing. A damaged line, a missing message and one that cannot be read keep no other out of the index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pillarbox.archive import extract, index, log, objects
from pillarbox.archive.errors import ArchiveDamaged
from pillarbox.archive.layout import Layout

_AT_ONCE = 500


def catch_up(layout: Layout, writer: sqlite3.Connection, *, past_damage: bool = False) -> None:
    """Read the rest of the log; behind this, the index's position is where the log may go on.

    Args:
        layout: the archive.
        writer: its index.
        past_damage: go on behind damaged lines at the end of the log, instead of refusing.

    Raises:
        ArchiveDamaged: the log has lost lines, or its last one is damaged, so that nothing can be appended.
    """
    place = index.position(writer)
    size = layout.log.stat().st_size
    if size == place.octets:
        return
    if size < place.octets:
        raise ArchiveDamaged(
            f"{layout.log} is shorter than the index says: lines were lost. Restore it from a copy; without one, "
            "`pillarbox archive verify --rebuild` records again the messages that are there"
        )
    waiting: list[log.Entry] = []
    flaw: log.Flaw | None = None
    for item in log.read(layout.log, place.octets, place.chain):
        if isinstance(item, log.Flaw):
            flaw = item
            continue
        waiting.append(item)
        flaw = None
        if len(waiting) == _AT_ONCE:
            _index(layout, writer, waiting)
            waiting.clear()
    if waiting:
        _index(layout, writer, waiting)
    if flaw is None or flaw.torn:
        return
    if not past_damage:
        raise ArchiveDamaged(
            f"the last line of {layout.log} is damaged (octets {flaw.start} to {flaw.end - 1}); "
            "`pillarbox archive verify --repair` mends a single flipped bit, `--rebuild` goes on without the line"
        )
    index.add(writer, [], index.Position(flaw.end, flaw.chain))


def _index(layout: Layout, writer: sqlite3.Connection, entries: Sequence[log.Entry]) -> None:
    new: set[bytes] = set()
    found: list[tuple[log.Record, extract.Document | None]] = []
    for entry in entries:
        digest = entry.record.digest
        if digest in new or index.contains(writer, digest):
            found.append((entry.record, None))
        else:
            new.add(digest)
            found.append((entry.record, _document(layout, entry.record)))
    index.add(writer, found, index.Position(entries[-1].end, entries[-1].chain))


def _document(layout: Layout, record: log.Record) -> extract.Document:
    try:
        with objects.mapped(objects.where(layout, record.digest)) as data:
            return extract.document(data, record.received)
    except Exception:
        # Missing or unreadable: `verify` tells. And a defect in reading one message must not keep all that follow out.
        return extract.empty(record.received)
