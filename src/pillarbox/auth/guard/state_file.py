"""The journal in one SQLite file: shared by the workers of a machine, and there again after a restart.

Rules: whatever happens to the file, nothing is raised and the service goes on: a file that cannot be read is set aside
and begun anew, one that is busy is tried again, each with one `Warned`; nothing waits for another process; what an
owner's ordinary log-in does is no observation, so that it writes nothing. Other workers read by SQLite's change
counter. The size is bounded: after `rows` batches, one worker folds everything into a snapshot, in slices, and drops
what the snapshot holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from pillarbox.auth.guard.memory import Chunk
from pillarbox.auth.guard.state import POLL, Observation, Snapshot
from pillarbox.events import Sink, Warned

BATCH = 64
"""Observations in one row of the journal."""

WAITING = 10_000
"""Observations that wait while the file cannot be written; the oldest leave first."""

RETRY = 60.0
"""Seconds until a file that could not be used is tried again."""

KEEP = 60.0
"""Seconds that rows stay after a snapshot holds them, for workers that have not read them yet."""

LEASE = 120.0
"""Seconds that one worker has for a snapshot before another may begin one."""

OPENING = 5.0
"""Seconds that opening the file waits for a worker that is making it."""

# "PBXG": tells our file from any other SQLite database.
_APPLICATION_ID = 0x50425847
_VERSION = 1
_SCHEMA = (
    "CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, writer INTEGER, at REAL, data BLOB) STRICT",
    "CREATE TABLE snapshot (generation INTEGER NOT NULL, data BLOB NOT NULL) STRICT",
    "CREATE TABLE meta (generation INTEGER NOT NULL, seq INTEGER NOT NULL, lease REAL NOT NULL) STRICT",
    "INSERT INTO meta VALUES (0, 0, 0.0)",
)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_BROKEN = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT)


class _NotOurs(sqlite3.DatabaseError):
    """The file is a database, but not one of this program and version."""


class SharedJournal:
    """See `state.Journal`. For one thread; opened after a fork, never before.

    Args:
        path: the file; made if it is missing.
        writer: a random number that no other worker has.
        rows: batches after which a snapshot is made.
        sink: is told of trouble.
        repair: whether a file that cannot be used is set aside for a new one: for workers, not for commands.
    """

    def __init__(self, path: Path, *, writer: int, rows: int, sink: Sink, repair: bool = True) -> None:
        self._path = path
        self._writer = writer
        self._rows = rows
        self._sink = sink
        self._repair = repair
        self._db: sqlite3.Connection | None = None
        self._retry_at = 0.0
        self._inode = 0
        self._seq = 0
        self._changes = -1
        self._polled = self._written = self._counted = 0.0
        self._waiting: list[Observation] = []
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[Observation]).decode
        self._slices: Iterator[None] | None = None

    # ---- the contract -------------------------------------------------------------------------------------------

    def load(self) -> Iterable[Chunk]:
        """See `Journal.load`."""
        try:
            return self._loaded()
        except (sqlite3.Error, OSError, msgspec.MsgspecError, UnicodeError) as error:
            if not self._set_aside(error):
                self._lost(error, 0.0)
                return ()
        try:
            return self._loaded()
        except (sqlite3.Error, OSError, msgspec.MsgspecError, UnicodeError) as error:
            self._lost(error, 0.0)
            return ()

    def append(self, observation: Observation) -> None:
        """See `Journal.append`."""
        if len(self._waiting) >= WAITING:
            del self._waiting[: WAITING // 10]
        self._waiting.append(observation)

    def news(self, when: float) -> Sequence[Observation]:
        """See `Journal.news`."""
        # A clock that was set back must not end the reading.
        if 0 <= when - self._polled < POLL:
            return ()
        self._polled = when
        if not self._ready(when):
            return ()
        try:
            return self._read()
        except (sqlite3.Error, msgspec.MsgspecError, UnicodeError) as error:
            self._failed(error, when)
            return ()

    def beat(self, when: float) -> None:
        """See `Journal.beat`."""
        if self._waiting and (len(self._waiting) >= BATCH or not 0 <= when - self._written < POLL):
            self._write(when)

    def flush(self, when: float) -> bool:
        """See `Journal.flush`."""
        if self._waiting:
            self._write(when)
        return not self._waiting

    def tick(self, when: float, snapshot: Snapshot) -> None:
        """See `Journal.tick`."""
        self.flush(when)
        if not self._ready(when):
            return
        try:
            if self._slices is None:
                if not 0 <= when - self._counted < 10 * POLL:
                    self._counted = when
                    self._slices = self._begun(when, snapshot)
            elif next(self._slices, self) is self:
                self._slices = None
        except (sqlite3.Error, OSError) as error:
            self._slices = None
            self._failed(error, when)

    def close(self) -> None:
        """See `Journal.close`."""
        self.flush(self._written)
        self._shut()

    # ---- reading and writing ------------------------------------------------------------------------------------

    def _read(self) -> list[Observation]:
        db = self._db
        assert db is not None
        (changes,) = db.execute("PRAGMA data_version").fetchone()
        if changes == self._changes:
            return []
        found: list[Observation] = []
        rows = db.execute("SELECT seq, writer, data FROM journal WHERE seq > ? ORDER BY seq", (self._seq,))
        for seq, writer, data in rows:
            self._seq = seq
            if writer != self._writer:
                found += self._decode(data)
        self._changes = changes
        return found

    def _write(self, when: float) -> None:
        self._written = when
        if not self._ready(when):
            return
        assert self._db is not None
        batches = [self._waiting[at : at + BATCH] for at in range(0, len(self._waiting), BATCH)]
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany(
                    "INSERT INTO journal (writer, at, data) VALUES (?, ?, ?)",
                    [(self._writer, when, self._encode(batch)) for batch in batches],
                )
        except sqlite3.Error as error:
            self._failed(error, when)
        else:
            self._waiting.clear()
            # Our own writes do not move SQLite's counter for us, but our place in the journal must move on.
            self._changes = -1

    # ---- snapshots ----------------------------------------------------------------------------------------------

    def _begun(self, when: float, snapshot: Snapshot) -> Iterator[None] | None:
        """The slices of a snapshot's making, if one is due and no other worker makes it."""
        db = self._db
        assert db is not None
        (rows,) = db.execute("SELECT count(*) FROM journal, meta WHERE journal.seq > meta.seq").fetchone()
        if rows < self._rows:
            return None
        with db:
            db.execute("BEGIN IMMEDIATE")
            # A lease further ahead than any can be is from a clock that was wrong.
            taken = db.execute(
                "UPDATE meta SET lease = ? WHERE lease <= ? OR lease > ?", (when + LEASE, when, when + LEASE)
            ).rowcount
        return self._made(when, snapshot()) if taken else None

    def _made(self, when: float, chunks: Iterator[Chunk]) -> Iterator[None]:
        db = self._db
        assert db is not None
        upto = self._seq
        (generation,) = db.execute("SELECT generation + 1 FROM meta").fetchone()
        db.execute("DELETE FROM snapshot WHERE generation = ?", (generation,))  # of one that was not finished
        for chunk in chunks:
            db.execute("INSERT INTO snapshot VALUES (?, ?)", (generation, self._encode(chunk)))
            yield
        with db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE meta SET generation = ?, seq = ?, lease = 0.0", (generation, upto))
            db.execute("DELETE FROM snapshot WHERE generation <> ?", (generation,))
            db.execute(
                "DELETE FROM journal WHERE seq <= ? AND (at < ? OR at > ?)", (upto, when - KEEP, when + 2 * LEASE)
            )

    # ---- the file -----------------------------------------------------------------------------------------------

    def _loaded(self) -> list[Chunk]:
        self._open()
        assert self._db is not None
        with self._db:
            # One transaction: another worker may be about to finish a snapshot.
            self._db.execute("BEGIN")
            generation, seq = self._db.execute("SELECT generation, seq FROM meta").fetchone()
            rows = self._db.execute("SELECT data FROM snapshot WHERE generation = ?", (generation,)).fetchall()
        decode = msgspec.msgpack.Decoder(Chunk).decode
        chunks = [decode(data) for (data,) in rows]
        self._seq = seq
        return chunks

    def _open(self) -> None:
        self._shut()
        # 0600: names of accounts and where their owners are concern nobody else.
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._inode = os.fstat(handle).st_ino
        finally:
            os.close(handle)
        # Opening waits for a worker that makes the file; from then on nothing waits.
        self._db = db = sqlite3.connect(self._path, timeout=OPENING, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        with db:
            db.execute("BEGIN IMMEDIATE")
            self._recognise(db)
        db.execute("PRAGMA busy_timeout = 0")
        # NORMAL: a commit waits for no disk; a power cut may cost the last seconds, never the file.
        db.execute("PRAGMA synchronous = NORMAL")
        self._changes = -1

    @staticmethod
    def _recognise(db: sqlite3.Connection) -> None:
        """Make the tables of a new file; refuse one that is not ours."""
        (kind,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if (kind, version) == (_APPLICATION_ID, _VERSION):
            return
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables:
            raise _NotOurs("it is another program's, or of another version")
        for statement in _SCHEMA:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")

    def _shut(self) -> None:
        self._slices = None
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _ready(self, when: float) -> bool:
        """Whether there is an open file; opens it where its time has come."""
        if self._db is not None:
            return True
        if 0 <= self._retry_at - when <= RETRY:
            return False
        try:
            self._open()
            # What was written meanwhile by others is read on; our memory is newer than any snapshot.
            return True
        except (sqlite3.Error, OSError) as error:
            if not self._set_aside(error):
                self._lost(error, when)
            return False

    def _failed(self, error: Exception, when: float) -> None:
        if isinstance(error, sqlite3.Error) and error.sqlite_errorcode in _BUSY:
            return  # another worker is writing: the next beat tries again
        if not self._set_aside(error):
            self._lost(error, when)

    def _set_aside(self, error: Exception) -> bool:
        """Put a file that is not usable out of the way, so that a new one can be begun; False where that is no help."""
        code = error.sqlite_errorcode if isinstance(error, sqlite3.Error) and not isinstance(error, _NotOurs) else None
        if not self._repair or isinstance(error, OSError) or (code is not None and code & 0xFF not in _BROKEN):
            return False
        self._shut()
        aside = self._path.with_name(f"{self._path.name}.unusable")
        try:
            with _only_one(self._path.parent):
                if self._path.stat().st_ino != self._inode:
                    return True  # another worker was quicker
                os.replace(self._path, aside)
                for suffix in ("-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(f"{self._path}{suffix}")
        except OSError:
            return False
        finally:
            self._seq = 0
        self._warn(
            f"{self._path} cannot be used ({_reason(error)}): it is now {aside.name}, and the guard starts empty"
        )
        return True

    def _lost(self, error: Exception, when: float) -> None:
        self._shut()
        self._retry_at = when + RETRY
        self._warn(f"{self._path} cannot be used ({_reason(error)}): workers guard on their own until it can")

    def _warn(self, text: str) -> None:
        self._sink.emit(Warned(about="guard-state", text=text))


@contextlib.contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Keeps other workers out for a moment."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
