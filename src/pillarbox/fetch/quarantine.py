"""Where messages go that cannot be delivered, or are not wanted in their destination: nothing is thrown away.

Rules: one directory an account, beside its journal; a message is kept octet by octet as the server sent it
(`<name>.eml`), with a text for people that says what happened (`<name>.txt`); both are durable before the journal
hears of it; the same message has the same name every time, so that a crash leaves nothing twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pillarbox.fetch.destination import Staged
from pillarbox.fetch.errors import staging_problem
from pillarbox.fetch.line_ends import wire_form
from pillarbox.files import sync_directory
from pillarbox.watch.clean import clean


class Quarantine:
    """The quarantine of one account. The directory is made with its first message."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def keep(self, staged: Staged, reason: str) -> Path:
        """Copy a staged message there; returns the file.

        Raises:
            StagingError: it could not be written.
        """
        target = self.directory / f"{staged.name}.eml"
        when = datetime.fromtimestamp(staged.received, UTC).isoformat(timespec="seconds")
        unique_id = clean(staged.unique_id.decode("ascii", "backslashreplace"))
        note = (
            f"account: {clean(staged.account)}\nunique-id: {unique_id}\nreceived: {when}\n"
            f"octets: {staged.size}\nsha256: {staged.sha256.hex()}\nreason: {clean(reason)}\n"
        )
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(target, wire_form(staged.path, staged.line_ends))
            _write(target.with_suffix(".txt"), [note.encode()])
            sync_directory(self.directory)
        except OSError as error:
            raise staging_problem(error, self.directory) from error
        return target


def _write(target: Path, pieces: Iterable[bytes]) -> None:
    part = target.with_name(target.name + ".part")
    try:
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.rename(part, target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
