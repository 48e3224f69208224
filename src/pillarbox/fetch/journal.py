"""What happened to each message of one account, durably: the memory that makes fetching happen exactly once.

Rules: every public method that changes something is one transaction, and has survived a power failure when it returns;
a message only ever moves along `seen → staged → delivered → pending → gone`, or aside to skipped and quarantined;
nothing here touches a server or a destination. One process holds a journal at a time; its methods may be called from
any thread. The client uses the same object as its `Seen`: `box.new(journal)`.

Elsewhere: the file, its lock and schema (`journal_file`); what follows from the records for a session (`plan`).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pillarbox.fetch import journal_file
from pillarbox.fetch.destination import LineEnds
from pillarbox.fetch.errors import JournalError, journal_problem
from pillarbox.fetch.records import Content, Intent, Known, State, Why

DAY = 86_400.0

KEPT_DAYS = 30
"""Days for which a message that is no longer on the server is remembered, at least: servers do restore backups."""

_ROWS = 250
"""Of a statement: with 12 values each far below the 32,766 that SQLite takes (3.32 and later)."""

_GONE_WITH = "state = 5, changed_at = ?"
# What a message that comes back was: delivered, or not. Only a delivered one has an id in its destination.
_BACK = "state = CASE WHEN destination IS NULL THEN 1 ELSE 3 END, changed_at = ?"


class Journal:
    """The journal of one account, open and locked; a context manager.

    Args:
        directory: where journals are; made when missing.
        account: the account's id. It stays the same when the server's name changes.
        clock: UTC seconds.
        kept_days: how long vanished messages are remembered; at least `KEPT_DAYS`.

    Raises:
        JournalLocked: another run holds it.
        JournalError: it cannot be used.
    """

    def __init__(
        self,
        directory: Path | str,
        account: str,
        *,
        clock: Callable[[], float] = time.time,
        kept_days: float = KEPT_DAYS,
    ) -> None:
        self.path = Path(directory) / journal_file.file_name(account)
        self._clock = clock
        self._kept = max(kept_days, KEPT_DAYS) * DAY
        self._guard = threading.RLock()
        self._lock: int | None = journal_file.lock(self.path)
        try:
            self._database = journal_file.connect(self.path, account)
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close it and give up the lock. Never raises; closing twice is allowed."""
        with self._guard:
            if self._lock is not None:
                with contextlib.suppress(sqlite3.Error):  # everything that matters is committed
                    self._database.close()
                os.close(self._lock)
                self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- asking -----------------------------------------------------------------------------------------------

    def known(self) -> dict[bytes, Known]:
        """All messages by their keys, those that are gone too."""
        rows = self._all(
            "SELECT key, state, size, tries, failures, delete_at, why, destination IS NOT NULL, sha256, headers"
            " FROM message"
        )
        try:
            return {
                key: Known(State(state), size, tries, failures, delete_at, Why(why), bool(delivered), sha256, headers)
                for key, state, size, tries, failures, delete_at, why, delivered, sha256, headers in rows
            }
        except ValueError as error:
            raise journal_problem(error, self.path) from error

    def intents(self) -> list[Intent]:
        """The messages that stand at `staged`: a run ended between intent and delivery."""
        rows = self._all(
            "SELECT key, octets, sha256, headers, file, stored, line_ends, received, why FROM message WHERE state = 2"
        )
        return [Intent(r[0], Content(*r[1:4]), r[4], r[5], LineEnds(r[6]), r[7], Why(r[8])) for r in rows]

    def mechanism(self) -> str:
        """What let us in last time, as in `Client.mechanism`; "" for nothing yet."""
        ((mechanism,),) = self._all("SELECT mechanism FROM account")
        return str(mechanism)

    def let_in_by(self, mechanism: str) -> None:
        """Remember what let us in."""
        if mechanism != self.mechanism():
            with self._transaction() as database:
                database.execute("UPDATE account SET mechanism = ?", (mechanism,))

    def pending(self) -> int:
        """How many messages still have to be deleted on the server, or may have been."""
        return int(self._all("SELECT count(*) FROM message WHERE state = 4")[0][0])

    # ---- a listing ----------------------------------------------------------------------------------------------

    def listed(self, sizes: Iterable[tuple[bytes, int]], *, complete: bool = True) -> bool:
        """The server has these messages (keys with the sizes of LIST), and no others if `complete`.

        New ones are seen; others that are missing are gone, which also ends a deletion nobody confirmed; what was gone
        and is back is what it was before. Messages that are known by their content are not concerned: no listing
        tells whether they are there. Returns whether any record has changed.

        Raises:
            JournalError: as all methods here: it could not be written, and nothing has changed.
        """
        now = self._clock()
        with self._transaction() as database:
            database.execute("CREATE TEMP TABLE IF NOT EXISTS listing (key BLOB PRIMARY KEY, size INTEGER)")
            database.execute("DELETE FROM listing")
            database.executemany("INSERT OR IGNORE INTO listing VALUES (?, ?)", sizes)
            before = database.total_changes
            database.execute(
                "INSERT OR IGNORE INTO message (key, state, size, seen_at, changed_at)"
                " SELECT key, 1, size, ?, ? FROM listing WHERE key NOT IN (SELECT key FROM message)",
                (now, now),
            )
            database.execute(
                f"UPDATE message SET {_BACK} WHERE state = 5 AND key IN (SELECT key FROM listing)",  # noqa: S608
                (now,),
            )
            if complete:
                # A staged message is gone from the server, but not yet in its destination: it stays.
                database.execute(
                    f"UPDATE message SET {_GONE_WITH}"  # noqa: S608
                    " WHERE state NOT IN (2, 5) AND substr(key, 1, 1) <> x'00'"
                    " AND key NOT IN (SELECT key FROM listing)",
                    (now,),
                )
                database.execute("DELETE FROM message WHERE state = 5 AND changed_at < ?", (now - self._kept,))
            return database.total_changes > before

    def renamed(self, keys: Iterable[tuple[bytes, bytes, int]]) -> None:
        """Messages (old key, new key, size of LIST) have other keys from now on, or are listed with another size."""
        now = self._clock()
        with self._transaction() as database:
            for old, new, size in keys:
                database.execute("DELETE FROM message WHERE key = ? AND key <> ?", (new, old))
                database.execute(
                    "UPDATE message SET key = ?, size = ?, changed_at = ?,"
                    " state = CASE WHEN state <> 5 THEN state WHEN destination IS NULL THEN 1 ELSE 3 END"
                    " WHERE key = ?",
                    (new, size, now, old),
                )

    # ---- the steps of a message -----------------------------------------------------------------------------------

    def staged(self, intents: Sequence[Intent], sizes: Sequence[int]) -> None:
        """These messages are whole and on disk, and are about to be delivered."""
        now = self._clock()
        rows = [
            (i.key, size, i.content.octets, i.content.sha256, i.content.headers, i.file, i.stored, i.line_ends.value,
             i.received, int(i.why), now, now)
            for i, size in zip(intents, sizes, strict=True)
        ]  # fmt: skip
        with self._transaction() as database:
            _at_once(
                database,
                "INSERT INTO message (key, state, size, octets, sha256, headers, file, stored, line_ends, received,"
                " why, seen_at, changed_at) VALUES {}"
                " ON CONFLICT (key) DO UPDATE SET state = 2, octets = excluded.octets, sha256 = excluded.sha256,"
                " size = excluded.size, headers = excluded.headers, file = excluded.file, stored = excluded.stored,"
                " line_ends = excluded.line_ends, received = excluded.received, why = excluded.why,"
                " changed_at = excluded.changed_at",
                "(?, 2, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def delivered(self, ids: Iterable[tuple[bytes, str]], delete_after: float | None) -> None:
        """These messages (key, the destination's id) are durable in their destination.

        Args:
            ids: the messages.
            delete_after: seconds from now until they are to be deleted on the server: 0 for at once, None for never.
                What was staged in place of a message that stays on the server is skipped from now on instead.
        """
        now = self._clock()
        due = None if delete_after is None else now + delete_after
        state = State.PENDING if delete_after == 0 else State.DELIVERED
        with self._transaction() as database:
            _at_once(
                database,
                "WITH safe (key, id, state, due, now) AS (VALUES {})"
                " UPDATE message SET state = CASE why WHEN 0 THEN safe.state ELSE 6 END,"
                " destination = CASE why WHEN 0 THEN safe.id END, delete_at = CASE why WHEN 0 THEN safe.due END,"
                " file = NULL, reason = '', changed_at = safe.now FROM safe WHERE message.key = safe.key",
                "(?, ?, ?, ?, ?)",
                [(key, id_, int(state), due, now) for key, id_ in ids],
            )

    def put_back(self, keys: Iterable[bytes]) -> None:
        """These staged messages are not in their destination and no longer on disk: they are fetched again."""
        self._each("state = 1, file = NULL, changed_at = ?", keys)

    def failed(self, key: bytes, reason: str, *, counted: bool) -> int:
        """A message could not be fetched or delivered; returns how many counted tries it has had."""
        with self._transaction() as database:
            database.execute(
                "UPDATE message SET state = 1, file = NULL, failures = failures + 1, tries = tries + ?, reason = ?,"
                " changed_at = ? WHERE key = ?",
                (int(counted), reason, self._clock(), key),
            )
            row = database.execute("SELECT tries FROM message WHERE key = ?", (key,)).fetchone()
            return int(row[0]) if row else 0

    def quarantined(self, key: bytes, reason: str) -> None:
        """A message is put aside until a person looks at it; it stays on the server."""
        self._each("state = 7, file = NULL, changed_at = ?, reason = ?", [key], reason)

    def set_aside(self, keys: Iterable[bytes], why: Why, reason: str) -> None:
        """These messages stay on the server unfetched."""
        self._each("state = 6, changed_at = ?, why = ?, reason = ?", keys, int(why), reason)

    def unwanted(self, keys: Iterable[bytes], reason: str) -> None:
        """These messages are to be deleted on the server without being fetched."""
        self._each("state = 4, changed_at = ?, reason = ?", keys, reason)

    def marking(self, keys: Iterable[bytes]) -> None:
        """DELE is about to be sent for these messages."""
        now = self._clock()
        with self._transaction() as database:
            # Most stand there already, and what changes nothing waits for no disk.
            database.executemany(
                "UPDATE message SET state = 4, changed_at = ? WHERE key = ? AND state <> 4",
                [(now, key) for key in keys],
            )

    def gone(self, keys: Iterable[bytes]) -> None:
        """QUIT was answered with +OK: the server has deleted these messages."""
        self._each(_GONE_WITH, keys)

    def keep(self, delete_after: float | None) -> None:
        """The account's rule, which may have changed: how long what was delivered stays on the server.

        Args:
            delete_after: seconds after delivery; None: for ever, and unconfirmed deletions are given up.
        """
        with self._transaction() as database:
            if delete_after is None:
                database.execute(
                    "UPDATE message SET state = 3, changed_at = ? WHERE state = 4 AND destination IS NOT NULL",
                    (self._clock(),),
                )
            database.execute(
                "UPDATE message SET delete_at = received + ?1 WHERE state = 3 AND delete_at IS NOT received + ?1",
                (delete_after,),
            )

    def retry(self) -> int:
        """Everything quarantined or skipped is tried again from now on; returns how many messages that are."""
        with self._transaction() as database:
            return database.execute(
                "UPDATE message SET state = 1, tries = 0, failures = 0, why = 0, destination = NULL, changed_at = ?"
                " WHERE state IN (6, 7)",
                (self._clock(),),
            ).rowcount

    def learn(self, unique_ids: Iterable[bytes]) -> None:
        """Take these for delivered and kept, unless they are known: what another fetcher has fetched before."""
        now = self._clock()
        with self._transaction() as database:
            database.executemany(
                "INSERT OR IGNORE INTO message (key, state, size, received, destination, seen_at, changed_at)"
                " VALUES (?, 3, -1, ?, '', ?, ?)",
                [(key, now, now, now) for key in unique_ids],
            )

    # ---- as the client's `Seen` -----------------------------------------------------------------------------------

    def is_new(self, unique_id: bytes, size: int) -> bool:
        """Whether a message has still to be fetched; it is recorded as seen.

        One with the unique-id of a message that is done, and another size, is new: the unique-id may be used again.
        """
        rows = self._all("SELECT state, destination IS NOT NULL, size FROM message WHERE key = ?", unique_id)
        if not rows:
            self.listed([(unique_id, size)], complete=False)
            return True
        state, delivered, known = rows[0]
        if delivered and state in (State.DELIVERED, State.PENDING) and known not in (size, -1):
            self._each("changed_at = ?, state = 1, destination = NULL, delete_at = NULL, size = ?", [unique_id], size)
            return True
        return state in (State.SEEN, State.STAGED) or (state == State.GONE and not delivered)

    def skipped(self, unique_id: bytes, reason: str) -> None:
        """The caller does not want it."""
        self.set_aside([unique_id], Why.CALLER, reason)

    def done(self, unique_id: bytes, size: int, sha256: bytes, delete_after: float | None) -> None:
        """The caller has it safe; `delete_after` is seconds from now, None for never."""
        now = self._clock()
        due = None if delete_after is None else now + delete_after
        with self._transaction() as database:
            database.execute(
                "INSERT INTO message (key, state, size, octets, sha256, destination, received, delete_at, seen_at,"
                " changed_at) VALUES (?1, 3, ?2, ?2, ?3, '', ?4, ?5, ?4, ?4) ON CONFLICT (key) DO UPDATE SET state = 3,"
                " octets = ?2, sha256 = ?3, destination = '', received = ?4, delete_at = ?5, changed_at = ?4",
                (unique_id, size, sha256, now, due),
            )

    def due(self) -> AbstractSet[bytes]:
        """The unique-ids whose deletion is due: their time has come, or nobody confirmed it."""
        rows = self._all("SELECT key FROM message WHERE state = 4 OR (state = 3 AND delete_at <= ?)", self._clock())
        return {row[0] for row in rows}

    def delete_sent(self, unique_ids: AbstractSet[bytes]) -> None:
        """DELE was said for these."""
        self.marking(unique_ids)

    def committed(self, result: bool | None) -> None:
        """QUIT was said. Without a clear yes, the deletions stay pending; the next listing tells."""
        if result:
            with self._transaction() as database:
                database.execute(f"UPDATE message SET {_GONE_WITH} WHERE state = 4", (self._clock(),))  # noqa: S608

    # ---- SQLite -----------------------------------------------------------------------------------------------

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:  # Any: as the schema says
        with self._guard:
            self._check_open()
            try:
                return self._database.execute(query, values).fetchall()
            except (sqlite3.Error, ValueError) as error:  # SQLite's module raises ValueErrors for damaged text
                raise journal_problem(error, self.path) from error

    def _each(self, change: str, keys: Iterable[bytes], *values: object) -> None:
        now = self._clock()
        rows = [(now, *values, key) for key in keys]
        if rows:
            with self._transaction() as database:
                database.executemany(f"UPDATE message SET {change} WHERE key = ?", rows)  # noqa: S608 - fixed texts

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            self._check_open()
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                    self._database.execute("COMMIT")
                finally:
                    if self._database.in_transaction:
                        self._database.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise journal_problem(error, self.path) from error

    def _check_open(self) -> None:
        if self._lock is None:
            raise JournalError(f"{self.path}: the journal is closed", temporary=False)


def _at_once(database: sqlite3.Connection, statement: str, row: str, rows: Sequence[tuple[object, ...]]) -> None:
    """As `executemany`, with many rows in each statement: at `{}`, as `row` has them.

    A statement lets go of the interpreter, and the thread that receives takes it, for milliseconds.
    """
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        values = list(itertools.chain.from_iterable(some))
        database.execute(statement.format(", ".join([row] * len(some))), values)
