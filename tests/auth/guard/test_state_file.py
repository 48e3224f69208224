"""The shared state: seen by other workers, there after a restart, bounded, and never in the way when it is broken."""

import os
import sqlite3
from pathlib import Path

import pytest
from tests.auth.guard.scenes import DAY, START, Scene, bot, home, request, user

from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.interface import Lane, Reason
from pillarbox.auth.guard.state import Observation, What
from pillarbox.auth.guard.state_file import RETRY, WAITING, SharedJournal
from pillarbox.events import InternalError, MemorySink, Warned


def journal(path: Path, writer: int = 1, rows: int = 1000, sink: MemorySink | None = None) -> SharedJournal:
    return SharedJournal(path, writer=writer, rows=rows, sink=sink or MemorySink())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "guard.sqlite"


def rows_of(path: Path, table: str) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()


def warnings_of(sink: MemorySink) -> list[str]:
    return [event.text for event in sink.of(Warned)]


def test_one_workers_failures_block_at_the_others(path: Path) -> None:
    first, second = Scene(journal=journal(path, 1)), Scene(journal=journal(path, 2))
    for guess in range(12):
        first.attempt(request(user(1), "9.9.9.9", guess, START + guess))
    first.engine.tick(START + 12)
    assert second.engine.before(request(user(2), "9.9.9.9", "x", START + 13)).refuse is Reason.SOURCE
    assert not second.sink.events  # told once, by the worker that saw it


def test_guesses_spread_over_workers_are_counted_together(path: Path) -> None:
    workers = [Scene(seed, journal(path, seed)) for seed in range(1, 5)]
    verified = 0
    for guess in range(400):
        when = START + guess
        verified += workers[guess % 4].attempt(request(user(1), bot(guess), guess, when)).refuse is None
    assert verified <= 50


def test_a_restart_forgets_nothing(path: Path) -> None:
    before = Scene(journal=journal(path))
    start = before.settle(5)
    for guess in range(12):
        before.attempt(request(user(1), "9.9.9.9", guess, start + guess))
    before.engine.close()
    after = Scene(journal=journal(path, 2))
    assert after.engine.before(request(user(3), home(3), "own", start + 20)).lane is Lane.FAMILIAR
    assert after.engine.before(request(user(2), "9.9.9.9", "x", start + 20)).refuse is Reason.SOURCE
    assert after.engine.known.memory.started == START


def test_the_journal_is_folded_into_a_snapshot_that_says_the_same(path: Path) -> None:
    scene = Scene(journal=journal(path, rows=20))
    start = scene.settle(200)
    for turn in range(300):
        scene.attempt(request(user(turn % 200), bot(turn), turn, start + turn * 10))
    for guess in range(12):
        scene.attempt(request(user(1), "9.9.9.9", guess, start + 3000 + guess))
    scene.engine.learn(Observation(What.ALLOW, start + 3012, subject="192.0.2.0/24", until=start + DAY))
    for second in range(200):
        scene.engine.tick(start + 3100 + second)
    assert rows_of(path, "journal") < 20
    assert rows_of(path, "snapshot") >= 4
    scene.engine.close()

    again = Scene(journal=journal(path, 2, rows=20))
    again.engine.catch_up(start + 3400)
    old, new = scene.engine.known, again.engine.known
    assert new.memory.accounts == old.memory.accounts
    assert new.memory.sources == old.memory.sources
    assert new.memory.pairs == old.memory.pairs
    assert new.memory.good == old.memory.good
    assert new.memory.allowed == old.memory.allowed
    assert new.ladder.dump() == old.ladder.dump()
    assert new.spray.campaign == old.spray.campaign
    assert new.spray.campaign is not None
    assert again.engine.before(request("x", "192.0.2.1", "x", start + 3400)).refuse is None


def test_the_file_stays_small_under_a_long_attack(path: Path) -> None:
    bounds = {"remembered_sources": 300, "remembered_accounts": 300, "remembered_pairs": 300}
    scene = Scene(journal=journal(path, rows=20), campaign_refuses=False, guesses_per_account=10_000, **bounds)
    for turn in range(2500):
        scene.attempt(request(f"u{turn}", bot(turn), turn, START + turn))
        scene.engine.tick(START + turn)
    assert path.stat().st_size < 1_500_000
    assert rows_of(path, "journal") < 200


