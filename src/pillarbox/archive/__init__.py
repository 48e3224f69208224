"""The archive: messages kept octet for octet in open formats, searched in milliseconds, checked to the bit.

archive    the archive as a whole: adding without losing or doubling
layout     where everything lies; the lock
objects    the message files
log        the append-only log: what came when from where, chained and checksummed
blocks     checksums of blocks, and which bit of one was flipped
index      the SQLite index; pages: the checksums of its pages
extract    what of a message can be searched; charsets, headers, mime, html: reading hostile mail
fold       the same words whatever their case, accents and script
"""

from pillarbox.archive.archive import Added, Archive, Incoming
from pillarbox.archive.errors import (
    ArchiveBusy,
    ArchiveDamaged,
    ArchiveError,
    ArchiveFull,
    ArchiveMissing,
    MessageMissing,
    QueryError,
)

__all__ = [
    "Added",
    "Archive",
    "ArchiveBusy",
    "ArchiveDamaged",
    "ArchiveError",
    "ArchiveFull",
    "ArchiveMissing",
    "Incoming",
    "MessageMissing",
    "QueryError",
]
