import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pillarbox.fetch.errors import FetchError, JournalError
from pillarbox.fetch.settings import RunResult
from pillarbox.fetch.status import FILE, StatusFile

NOW = 1_800_000_000.0


def failed(text: str = "the server is away") -> RunResult:
    return RunResult("ada", error=FetchError(text, temporary=True))


def test_runs_add_up(tmp_path: Path) -> None:
    status = StatusFile(tmp_path / "made" / "here")
    assert status.all() == {}
    status.note(RunResult("ada", fetched=3, octets=300, deleted=2, pending=1, seconds=1.5), NOW)
    status.note(RunResult("ada", fetched=1, octets=50, quarantined=1, seconds=0.5), NOW + 10)
    status.note(failed(), NOW + 20)
    status.note(failed("still away"), NOW + 30)
    ada = status.all()["ada"]
    assert (ada.fetched, ada.octets, ada.deleted, ada.quarantined, ada.pending) == (4, 350, 2, 1, 0)
    assert (ada.runs, ada.failed_runs, ada.failures, ada.error) == (4, 2, 2, "still away")
    assert (ada.since, ada.last_run, ada.last_success) == (NOW, NOW + 30, NOW + 10)
    status.note(RunResult("ada"), NOW + 40)
    ada = status.all()["ada"]
    assert (ada.failures, ada.error, ada.last_success) == (0, "", NOW + 40)


def test_an_interrupted_run_is_no_success(tmp_path: Path) -> None:
    status = StatusFile(tmp_path)
    status.note(RunResult("ada", interrupted=True), NOW)
    ada = status.all()["ada"]
    assert (ada.last_success, ada.failures, ada.failed_runs, ada.runs) == (None, 0, 0, 1)


def test_a_run_in_which_everything_failed_is_no_success_one_in_which_something_did_is(tmp_path: Path) -> None:
    status = StatusFile(tmp_path)
    status.note(RunResult("ada", failed=3), NOW)
    assert status.all()["ada"].error.startswith("no message came through, 3 failed")
    status.note(RunResult("ada", fetched=1, failed=2), NOW + 1)
    assert (status.all()["ada"].error, status.all()["ada"].last_success) == ("", NOW + 1)


def test_health_counts_from_the_last_success_or_from_the_beginning(tmp_path: Path) -> None:
    status = StatusFile(tmp_path)
    status.begin(["ada", "bob"], NOW)
    status.begin(["ada"], NOW + 999)
    status.note(RunResult("bob"), NOW + 50)
    standing = status.all()
    assert standing["ada"].unhealthy(NOW + 99, 100) is None
    assert standing["ada"].unhealthy(NOW + 100, 100) == "no successful run for 0.0 hours"
    assert standing["bob"].unhealthy(NOW + 149, 100) is None
    status.note(failed(), NOW + 60)
    assert status.all()["ada"].unhealthy(NOW + 5 * 86_400, 100) == "no successful run for 5.0 days: the server is away"


def test_many_write_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for made in [pool.submit(StatusFile(tmp_path).note, RunResult("ada", fetched=1), NOW) for _ in range(40)]:
            made.result()
    assert StatusFile(tmp_path).all()["ada"].fetched == 40


def test_trouble_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(JournalError, match="damaged"):
        StatusFile(tmp_path).all()
    (tmp_path / FILE).unlink()
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalError, match="newer"):
        StatusFile(tmp_path).note(RunResult("ada"), NOW)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError, match="writable"):
        StatusFile(tmp_path).note(RunResult("ada"), NOW)
