"""Numbers, events and progress of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.client.values import Entry
from pillarbox.events import MemorySink
from pillarbox.events.types_fetch import MessageFailed, MessageQuarantined, MessageSkipped
from pillarbox.fetch import FetchAccount, FetchProgress, Journal, LineEnds, RunResult
from pillarbox.fetch.delivering import Outcome
from pillarbox.fetch.destinations.maildir import MaildirDestination
from pillarbox.fetch.records import Why
from pillarbox.fetch.staging import Staging, drop
from pillarbox.fetch.telling import Telling

ENTRY = Entry(1, 10, b"a", b"a")


class Kit:
    """A `Telling` and all it tells."""

    def __init__(self, directory: Path) -> None:
        self.journal = Journal(directory, "ada")
        self.journal.listed([(b"a", 10)])
        self.result = RunResult("ada")
        self.sink = MemorySink()
        self.progress: list[FetchProgress] = []
        account = FetchAccount("ada", "pops://a@localhost", MaildirDestination(directory / "in"), directory, tries=2)
        self.telling = Telling(account, self.journal, self.result, self.sink, self.progress.append)


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    made = Kit(tmp_path)
    yield made
    made.journal.close()


def test_one_run_is_one_try(kit: Kit) -> None:
    for _ in range(3):
        kit.telling.failed(ENTRY, "no", counted=True)
    assert kit.journal.known()[b"a"].tries == 1
    assert not kit.sink.of(MessageQuarantined)
    assert kit.telling.put_off == {b"a"}


def test_enough_tries_are_a_quarantine(kit: Kit) -> None:
    kit.journal.failed(b"a", "before", counted=True)
    kit.telling.failed(ENTRY, "no", counted=True)
    assert kit.sink.of(MessageQuarantined)[0].kept == ""
    assert kit.result.quarantined == 1


def test_a_break_counts_only_where_something_got_through(kit: Kit, tmp_path: Path) -> None:
    kit.telling.broke(ENTRY, "lost", counted=False)
    assert kit.journal.known()[b"a"].tries == 0
    part = Staging(tmp_path, "ada", LineEnds.LF).receive([b"x\r\n"])
    kit.telling.arrived(ENTRY, part)
    drop(part)
    kit.telling.broke(ENTRY, "lost", counted=False)
    assert kit.journal.known()[b"a"].tries == 1
    assert not kit.telling.put_off
    assert len(kit.sink.of(MessageFailed)) == 2


def test_a_message_without_unique_id_cannot_be_counted(kit: Kit) -> None:
    for _ in range(3):
        kit.telling.failed(ENTRY._replace(unique_id=b""), "no", counted=False)
    assert kit.result.failed == 3


def test_outcomes_are_counted(kit: Kit) -> None:
    kit.telling.count(
        [
            Outcome(ENTRY, b"a", 7, delivered=True),
            Outcome(None, b"b", 5, delivered=True),
            Outcome(ENTRY, b"c", 5, delivered=True, why=Why.SIZE),
            Outcome(ENTRY, b"d", 5, quarantined=True),
            Outcome(ENTRY, b"e", 5),
        ]
    )
    result = kit.result
    assert (result.fetched, result.octets, result.quarantined, result.failed) == (2, 12, 1, 1)
    assert kit.telling.put_off == {b"e"}


def test_what_is_left_behind_is_told(kit: Kit) -> None:
    kit.telling.skipped(ENTRY, "large")
    kit.telling.filtered(ENTRY, "spam")
    assert [event.reason for event in kit.sink.of(MessageSkipped)] == ["large", "spam"]
    assert (kit.result.skipped, kit.result.filtered) == (1, 1)


def test_progress_counts_up(kit: Kit, tmp_path: Path) -> None:
    kit.telling.expect([ENTRY, ENTRY])
    kit.telling.arriving(4)
    part = Staging(tmp_path, "ada", LineEnds.LF).receive([b"12345678\r\n"])
    kit.telling.arrived(ENTRY, part)
    drop(part)
    assert [tuple(p)[1:] for p in kit.progress] == [(0, 2, 0, 20), (0, 2, 4, 20), (1, 2, 10, 20)]
