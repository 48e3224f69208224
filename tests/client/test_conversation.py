"""A session after its login: listings and their doubts, deletions, QUIT."""

from __future__ import annotations

from typing import Any

import pytest
from tests.client.driving import plan, run
from tests.client.scripted import Server

from pillarbox.client.conversation import Conversation
from pillarbox.client.errors import ProtocolError, Refused
from pillarbox.client.settings import Limits
from pillarbox.client.values import Entry
from pillarbox.events import ListingDoubtful, MemorySink

MAIL = [b"Subject: %d\r\n\r\nbody\r\n" % n for n in range(1, 4)]


def opened(server: Server, **changes: Any) -> Conversation:
    talk = Conversation(plan(**changes))
    run(talk.begin(), server)
    return talk


def test_a_listing_is_asked_for_once() -> None:
    server = Server(MAIL)
    talk = opened(server)
    assert run(talk.listing(), server) is run(talk.listing(), server)
    assert server.keywords().count(b"LIST") == 1
    assert (talk.doubts, talk.unique_ids) == ((), True)


def test_wrong_counts_are_told_and_nothing_is_made_up() -> None:
    events = MemorySink()
    server = Server(MAIL, {b"STAT": b"+OK 5 999\r\n"})
    talk = opened(server, events=events)
    assert [entry.number for entry in run(talk.listing(), server)] == [1, 2, 3]
    (event,) = events.of(ListingDoubtful)
    assert event.doubts == list(talk.doubts) == ["LIST has another number of messages than STAT"]


def test_an_empty_maildrop_whose_list_is_refused() -> None:
    server = Server([], {b"LIST": b"-ERR no messages\r\n", b"UIDL": b"-ERR no messages\r\n"})
    talk = opened(server)
    assert run(talk.listing(), server) == ()
    assert talk.unique_ids is False


def test_list_that_is_refused_where_there_are_messages() -> None:
    server = Server(MAIL, {b"LIST": b"-ERR [SYS/TEMP] later\r\n"})
    talk = opened(server)
    with pytest.raises(Refused, match="later"):
        run(talk.listing(), server)
    assert run(talk.quit(), server) is True


def test_without_uidl_there_are_no_unique_ids() -> None:
    server = Server(MAIL, {b"UIDL": b"-ERR unknown\r\n"})
    talk = opened(server)
    assert {entry.unique_id for entry in run(talk.listing(), server)} == {b""}
    assert talk.unique_ids is False


@pytest.mark.parametrize("reply", [b"+OK\r\n", b"+OK many\r\n", b"+OK -1 -1\r\n"])
def test_a_stat_that_makes_no_sense_ends_it(reply: bytes) -> None:
    server = Server(MAIL, {b"STAT": reply})
    with pytest.raises(ProtocolError, match="STAT"):
        run(opened(server).stat(), server)


def test_a_refused_deletion_is_said() -> None:
    server = Server(MAIL, {b"DELE 2": b"-ERR not that one\r\n"})
    talk = opened(server)
    statuses = run(talk.delete([1, 2, 2]), server)
    assert {number: status.ok for number, status in statuses.items()} == {1: True, 2: False}
    assert server.keywords().count(b"DELE") == 2


def test_headers_beyond_the_limit_are_dropped_and_the_session_goes_on() -> None:
    server = Server([b"x" * 4000 + b"\r\n\r\nbody\r\n", *MAIL], piece=64)
    talk = opened(server, limits=Limits(headers=100))
    entries = run(talk.listing(), server)
    assert run(talk.top(entries[0], 0), server) == b"x" * 100
    assert run(talk.top(entries[1], 0), server) == b"Subject: 1\r\n\r\n"


def test_quit_tells_whoever_asked() -> None:
    server = Server(MAIL, {b"QUIT": b"nonsense\r\n"})
    talk = opened(server)
    told: list[bool | None] = []
    talk.at_quit(told.append)
    run(talk.delete([1]), server)
    with pytest.raises(ProtocolError):
        run(talk.quit(), server)
    assert told == [None]
    assert run(talk.quit(), server) is None


def test_entries_are_those_of_the_listing() -> None:
    server = Server(MAIL)
    assert run(opened(server).entry(2), server) == Entry(2, len(MAIL[1]), b"id2", b"id2")