def test_only_the_owner_can_read_the_file(path: Path) -> None:
    Scene(journal=journal(path))
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_secret_and_no_readable_tag_of_one_is_in_the_file(path: Path) -> None:
    """P60."""
    scene = Scene(journal=journal(path))
    for guess in range(5):
        scene.attempt(request(user(1), "9.9.9.9", f"CANARY-{guess}", START + guess))
    scene.engine.close()
    assert all(b"CANARY" not in file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize(
    "content", [b"", b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000], ids=["empty", "garbage", "damaged"]
)
def test_a_broken_file_is_set_aside_and_the_guard_starts_empty(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sink = MemorySink()
    scene = Scene(journal=journal(path, sink=sink))
    for guess in range(12):
        scene.attempt(request(user(1), "9.9.9.9", guess, START + guess))
    scene.engine.close()
    assert len(warnings_of(sink)) == (1 if content else 0)
    assert path.with_name("guard.sqlite.unusable").exists() == bool(content)
    assert rows_of(path, "journal") > 0
    assert not scene.sink.of(InternalError)


def test_another_programs_database_is_set_aside_not_written_to(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE precious (x)")
    other.commit()
    other.close()
    sink = MemorySink()
    Scene(journal=journal(path, sink=sink))
    assert "another program's" in warnings_of(sink)[0]
    assert rows_of(path.with_name("guard.sqlite.unusable"), "precious") == 0


def test_rows_and_snapshots_that_cannot_be_decoded_start_a_new_file(path: Path) -> None:
    for table, columns in (("journal", "NULL, 9, 0.0, x'c1'"), ("snapshot", "0, x'c1'")):
        sink = MemorySink()
        Scene(journal=journal(path)).engine.close()
        connection = sqlite3.connect(path)
        connection.execute(f"INSERT INTO {table} VALUES ({columns})")
        connection.commit()
        connection.close()
        scene = Scene(journal=journal(path, 2, sink=sink))
        assert scene.attempt(request(user(1), home(1), "own", START), right=True).refuse is None
        assert len(warnings_of(sink)) == 1
        assert not scene.sink.of(InternalError)
        scene.engine.close()


def test_a_file_that_breaks_while_it_is_used_does_no_harm(path: Path) -> None:
    sink = MemorySink()
    scene = Scene(journal=journal(path, sink=sink))
    scene.attempt(request(user(1), "9.9.9.9", 0, START))
    scene.engine.tick(START + 1)
    for file in path.parent.iterdir():
        with file.open("r+b") as stream:
            stream.write(os.urandom(20_000))
    for guess in range(1, 60):
        scene.attempt(request(user(1), "9.9.9.9", guess, START + guess * 10))
        scene.engine.tick(START + guess * 10)
    assert scene.engine.before(request(user(2), "9.9.9.9", "x", START + 100)).refuse is Reason.SOURCE
    assert not scene.sink.of(InternalError)


@pytest.mark.parametrize("place", ["/nonexistent/guard.sqlite", "/proc/guard.sqlite"])
def test_a_place_that_cannot_be_written_is_told_and_tried_again_later(place: str) -> None:
    sink = MemorySink()
    scene = Scene(journal=journal(Path(place), sink=sink))
    for guess in range(50):
        scene.attempt(request(user(guess), "9.9.9.9", guess, START + guess / 10))
        scene.engine.tick(START + guess / 10)
    assert 1 <= len(warnings_of(sink)) <= 2
    scene.engine.tick(START + 3 * RETRY)
    assert len(warnings_of(sink)) <= 3
    assert not scene.sink.of(InternalError)


def test_a_busy_file_keeps_nobody_waiting_and_loses_nothing(path: Path) -> None:
    scene = Scene(journal=journal(path))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for guess in range(5):
        scene.attempt(request(user(guess), "9.9.9.9", guess, START + guess))
    assert not scene.engine.flush(START + 5)
    holder.execute("ROLLBACK")
    holder.close()
    assert scene.engine.flush(START + 6)
    assert rows_of(path, "journal") == 1
    assert not scene.sink.events


def test_what_waits_is_bounded() -> None:
    waiting = journal(Path("/nonexistent/guard.sqlite"))
    for number in range(3 * WAITING):
        waiting.append(Observation(What.FAILED, START + number))
    assert len(waiting._waiting) <= WAITING


def test_a_familiar_login_writes_nothing(path: Path) -> None:
    scene = Scene(journal=journal(path))
    start = scene.settle(1)
    scene.engine.tick(start)
    before = rows_of(path, "journal")
    for poll in range(200):
        scene.attempt(request(user(0), home(0), "own", start + poll), right=True)
        scene.engine.tick(start + poll)
    assert rows_of(path, "journal") <= before + 1


def test_workers_of_several_processes_share_one_file(path: Path) -> None:
    children = []
    for writer in range(1, 5):
        pid = os.fork()
        if pid == 0:
            worker = Scene(journal=journal(path, writer))
            for guess in range(50):
                asked = request(user(writer), f"9.9.{writer}.9", f"{writer}-{guess}", START + guess)
                worker.engine.after(asked, False, "wrong password")
            while not worker.engine.flush(START + 100):
                pass
            os._exit(len(worker.sink.of(Warned)) + len(worker.sink.of(InternalError)))
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0, 0]
    reader = Scene(journal=journal(path, 9))
    reader.engine.catch_up(START + 100)
    assert {key for key, _ in reader.engine.known.memory.pairs} == {user(writer) for writer in range(1, 5)}


def test_a_second_worker_that_meets_the_same_broken_file_uses_the_new_one(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)
    first, second = journal(path, 1), journal(path, 2)
    assert not list(first.load())
    assert not list(second.load())
    first.append(Observation(What.FAILED, START, account="a", subject="9.9.9.9"))
    assert first.flush(START)
    assert [seen.account for seen in second.news(START + 1)] == ["a"]


def test_an_engine_with_a_shared_journal_never_raises_even_without_a_directory(tmp_path: Path) -> None:
    sink = MemorySink()
    missing = journal(tmp_path / "later" / "guard.sqlite", sink=sink)
    engine = GuardEngine(Scene().settings, missing, below=lambda most: most - 1, sink=sink)
    engine.before(request(user(1), "9.9.9.9", "x", START))
    (tmp_path / "later").mkdir()
    engine.after(request(user(1), "9.9.9.9", "x", START + 10), False, "wrong password")
    engine.tick(START + 2 * RETRY)
    engine.tick(START + 3 * RETRY)
    assert rows_of(tmp_path / "later" / "guard.sqlite", "journal") == 1
