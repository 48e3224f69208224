"""The journal: what it remembers, over crashes and months, and as the client's `Seen`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fetch.accounts import clear, mail

from pillarbox.client.blocking import Client
from pillarbox.fetch import Journal, JournalError, JournalLocked, LineEnds
from pillarbox.fetch.records import Content, Intent, State, Why, content_key
from pillarbox.testing.scripted import ScriptedServer

DAY = 86_400.0


class Clock:
    """UTC seconds that only move when told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Iterator[Journal]:
    with Journal(tmp_path, "ada", clock=clock) as opened:
        yield opened


def intent(key: bytes = b"a", why: Why = Why.NOTHING) -> Intent:
    return Intent(key, Content(10, b"s" * 32, b"h" * 32), "file", 9, LineEnds.LF, 1_700_000_000.0, why)


def state(journal: Journal, key: bytes = b"a") -> State | None:
    known = journal.known().get(key)
    return known.state if known else None


def test_a_message_passes_all_steps(journal: Journal) -> None:
    journal.listed([(b"a", 10)])
    assert state(journal) is State.SEEN
    journal.staged([intent()], [10])
    assert state(journal) is State.STAGED
    assert journal.intents() == [intent()]
    journal.delivered([(b"a", "new/x")], 0.0)
    assert state(journal) is State.PENDING
    assert journal.pending() == 1
    journal.gone([b"a"])
    assert state(journal) is State.GONE
    assert journal.pending() == 0


def test_a_batch_may_have_any_number_of_messages(journal: Journal) -> None:
    keys = [b"%d" % number for number in range(1001)]
    for _ in range(2):  # the second time after a crash
        journal.staged([intent(key) for key in keys], range(1001))
    assert [one.key for one in journal.intents()] == sorted(keys)
    journal.delivered([(key, f"at {key.decode()}") for key in keys], None)
    assert {key: (one.state, one.size, one.delivered) for key, one in journal.known().items()} == {
        key: (State.DELIVERED, number, True) for number, key in enumerate(keys)
    }
    journal.staged([], [])
    journal.delivered([], None)


def test_every_step_survives_being_closed(tmp_path: Path, clock: Clock) -> None:
    steps: list[Callable[[Journal], object]] = [
        lambda j: j.listed([(b"a", 10)]),
        lambda j: j.staged([intent()], [10]),
        lambda j: j.delivered([(b"a", "x")], None),
        lambda j: j.marking([b"a"]),
        lambda j: j.gone([b"a"]),
    ]
    for index, step in enumerate(steps):
        with Journal(tmp_path, "ada", clock=clock) as opened:
            step(opened)
        with Journal(tmp_path, "ada", clock=clock) as opened:
            assert state(opened) is State(index + 1)


def test_what_is_staged_outlives_its_absence_from_the_server(journal: Journal) -> None:
    journal.staged([intent()], [10])
    journal.listed([])
    assert state(journal) is State.STAGED


def test_pending_and_no_longer_listed_is_gone(journal: Journal) -> None:
    journal.staged([intent()], [10])
    journal.delivered([(b"a", "x")], 0.0)
    journal.listed([(b"b", 1)])
    assert state(journal) is State.GONE


def test_vanished_ids_are_kept_thirty_days_and_then_forgotten(journal: Journal, clock: Clock) -> None:
    journal.staged([intent()], [10])
    journal.delivered([(b"a", "x")], None)
    journal.listed([])
    clock.now += 30 * DAY
    journal.listed([])
    assert state(journal) is State.GONE
    clock.now += 1 * DAY
    journal.listed([])
    assert state(journal) is None


def test_fewer_than_thirty_days_cannot_be_had(tmp_path: Path, clock: Clock) -> None:
    with Journal(tmp_path, "ada", clock=clock, kept_days=1) as journal:
        journal.listed([(b"a", 1)])
        journal.listed([])
        clock.now += 29 * DAY
        journal.listed([])
        assert state(journal) is State.GONE


def test_what_comes_back_is_what_it_was(journal: Journal) -> None:
    journal.listed([(b"a", 10), (b"b", 10)])
    journal.staged([intent()], [10])
    journal.delivered([(b"a", "x")], None)
    journal.listed([])
    journal.listed([(b"a", 10), (b"b", 10)])
    assert state(journal, b"a") is State.DELIVERED
    assert state(journal, b"b") is State.SEEN


