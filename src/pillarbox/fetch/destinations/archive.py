"""Delivers into the archive: exactly once, because adding what is there already changes nothing.

Rules: messages are staged in the archive's own incoming directory, so that it keeps the very file with a link instead
of a copy; the archive's own order of writing makes a batch durable before it is acknowledged; octets stay exact. A
message that is known already is acknowledged only after its octets were read in the archive and compared; where they
are missing or damaged they are stored again.

Elsewhere: everything about the archive itself (`pillarbox.archive`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pillarbox.archive import objects
from pillarbox.archive.archive import Archive, Incoming
from pillarbox.archive.errors import ArchiveBusy, ArchiveError, ArchiveFull
from pillarbox.fetch.destination import Delivered, DestinationError, Failed, LineEnds, Staged, Sure

_NOT_OPEN = "the archive is not open"


class ArchiveDestination:
    """One archive as a destination. It is made when it is missing.

    Args:
        path: its directory.
        wait: seconds to wait for another process that writes to it.
    """

    sure = Sure.EXACTLY_ONCE
    line_ends = LineEnds.CRLF

    def __init__(self, path: Path | str, *, wait: float = 30.0) -> None:
        self._path, self._wait = Path(path), wait
        self._archive: Archive | None = None

    def staging(self) -> Path | None:
        """The archive's directory for files that it will keep."""
        return None if self._archive is None else self._archive.staging

    def open(self) -> None:
        """Open the archive.

        Raises:
            DestinationError: it cannot be opened or made.
        """
        try:
            self._archive = Archive.open(self._path, create=True, wait=self._wait)
        except ArchiveError as error:
            raise _problem(error) from None

    def close(self) -> None:
        """Close it."""
        if self._archive is not None:
            self._archive.close()
            self._archive = None

    def find(self, staged: Staged) -> str | None:
        """The SHA-256 of the message if the archive holds it whole.

        Raises:
            DestinationError: the archive cannot be read.
        """
        try:
            if not self._opened().contains(staged.sha256):
                return None
            if staged.path.is_file() and objects.whole(staged.path, staged.sha256):
                # It may be there from another account only; this one is to be remembered, too.
                self._opened().add_batch([_incoming(staged)])
        except ArchiveError as error:
            raise _problem(error) from None
        except OSError as error:
            raise DestinationError(f"{staged.path}: {error.strerror}", temporary=True) from None
        return staged.sha256.hex()

    def deliver(self, batch: Sequence[Staged]) -> list[Delivered | Failed]:
        """Add the messages; see `Destination.deliver`.

        Raises:
            DestinationError: the archive takes nothing.
        """
        missing = [staged for staged in batch if not staged.path.is_file()]
        good = [staged for staged in batch if staged not in missing]
        try:
            added = self._opened().add_batch([_incoming(staged) for staged in good])
        except ArchiveError as error:
            raise _problem(error) from None
        answers: dict[str, Delivered | Failed] = {
            staged.name: Failed(staged, f"{staged.path} is gone: it will be fetched again", temporary=True)
            for staged in missing
        }
        for staged, one in zip(good, added, strict=True):
            if one.sha256 == staged.sha256:
                answers[staged.name] = Delivered(staged, one.sha256.hex())
            else:
                text = f"{staged.path} has changed since it was written: look whether the disk is failing"
                answers[staged.name] = Failed(staged, text, temporary=True)
        return [answers[staged.name] for staged in batch]

    def _opened(self) -> Archive:
        if self._archive is None:
            raise DestinationError(_NOT_OPEN, temporary=False)
        return self._archive


def _incoming(staged: Staged) -> Incoming:
    unique_id = staged.unique_id.decode("ascii", "backslashreplace")
    return Incoming(staged.path, staged.account, unique_id, staged.received, take=True)


def _problem(error: ArchiveError) -> DestinationError:
    return DestinationError(str(error), temporary=isinstance(error, ArchiveBusy | ArchiveFull))
