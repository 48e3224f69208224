"""The messages of an account that are not in its destination: quarantined, or left on the server.

Rules: only looks; needs no lock, so that it works while a run is under way.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

from pillarbox.fetch import journal_file
from pillarbox.fetch.destination import staged_name
from pillarbox.fetch.errors import journal_problem
from pillarbox.fetch.records import State
from pillarbox.fetch.run import private_directory
from pillarbox.fetch.settings import FetchAccount


class Aside(NamedTuple):
    """One message.

    Attributes:
        name: as its copy's file is called, if there is one.
        unique_id: opaque.
        size: octets, as LIST said.
        quarantined: it failed often enough, or was too large; else it was left on the server on purpose.
        reason: for people.
        since: UTC seconds.
        file: the copy.
    """

    name: str
    unique_id: bytes
    size: int
    quarantined: bool
    reason: str
    since: float
    file: Path | None


def aside(account: FetchAccount) -> list[Aside]:
    """All such messages of an account, oldest first.

    Raises:
        JournalError: the journal cannot be read.
    """
    path = account.journals / journal_file.file_name(account.name)
    if not path.exists():
        return []
    directory = private_directory(account, "quarantine")
    with contextlib.closing(journal_file.read_only(path)) as database:
        try:
            rows = database.execute(
                "SELECT key, size, state, reason, changed_at FROM message WHERE state IN (?, ?)"
                " ORDER BY changed_at, key",
                (int(State.SKIPPED), int(State.QUARANTINED)),
            ).fetchall()
        except sqlite3.Error as error:
            raise journal_problem(error, path) from error
    found = []
    for key, size, state, reason, changed in rows:
        name = staged_name(account.name, key)
        copy = directory / f"{name}.eml"
        kept = copy if copy.exists() else None
        found.append(Aside(name, key, size, state == State.QUARANTINED, reason, changed, kept))
    return found
