from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.cli.fetching import FetchFiles
from tests.fetch.accounts import mail

from pillarbox.fetch import FetchError, RunResult
from pillarbox.fetch.status import StatusFile
from pillarbox.testing.scripted import ScriptedServer

HOUR = 3600.0


@pytest.fixture
def files(tmp_path: Path) -> FetchFiles:
    """Accounts ada and bob, of a server that is not there."""
    files = FetchFiles(tmp_path, unhealthy_after=2 * HOUR)
    with ScriptedServer(tls="none") as server:
        files.add(server)
        files.add(server, "bob")
    return files


def note(files: FetchFiles, name: str, *, hours: float, error: str = "", fetched: int = 0) -> None:
    problem = FetchError(error, temporary=True) if error else None
    result = RunResult(name, fetched=fetched, octets=1000 * fetched, pending=2, error=problem)
    StatusFile(files.state).note(result, time.time() - hours * HOUR)


def test_health_is_a_line_and_a_code_for_monitoring(files: FetchFiles) -> None:
    said = files.run("health", code=2).stdout
    assert said == "CRITICAL - 2 of 2: ada: never fetched; bob: never fetched\n"
    note(files, "ada", hours=1)
    assert files.run("health", "ada").stdout == "OK - 1 account\n"
    note(files, "bob", hours=3)
    note(files, "bob", hours=0.5, error="the server\x1b is away")
    said = files.run("health", code=2).stdout
    assert said == "CRITICAL - 1 of 2: bob: no successful run for 3.0 hours: the server\\x1b is away\n"
    note(files, "bob", hours=0)
    assert files.run("health").stdout == "OK - 2 accounts\n"


def test_health_that_cannot_be_told_is_unknown(files: FetchFiles) -> None:
    (files.state).mkdir(exist_ok=True)
    (files.state / "status.sqlite").write_bytes(b"nonsense" * 100)
    assert files.run("health", code=3).stdout.startswith("UNKNOWN - ")
    assert "the status file is damaged" in files.run("status", code=1).stderr
    files.config.write_text("nonsense")
    assert files.run("health", code=3).stdout.startswith(f"UNKNOWN - {files.config}:1")
    files.config.write_text("")
    assert "no account" in files.run("health", code=3).stdout


def test_status_for_people_and_for_programs(files: FetchFiles) -> None:
    assert files.run("status").stdout == "ada: never fetched\nbob: never fetched\n"
    note(files, "ada", hours=5, fetched=12)
    note(files, "ada", hours=2, error="away: wait")
    lines = files.run("status", "ada").stdout.splitlines()
    assert lines == [
        (
            "ada: last run 2 hours ago (failed), last success 5 hours ago, 12 messages (12 kB) in 2 runs, "
            "2 still to be deleted on the server"
        ),
        "    away: wait",
    ]
    told = [json.loads(line) for line in files.run("status", "--json").stdout.splitlines()]
    assert (told[0]["fetched"], told[0]["failures"], told[0]["error"]) == (12, 1, "away: wait")
    assert told[0]["last_run"].endswith("Z")
    assert told[1]["last_run"] is None


def test_a_run_is_noted(tmp_path: Path) -> None:
    with ScriptedServer([mail(1)], tls="none") as server:
        files = FetchFiles(tmp_path)
        files.add(server)
        files.run("run", "--once")
    assert "(fine), 1 message (" in files.run("status").stdout


def test_one_is_no_plural(files: FetchFiles) -> None:
    note(files, "ada", hours=1 / HOUR, fetched=1)
    said = files.run("status", "ada").stdout
    assert "1 second ago (fine), 1 message (1000 octets) in 1 run," in said
