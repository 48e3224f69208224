"""How each account fares, run after run: what `pillarbox fetch status`, its health check and the metrics tell.

Rules: one small SQLite file that any number of fetchers and readers may use at once; a run that cannot be noted is
no reason to fetch nothing, so the writer tells and goes on; texts of errors are kept as they were told, clean. Times
are UTC seconds.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pillarbox.fetch.advice import advised
from pillarbox.fetch.errors import JournalError, journal_problem
from pillarbox.fetch.settings import RunResult

FILE = "status.sqlite"

_VERSION = 1
_BUSY = 10.0  # seconds another writer is waited for
_SCHEMA = """CREATE TABLE IF NOT EXISTS account (
    name TEXT NOT NULL PRIMARY KEY,
    since REAL NOT NULL,
    last_run REAL,
    last_success REAL,
    failures INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL DEFAULT 0,
    runs INTEGER NOT NULL DEFAULT 0,
    failed_runs INTEGER NOT NULL DEFAULT 0,
    fetched INTEGER NOT NULL DEFAULT 0,
    octets INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    quarantined INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID"""


class Standing(NamedTuple):
    """How one account stands.

    Attributes:
        since: when it was first heard of.
        last_run, last_success: when its last run, and its last one without an error, ended; None for never.
        failures: runs that failed since the last success.
        error: of the last run, "" if there was none.
        seconds: that the last run took.
        runs, failed_runs, fetched, octets, deleted, quarantined: over all runs.
        pending: messages that are still to be deleted on the server.
    """

    name: str
    since: float
    last_run: float | None = None
    last_success: float | None = None
    failures: int = 0
    error: str = ""
    seconds: float = 0.0
    runs: int = 0
    failed_runs: int = 0
    fetched: int = 0
    octets: int = 0
    deleted: int = 0
    quarantined: int = 0
    pending: int = 0

    def unhealthy(self, now: float, after: float) -> str | None:
        """Why somebody should look: there was no success for `after` seconds. None if all is well."""
        last = self.since if self.last_success is None else self.last_success
        if now - last < after:
            return None
        hours = (now - last) / 3600
        how = f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"
        why = f": {self.error}" if self.error else ""
        return f"no successful run for {how}{why}"


def _problem(result: RunResult) -> str:
    """Why a run was no success. One message that fails is not worth that, but all of them are: nothing gets through."""
    if result.error is not None:
        return advised(result.error)
    if result.failed and not result.fetched:
        return f"no message came through, {result.failed} failed: the lines of the run say why"
    return ""


class StatusFile:
    """The file. One object serves one process, from any thread.

    Raises:
        JournalError: from all methods, when the file cannot be read or written.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / FILE

    def note(self, result: RunResult, now: float) -> None:
        """Add what a run did."""
        error = _problem(result)
        failed = bool(error)  # a run that was asked to end early is neither a failure nor a success
        ok = result.ok and not failed
        with self._open(write=True) as connection:
            connection.execute("INSERT OR IGNORE INTO account (name, since) VALUES (?, ?)", (result.account, now))
            connection.execute(
                """UPDATE account SET last_run = ?, last_success = iif(?, ?, last_success),
                failures = iif(?, 0, failures + ?), error = ?, seconds = ?, runs = runs + 1,
                failed_runs = failed_runs + ?, fetched = fetched + ?, octets = octets + ?, deleted = deleted + ?,
                quarantined = quarantined + ?, pending = ? WHERE name = ?""",
                (
                    *(now, ok, now, ok, failed, error, result.seconds, failed, result.fetched),
                    *(result.octets, result.deleted, result.quarantined, result.pending, result.account),
                ),
            )

    def begin(self, names: list[str], now: float) -> None:
        """Accounts that are to be fetched from now on: those without any run count from here."""
        with self._open(write=True) as connection:
            values = [(name, now) for name in names]
            connection.executemany("INSERT OR IGNORE INTO account (name, since) VALUES (?, ?)", values)

    def all(self) -> dict[str, Standing]:
        """Every account that was ever heard of, by name."""
        if not self._path.exists():
            return {}
        with self._open(write=False) as connection:
            columns = ", ".join(Standing._fields)
            rows = connection.execute(f"SELECT {columns} FROM account ORDER BY name")  # noqa: S608 - constants only
            return {row[0]: Standing(*row) for row in rows}

    @contextlib.contextmanager
    def _open(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        try:
            if write:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.closing(sqlite3.connect(self._path, timeout=_BUSY)) as connection, connection:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version > _VERSION:
                    text = f"{self._path}: a newer Pillarbox wrote it: use that one"
                    raise JournalError(text, temporary=False)
                if version == 0 and write:
                    connection.execute(_SCHEMA)
                    connection.execute(f"PRAGMA user_version = {_VERSION}")
                yield connection
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.Error) and _is_damage(error):
                text = (
                    f"{self._path}: the status file is damaged ({error}): move it away; no mail is lost by that, only "
                    "what `fetch status` has counted"
                )
                raise JournalError(text, temporary=False) from error
            raise journal_problem(error, self._path) from error


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # an error of the module itself has no code
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
