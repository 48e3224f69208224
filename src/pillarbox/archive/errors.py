"""What can go wrong with an archive. Each text is a sentence for the person who asked, and says what to do.

Rules: raised with plain data where it is found; the command line prints the text and nothing else. Damage that `verify`
finds is no error: it is its result.
"""

from __future__ import annotations


class ArchiveError(Exception):
    """Base of everything this package raises on purpose."""


class ArchiveMissing(ArchiveError):
    """There is no archive where one was looked for."""


class ArchiveBusy(ArchiveError):
    """Another process went on writing for longer than we were told to wait."""


class ArchiveFull(ArchiveError):
    """The disk, a quota or a limit on file sizes: what was to be written does not fit."""


class ArchiveDamaged(ArchiveError):
    """Something on disk is not as this package wrote it, and the work cannot go on around it."""


class MessageMissing(ArchiveError):
    """No message, or more than one, has the id that was asked for."""


class QueryError(ArchiveError):
    """A query that cannot be understood. `position` is the 0-based place in its text, -1 where it has none."""

    def __init__(self, text: str, position: int = -1) -> None:
        super().__init__(text)
        self.position = position
