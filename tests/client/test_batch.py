"""Windows over many messages."""

from __future__ import annotations

from tests.client.driving import plan, run
from tests.client.scripted import Server

from pillarbox.client.conversation import Conversation

MAIL = [b"Subject: %d\r\n\r\nbody\r\n" % n for n in range(1, 21)]


def opened(server: Server) -> Conversation:
    talk = Conversation(plan())
    run(talk.begin(), server)
    return talk


def test_the_window_is_kept_and_filled_many_at_a_time() -> None:
    server = Server(MAIL)
    talk = opened(server)
    batch = talk.batch(run(talk.listing(), server), window=6)
    numbers = []
    while (found := run(batch.next(), server)) is not None:
        numbers.append(found[0].number)
        assert talk.exchange.outstanding <= 12  # each message and its seal
    assert numbers == list(range(1, 21))
    bursts = [sent.count(b"RETR") for sent in server.sends if b"RETR" in sent]
    assert bursts[0] == 6
    assert len(bursts) <= 7


def test_a_message_that_passed_is_asked_for_again() -> None:
    server = Server(MAIL)
    talk = opened(server)
    batch = talk.batch(run(talk.listing(), server), window=4)
    run(batch.next(), server)
    run(talk.exchange.settle(), server)
    found = run(batch.next(), server)
    assert found is not None
    assert found[0].number == 2
    assert run(talk.exchange.piece(found[1]), server) == MAIL[1]
    assert server.heard.count(b"RETR 2") == 2


def test_entries_are_taken_as_they_are_needed() -> None:
    server = Server(MAIL)
    talk = opened(server)
    entries = iter(run(talk.listing(), server))
    batch = talk.batch(entries, lines=0, window=2)
    run(batch.next(), server)
    assert next(entries).number == 3
    assert server.heard[-2:] == [b"TOP 2 0", b"UIDL 2"]


def test_nothing_at_all() -> None:
    server = Server(MAIL)
    talk = opened(server)
    assert run(talk.batch([]).next(), server) is None
