"""One account's run against a scripted server: exactly once, in every case that the rules name."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fetch.accounts import LARGE, account, clear, fetched, mail, run

from pillarbox.client.settings import Limits
from pillarbox.client.tls_rules import TlsRules
from pillarbox.events.types_fetch import (
    FetchEnded,
    FetchFailed,
    MessageFailed,
    MessageQuarantined,
    MessageSkipped,
    ServerMoved,
)
from pillarbox.fetch import (
    AT_ONCE,
    KEEP,
    Decision,
    FetchAccount,
    FetchProgress,
    Oversize,
    RunResult,
    Verdict,
    is_temporary,
    run_account,
)
from pillarbox.fetch.destination import Delivered, DestinationError, Failed, Staged
from pillarbox.fetch.destinations.maildir import MaildirDestination
from pillarbox.testing.behaviour import Behaviour
from pillarbox.testing.live import LiveServer
from pillarbox.testing.scripted import ScriptedServer

MAIL = [mail(number) for number in range(1, 11)]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(MAIL, tls="none") as running:
        yield running


def test_everything_is_fetched_once_and_kept(server: ScriptedServer, tmp_path: Path) -> None:
    for _ in range(2):
        result, sink = run(account(server, tmp_path))
        assert result.ok, result.error
    assert fetched(tmp_path) == Counter(MAIL)
    assert len(server.messages) == 10
    assert len(server.retrieved) == 10
    assert result.fetched == 0
    assert len(sink.of(FetchEnded)) == 1


def test_everything_is_fetched_once_and_deleted_at_once(server: ScriptedServer, tmp_path: Path) -> None:
    result, _ = run(account(server, tmp_path, delete_after=AT_ONCE))
    assert (result.fetched, result.deleted, result.pending, result.sessions) == (10, 10, 0, 1)
    assert fetched(tmp_path) == Counter(MAIL)
    assert not server.messages


def test_deletions_are_committed_every_so_many_messages(server: ScriptedServer, tmp_path: Path) -> None:
    result, _ = run(account(server, tmp_path, delete_after=AT_ONCE, commit_messages=4))
    assert (result.fetched, result.deleted, result.sessions) == (10, 10, 3)
    assert fetched(tmp_path) == Counter(MAIL)


def test_messages_are_deleted_when_their_days_are_over(server: ScriptedServer, tmp_path: Path) -> None:
    now = 1_700_000_000.0
    thirty = account(server, tmp_path, delete_after=30 * 86_400.0)
    run(thirty, clock=lambda: now)
    assert len(server.messages) == 10
    run(thirty, clock=lambda: now + 29 * 86_400)
    assert len(server.messages) == 10
    result, _ = run(thirty, clock=lambda: now + 31 * 86_400)
    assert result.deleted == 10
    assert not server.messages
    assert len(server.retrieved) == 10


def test_the_rule_to_delete_may_change(server: ScriptedServer, tmp_path: Path) -> None:
    run(account(server, tmp_path))
    result, _ = run(account(server, tmp_path, delete_after=AT_ONCE))
    assert (result.fetched, result.deleted) == (0, 10)
    assert len(server.retrieved) == 10


@pytest.mark.parametrize("commits", [True, False])
def test_without_an_answer_to_quit_deletions_stay_pending(
    server: ScriptedServer, tmp_path: Path, commits: bool
) -> None:
    server.script("drop at octet 0 of QUIT" if commits else "drop at QUIT")
    ours = account(server, tmp_path, delete_after=AT_ONCE)
    result, _ = run(ours)
    assert (result.fetched, result.deleted, result.pending) == (10, 0, 10)
    assert len(server.messages) == (0 if commits else 10)
    server.script()
    result, _ = run(ours)
    assert (result.fetched, result.pending) == (0, 0)
    assert result.deleted == (0 if commits else 10)
    assert not server.messages
    assert len(server.retrieved) == 10
    assert fetched(tmp_path) == Counter(MAIL)


def test_an_unconfirmed_deletion_is_given_up_when_the_rule_is_now_to_keep(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script("drop at QUIT")
    run(account(server, tmp_path, delete_after=AT_ONCE))
    server.script()
    result, _ = run(account(server, tmp_path, delete_after=KEEP))
    assert (result.deleted, result.pending) == (0, 0)
    assert len(server.messages) == 10


def test_a_refused_deletion_is_asked_for_again(server: ScriptedServer, tmp_path: Path) -> None:
    server.script('answer "-ERR not now" at DELE 3')
    ours = account(server, tmp_path, delete_after=AT_ONCE)
    result, _ = run(ours)
    assert (result.deleted, result.pending) == (9, 1)
    server.script()
    result, _ = run(ours)
    assert (result.fetched, result.deleted, result.pending) == (0, 1, 0)


def test_a_refused_message_is_counted_and_never_blocks_others(server: ScriptedServer, tmp_path: Path) -> None:
    server.script('answer "-ERR cannot read" at RETR 1')
    ours = account(server, tmp_path)
    kinds = []
    for _ in range(4):
        result, sink = run(ours)
        assert result.ok
        kinds.append((result.fetched, len(sink.of(MessageFailed)), len(sink.of(MessageQuarantined))))
    assert kinds == [(9, 1, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)]
    assert fetched(tmp_path) == Counter(MAIL[1:])


def test_a_refusal_for_now_is_not_counted(server: ScriptedServer, tmp_path: Path) -> None:
    server.script('answer "-ERR [SYS/TEMP] busy" at RETR 1')
    ours = account(server, tmp_path)
    for _ in range(4):
        result, sink = run(ours)
        assert not sink.of(MessageQuarantined)
    server.script()
    result, _ = run(ours)
    assert result.fetched == 1


def test_a_message_that_breaks_the_connection_comes_last_and_is_quarantined(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script("drop at octet 100 of RETR 2")
    ours = account(server, tmp_path, reconnections=1)
    result, _ = run(ours)
    assert fetched(tmp_path) == Counter(MAIL[:1] + MAIL[2:])
    for _ in range(4):
        server.add(mail(100))
        result, _ = run(ours)
    assert result.ok
    assert fetched(tmp_path)[mail(100)] == 4
    assert fetched(tmp_path)[MAIL[1]] == 0


def test_a_line_that_breaks_is_not_the_messages_fault(tmp_path: Path) -> None:
    with ScriptedServer([mail(1)], tls="none", faults=["drop at octet 100 of RETR 1"]) as server:
        ours = account(server, tmp_path, reconnections=0)
        for _ in range(5):
            result, _ = run(ours)
            assert result.error is not None
            assert is_temporary(result.error)
        server.script()
        result, _ = run(ours)
        assert result.fetched == 1


def test_more_octets_than_any_honest_server_sends_end_the_session(server: ScriptedServer, tmp_path: Path) -> None:
    server.script("pad 300000 at RETR 3")
    ours = account(server, tmp_path, limits=Limits(message=100_000), tries=2)
    for _ in range(2):
        result, sink = run(ours)
    assert sink.of(MessageQuarantined)
    result, sink = run(ours)
    assert result.ok
    assert fetched(tmp_path) == Counter(MAIL[:2] + MAIL[3:])


class Picky(MaildirDestination):
    """Refuses one message."""

    def deliver(self, batch: list[Staged]) -> list[Delivered | Failed]:  # type: ignore[override]
        bad = [staged for staged in batch if staged.size == len(MAIL[9])]
        good = super().deliver([staged for staged in batch if staged not in bad])
        return [*good, *(Failed(staged, "I do not like it", message_is_bad=True) for staged in bad)]


def test_what_the_destination_refuses_goes_into_the_quarantine_octet_by_octet(
    server: ScriptedServer, tmp_path: Path
) -> None:
    ours = account(server, tmp_path, destination=Picky(tmp_path / "in"), delete_after=AT_ONCE)
    for _ in range(3):
        _, sink = run(ours)
    [event] = sink.of(MessageQuarantined)
    assert Path(event.kept).read_bytes() == MAIL[9]
    assert "I do not like it" in Path(event.kept).with_suffix(".txt").read_text()
    assert [shelved.octets for shelved in server.messages] == [MAIL[9]]
    assert fetched(tmp_path) == Counter(MAIL[:9])
    _, sink = run(ours)
    assert not sink.of(MessageQuarantined)


class Full(MaildirDestination):
    """Has no space left."""

    def deliver(self, batch: list[Staged]) -> list[Delivered | Failed]:  # type: ignore[override]
        return [Failed(staged, "no space left", temporary=True) for staged in batch]


def test_a_destination_that_takes_nothing_ends_the_run_and_nothing_is_lost(
    server: ScriptedServer, tmp_path: Path
) -> None:
    result, sink = run(account(server, tmp_path, destination=Full(tmp_path / "in"), delete_after=AT_ONCE))
    assert isinstance(result.error, DestinationError)
    assert is_temporary(result.error)
    assert len(server.messages) == 10
    assert sink.of(FetchFailed)[0].reason == "no space left"
    assert not list((tmp_path / "in" / "tmp").iterdir())
    result, _ = run(account(server, tmp_path, delete_after=AT_ONCE))
    assert fetched(tmp_path) == Counter(MAIL)
    assert not server.messages


def test_a_server_without_unique_ids_delivers_nothing_twice(tmp_path: Path) -> None:
    twins = [*MAIL, MAIL[0]]
    with ScriptedServer(twins, tls="none", behaviour=Behaviour(refused=frozenset({"UIDL"}))) as server:
        for _ in range(3):
            result, _ = run(account(server, tmp_path))
            assert result.ok, result.error
        assert fetched(tmp_path) == Counter(twins)
        assert result.recognised == 11
        server.add(mail(11))
        result, _ = run(account(server, tmp_path, delete_after=AT_ONCE))
        assert (result.fetched, result.recognised, result.deleted) == (1, 11, 12)
        assert fetched(tmp_path) == Counter([*twins, mail(11)])
        assert not server.messages
        server.add(MAIL[0])  # the same octets again are another message now
        result, _ = run(account(server, tmp_path, delete_after=AT_ONCE))
        assert fetched(tmp_path)[MAIL[0]] == 3


def test_messages_with_the_same_unique_id_are_all_fetched(tmp_path: Path) -> None:
    named = lambda number, unique_id, session: b"same" if number < 4 else unique_id  # noqa: E731
    with ScriptedServer(MAIL, tls="none", behaviour=Behaviour(unique_ids=named)) as server:
        for _ in range(2):
            run(account(server, tmp_path))
        assert fetched(tmp_path) == Counter(MAIL)
        server.behave(unique_ids=Behaviour().unique_ids)  # they get unique-ids of their own
        result, _ = run(account(server, tmp_path))
        assert (result.fetched, result.recognised) == (0, 3)
        assert fetched(tmp_path) == Counter(MAIL)


def test_a_reused_unique_id_never_deletes_mail_that_nobody_has(tmp_path: Path) -> None:
    numbered = lambda number, unique_id, session: b"%d" % number  # noqa: E731
    with ScriptedServer([mail(1)], tls="none", behaviour=Behaviour(unique_ids=numbered)) as server:
        server.script("drop at octet 0 of QUIT")
        run(account(server, tmp_path, delete_after=AT_ONCE))
        server.script()
        server.add(mail(2, 700))
        result, _ = run(account(server, tmp_path, delete_after=AT_ONCE))
        assert fetched(tmp_path) == Counter([mail(1), mail(2, 700)])
        assert not server.messages
        assert result.deleted == 1


def test_a_server_that_moved_is_recognised(server: ScriptedServer, tmp_path: Path) -> None:
    run(account(server, tmp_path))
    server.behave(unique_ids=lambda number, unique_id, session: b"new-%d" % number)
    server.add(mail(50))
    result, sink = run(account(server, tmp_path))
    assert (result.fetched, result.recognised) == (1, 10)
    assert sink.of(ServerMoved)[0].messages == 10
    assert fetched(tmp_path) == Counter([*MAIL, mail(50)])
    result, sink = run(account(server, tmp_path))
    assert not sink.of(ServerMoved)
    assert result.fetched == 0


def test_vanished_messages_are_remembered_and_a_restored_backup_is_not_fetched_again(
    server: ScriptedServer, tmp_path: Path
) -> None:
    now = 1_700_000_000.0
    run(account(server, tmp_path), clock=lambda: now)
    shown = server.messages[:1]
    server.behave(listing=lambda lines: lines[:1], naming=lambda lines: lines[:1], stat=lambda m, o: (1, o))
    run(account(server, tmp_path), clock=lambda: now)
    server.behave(listing=Behaviour().listing, naming=Behaviour().naming, stat=Behaviour().stat)
    result, _ = run(account(server, tmp_path), clock=lambda: now + 29 * 86_400)
    assert result.fetched == 0
    assert shown
    assert fetched(tmp_path) == Counter(MAIL)


@pytest.mark.parametrize("top", [True, False])
def test_a_filter_decides_before_the_download(tmp_path: Path, top: bool) -> None:
    def odd(header: bytes, size: int) -> Decision:
        if b"Subject: number 3\r\n" in header:
            return Decision(Verdict.SKIP, "three")
        return Decision(Verdict.DELETE if b"Subject: number 4\r\n" in header else Verdict.FETCH)

    behaviour = Behaviour(refused=frozenset() if top else frozenset({"TOP"}))
    with ScriptedServer(MAIL, tls="none", behaviour=behaviour) as server:
        result, sink = run(account(server, tmp_path, filter=odd))
        assert (result.fetched, result.filtered, result.deleted) == (8, 2, 1)
        assert [event.reason for event in sink.of(MessageSkipped)] == ["filter: three", "filter"]
        assert fetched(tmp_path) == Counter(MAIL[:2] + MAIL[4:])
        assert len(server.messages) == 9
        assert (len(server.retrieved) == 8) == top
        result, sink = run(account(server, tmp_path, filter=odd))
        assert not sink.of(MessageSkipped)


def test_large_messages_are_skipped_until_the_limit_is_raised(server: ScriptedServer, tmp_path: Path) -> None:
    server.add(mail(99, 50_000))
    result, sink = run(account(server, tmp_path, largest=10_000))
    assert (result.fetched, result.skipped) == (10, 1)
    assert len(sink.of(MessageSkipped)) == 1
    result, sink = run(account(server, tmp_path, largest=10_000))
    assert not sink.of(MessageSkipped)
    result, _ = run(account(server, tmp_path, largest=100_000))
    assert result.fetched == 1


def test_of_large_messages_a_report_is_delivered_once_and_they_stay(server: ScriptedServer, tmp_path: Path) -> None:
    server.add(mail(99, 50_000))
    ours = account(server, tmp_path, largest=10_000, oversize=Oversize.HEADERS, delete_after=AT_ONCE)
    for _ in range(2):
        result, _ = run(ours)
    [report] = [octets for octets in fetched(tmp_path) if octets not in MAIL]
    assert b"too large" in report
    assert [shelved.octets for shelved in server.messages] == [mail(99, 50_000)]
    result, _ = run(dataclasses.replace(ours, largest=None))
    assert result.fetched == 1
    assert not server.messages


def test_large_messages_may_go_into_the_quarantine(server: ScriptedServer, tmp_path: Path) -> None:
    server.add(mail(99, 50_000))
    ours = account(server, tmp_path, largest=10_000, oversize=Oversize.QUARANTINE, delete_after=AT_ONCE)
    result, sink = run(ours)
    assert (result.fetched, result.quarantined, result.deleted) == (10, 1, 10)
    assert Path(sink.of(MessageQuarantined)[0].kept).read_bytes() == mail(99, 50_000)
    assert len(server.messages) == 1
    result, sink = run(ours)
    assert result.quarantined == 0


def test_messages_are_stored_octet_by_octet_large_ones_too(tmp_path: Path) -> None:
    bare = rb"Subject: bare\r\n\r\none\rtwo\nthree\r\n"
    sent = [mail(1, LARGE), b"\r\n", b"", mail(2)]
    faults = [f'replace "+OK\\r\\n{bare.decode()}.\\r\\n" at RETR 4']
    with ScriptedServer(sent, tls="none", faults=faults) as server:
        result, _ = run(account(server, tmp_path))
    assert result.ok, result.error
    assert fetched(tmp_path) == Counter([*sent[:3], bare.decode().encode("latin-1").decode("unicode_escape").encode()])


def test_a_run_can_be_stopped_and_goes_on_later(server: ScriptedServer, tmp_path: Path) -> None:
    stop = threading.Event()

    def enough(progress: FetchProgress) -> None:
        if progress.messages == 3:
            stop.set()

    ours = account(server, tmp_path, delete_after=AT_ONCE)
    result, _ = run(ours, stop=stop, progress=enough)
    assert result.interrupted
    assert not result.ok
    assert result.error is None
    assert result.fetched == result.deleted >= 3
    result, _ = run(ours)
    assert fetched(tmp_path) == Counter(MAIL)
    assert not server.messages


def test_progress_counts_messages_and_octets(server: ScriptedServer, tmp_path: Path) -> None:
    seen: list[FetchProgress] = []
    result, _ = run(account(server, tmp_path), progress=seen.append)
    assert seen[-1] == FetchProgress("ada", 10, 10, result.octets, result.octets)


def test_a_second_run_of_the_same_account_is_told_who_holds_it(server: ScriptedServer, tmp_path: Path) -> None:
    second: list[RunResult] = []

    def meanwhile(progress: FetchProgress) -> None:
        if not second:
            second.append(run(account(server, tmp_path))[0])

    result, _ = run(account(server, tmp_path), progress=meanwhile)
    assert result.ok
    assert "is fetching this account just now" in str(second[0].error)


def test_wrong_passwords_and_absent_servers_are_results(server: ScriptedServer, tmp_path: Path) -> None:
    result, sink = run(account(server, tmp_path, password="wrong"))
    assert result.error is not None
    assert not is_temporary(result.error)
    assert sink.of(FetchFailed)[0].error == "AuthenticationFailed"
    server.stop()
    result, _ = run(account(server, tmp_path))
    assert result.error is not None
    assert is_temporary(result.error)


def test_what_let_us_in_is_tried_first_next_time(tmp_path: Path) -> None:
    """Pillarbox offers SCRAM to everybody and knows it for app passwords: asked each time, it would count a failure."""
    with LiveServer({"ada": "violet kettle on a drum"}) as server:
        server.deliver("ada", b"Subject: hello\n\nhello\n")
        tls = TlsRules(ca_file=server.certificate)
        url = f"pops://ada@localhost:{server.pop3s_port}"
        into = MaildirDestination(tmp_path / "in")
        ours = FetchAccount("ada", url, into, tmp_path / "journals", password="violet kettle on a drum", tls=tls)
        assert run_account(ours).fetched == 1
        failures = len(server.events("LoginFailed"))
        assert failures == 1
        for _ in range(2):
            assert run_account(ours).ok
        assert [event["mechanism"] for event in server.wait_for("LoginSucceeded", count=3)] == ["PLAIN"] * 3
        assert len(server.events("LoginFailed")) == failures


def test_a_destination_that_cannot_be_opened_is_a_result(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a file")
    result, _ = run(account(server, tmp_path))
    assert isinstance(result.error, DestinationError)
    assert not server.logins


def test_fifty_accounts_run_side_by_side_into_one_maildir(tmp_path: Path) -> None:
    names = {f"user{number}": "open sesame" for number in range(50)}
    boxes = {name: [mail(1000 * index + n) for n in range(4)] for index, name in enumerate(names)}
    results = []
    with ScriptedServer(boxes, users=names, tls="none") as server:

        def one(name: str) -> None:
            ours = account(server, tmp_path, name=name, user=name, delete_after=AT_ONCE, tls=clear())
            ours = dataclasses.replace(ours, url=f"pop3://localhost:{server.port}")
            results.append(run(ours)[0])

        (tmp_path / "in").mkdir()
        for part in ("tmp", "new", "cur"):
            (tmp_path / "in" / part).mkdir()
        threads = [threading.Thread(target=one, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(result.ok for result in results), [result.error for result in results]
        assert sum(result.deleted for result in results) == 200
    assert fetched(tmp_path) == Counter(octets for box in boxes.values() for octets in box)