def test_messages_known_by_content_are_not_touched_by_listings(journal: Journal) -> None:
    key = content_key(b"s" * 32, 0)
    journal.staged([intent(key)], [10])
    journal.delivered([(key, "x")], None)
    journal.listed([])
    assert state(journal, key) is State.DELIVERED


def test_what_stands_for_a_message_that_stays_never_lets_it_be_deleted(journal: Journal) -> None:
    journal.staged([intent(why=Why.SIZE)], [10])
    journal.delivered([(b"a", "x")], 0.0)
    assert state(journal) is State.SKIPPED
    journal.listed([])
    journal.listed([(b"a", 10)])
    journal.keep(0.0)
    assert state(journal) is State.SEEN
    assert not journal.due()


def test_tries_are_counted_apart_from_failures(journal: Journal) -> None:
    journal.listed([(b"a", 10)])
    assert journal.failed(b"a", "line", counted=False) == 0
    assert journal.failed(b"a", "bad", counted=True) == 1
    known = journal.known()[b"a"]
    assert (known.tries, known.failures, known.state) == (1, 2, State.SEEN)
    journal.quarantined(b"a", "bad")
    journal.set_aside([b"a"], Why.FILTER, "no")
    assert journal.retry() == 1
    assert journal.known()[b"a"][:4] == (State.SEEN, 10, 0, 0)


def test_the_rule_to_keep_gives_unconfirmed_deletions_up(journal: Journal) -> None:
    journal.staged([intent()], [10])
    journal.delivered([(b"a", "x")], 0.0)
    journal.keep(None)
    assert state(journal) is State.DELIVERED
    assert not journal.due()
    journal.keep(0.0)
    assert journal.due() == {b"a"}


def test_what_a_filter_wants_deleted_stays_so(journal: Journal) -> None:
    journal.listed([(b"a", 10)])
    journal.unwanted([b"a"], "spam")
    journal.keep(None)
    assert state(journal) is State.PENDING


def test_a_renamed_message_keeps_its_record(journal: Journal) -> None:
    journal.staged([intent()], [10])
    journal.delivered([(b"a", "x")], None)
    journal.listed([(b"b", 11)], complete=False)
    journal.renamed([(b"a", b"b", 11)])
    known = journal.known()
    assert set(known) == {b"b"}
    assert (known[b"b"].state, known[b"b"].size) == (State.DELIVERED, 11)
    journal.renamed([(b"b", b"b", 12)])
    assert journal.known()[b"b"].size == 12


def test_what_another_fetcher_has_seen_is_learned(journal: Journal) -> None:
    journal.listed([(b"a", 10)])
    journal.learn([b"a", b"b"])
    assert state(journal, b"a") is State.SEEN
    assert state(journal, b"b") is State.DELIVERED
    assert not journal.is_new(b"b", 5)


def test_a_change_that_fails_changes_nothing(journal: Journal) -> None:
    journal.listed([(b"a", 10)])
    with pytest.raises(JournalError):
        journal.listed([(b"b", 1), (b"c", object())])  # type: ignore[list-item]
    assert set(journal.known()) == {b"a"}


def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "ada")
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.known()


def test_a_second_one_is_refused_and_told_who_holds_it(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(JournalLocked, match=r"process \d+ is fetching this account"):
        Journal(tmp_path, "ada")
    Journal(tmp_path, "bob").close()


def test_it_is_durable_and_can_be_read_meanwhile(journal: Journal) -> None:
    with sqlite3.connect(journal.path) as beside:
        journal.listed([(b"a", 10)])
        assert beside.execute("SELECT count(*) FROM message").fetchone() == (1,)
        assert beside.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal._database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    beside.close()


@pytest.mark.parametrize("answered", [True, False])
def test_the_client_fetches_what_is_new_to_it(tmp_path: Path, answered: bool) -> None:
    with ScriptedServer([mail(1), mail(2)], tls="none") as server, Journal(tmp_path, "ada") as journal:
        if not answered:
            server.script("drop at octet 0 of QUIT")
        got = []
        for _ in range(3):
            with Client(server.url, password=server.password, tls=clear()) as box:
                for message in box.new(journal):
                    got.append(message.read())
                    message.done(delete_after=0 if len(got) == 1 else None)
            server.script()
        assert got == [mail(1), mail(2)]
        assert len(server.messages) == 1
        assert not journal.pending()
