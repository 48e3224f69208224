"""What one session says to the server, and in which order. What comes of it is in test_run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.fetch.accounts import account, fetched, mail, run

from pillarbox.events import MessageSkipped, ServerMisbehaved
from pillarbox.fetch import AT_ONCE
from pillarbox.testing.behaviour import Behaviour
from pillarbox.testing.scripted import ScriptedServer

MAIL = [mail(number) for number in range(1, 6)]


def said(server: ScriptedServer) -> list[str]:
    """The commands of all sessions, without those of the login."""
    lines = [line[3:] for line in server.transcripts.splitlines() if line.startswith("C: ")]
    return [line for line in lines if line.split()[0] in ("LIST", "UIDL", "RETR", "DELE", "QUIT", "TOP")]


def test_nothing_is_marked_before_everything_has_arrived(tmp_path: Path) -> None:
    with ScriptedServer(MAIL, tls="none") as server:
        run(account(server, tmp_path, delete_after=AT_ONCE))
        lines = said(server)
    messages = [line for n in range(1, 6) for line in (f"RETR {n}", f"UIDL {n}")]
    assert lines == ["LIST", "UIDL", "UIDL 1", *messages, *(f"DELE {n}" for n in range(1, 6)), "QUIT"]


def test_where_mail_is_kept_nothing_is_marked(tmp_path: Path) -> None:
    with ScriptedServer(MAIL, tls="none") as server:
        run(account(server, tmp_path))
        assert not [line for line in said(server) if line.startswith("DELE")]


def test_what_is_owed_is_deleted_without_being_retrieved(tmp_path: Path) -> None:
    with ScriptedServer(MAIL, tls="none", faults=["drop at QUIT"]) as server:
        run(account(server, tmp_path, delete_after=AT_ONCE))
        server.script()
        before = len(said(server))
        run(account(server, tmp_path, delete_after=AT_ONCE))
        assert said(server)[before:] == ["LIST", "UIDL", "UIDL 1", *(f"DELE {n}" for n in range(1, 6)), "QUIT"]


def test_a_session_that_breaks_deletes_nothing_and_keeps_what_it_has(tmp_path: Path) -> None:
    with ScriptedServer(MAIL, tls="none", faults=["drop at octet 9 of RETR 4"]) as server:
        run(account(server, tmp_path, delete_after=AT_ONCE, reconnections=0))
        assert "DELE 1" not in said(server)
        assert fetched(tmp_path) == Counter(MAIL[:3])
        server.script()
        run(account(server, tmp_path, delete_after=AT_ONCE))
        assert not server.messages
        assert len(server.retrieved) == 5


def test_what_failed_before_gets_a_session_of_its_own(tmp_path: Path) -> None:
    with ScriptedServer(MAIL, tls="none", faults=["drop at octet 9 of RETR 1"]) as server:
        run(account(server, tmp_path, delete_after=AT_ONCE, reconnections=1))
        assert [shelved.octets for shelved in server.messages] == MAIL[:1]


def test_the_login_delay_is_obeyed(tmp_path: Path) -> None:
    """A delay longer than anybody waits ends the run after its first session; the next run goes on."""
    with ScriptedServer(MAIL, tls="none", behaviour=Behaviour(login_delay=100_000)) as server:
        result, _ = run(account(server, tmp_path, delete_after=AT_ONCE, commit_messages=2))
        assert (result.sessions, result.fetched, result.deleted, result.interrupted) == (1, 2, 2, True)


def test_after_some_time_deletions_are_committed(tmp_path: Path) -> None:
    now = [1_700_000_000.0]

    def clock() -> float:
        now[0] += 1
        return now[0]

    with ScriptedServer(MAIL, tls="none") as server:
        result, _ = run(account(server, tmp_path, delete_after=AT_ONCE, commit_seconds=4.0), clock=clock)
        assert result.sessions > 1
        assert result.deleted == 5


_CRAFTED = b"Subject: 3\r\n\r\nbegin\r\n.\r\n+OK 3 x\r\n+OK\r\n" + MAIL[3] + b".\r\n+OK 4 x\r\n"


@pytest.mark.parametrize(
    ("fault", "third"),
    [
        ("unstuff at RETR 3", _CRAFTED),
        ("no end at RETR 3", MAIL[2]),
        ("no body at RETR 3", MAIL[2]),
        ("suffix '+OK' at RETR 3", MAIL[2]),
        ("prefix '+OK' at RETR 3", MAIL[2]),
        ("suffix '+OK\\r\\nx\\r\\n.\\r\\n' at RETR 3", MAIL[2]),
    ],
)
@pytest.mark.parametrize("ahead", [True, False])
def test_where_replies_do_not_fit_nothing_is_deleted_and_nothing_else_believed(
    fault: str, third: bytes, ahead: bool, tmp_path: Path
) -> None:
    sent = [*MAIL[:2], third, *MAIL[3:]]
    behaviour = Behaviour() if ahead else Behaviour(capa_without=frozenset({"PIPELINING"}))
    with ScriptedServer(sent, tls="none", faults=[fault], behaviour=behaviour) as server:
        result, sink = run(account(server, tmp_path, delete_after=AT_ONCE, reconnections=0))
        assert not result.ok
        assert any(isinstance(event, ServerMisbehaved) for event in sink.events)
        assert not server.deleted
        assert fetched(tmp_path) == Counter(sent[:2]) or fetched(tmp_path) == Counter(sent[:3])
        server.script()
        for _ in range(2):  # what it broke on has a session of its own
            run(account(server, tmp_path, delete_after=AT_ONCE))
        assert fetched(tmp_path) == Counter(sent)
        assert not server.messages


def test_what_comes_shorter_than_it_is_listed_is_delivered_told_and_never_deleted(tmp_path: Path) -> None:
    with ScriptedServer(MAIL, tls="none", faults=["shorten 100 at RETR 3"]) as server:
        ours = account(server, tmp_path, delete_after=AT_ONCE)
        result, sink = run(ours)
        assert (result.fetched, result.deleted) == (5, 4)
        assert ["octets came" in event.reason for event in sink.of(MessageSkipped)] == [True]
        result, _ = run(ours)
        assert (result.fetched, result.deleted) == (0, 0)
        assert len(server.messages) == 1


def test_where_sizes_are_estimates_it_is_deleted_as_any_other(tmp_path: Path) -> None:
    with ScriptedServer(MAIL, tls="none", faults=["shorten 100 at RETR 3"]) as server:
        result, _ = run(account(server, tmp_path, delete_after=AT_ONCE, exact_sizes=False))
        assert (result.fetched, result.deleted) == (5, 5)


def test_messages_that_are_counted_and_not_listed_are_no_success(tmp_path: Path) -> None:
    with ScriptedServer(MAIL, tls="none", behaviour=Behaviour(listing=lambda lines: [])) as server:
        result, _ = run(account(server, tmp_path))
        assert not result.ok
        assert str(result.error).startswith("the server says it has 5 messages, and lists 0")
