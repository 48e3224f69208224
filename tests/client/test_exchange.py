"""Tickets: replies in their order, bodies in pieces, limits."""

from __future__ import annotations

from typing import Any

import pytest
from tests.client.driving import plan, run
from tests.client.scripted import Server

from pillarbox.client.conversation import Conversation
from pillarbox.client.errors import ConnectionLost, LimitExceeded, ProtocolError, Refused, UsageError
from pillarbox.client.exchange import Exchange
from pillarbox.client.settings import PIPELINED_OCTETS, Limits
from pillarbox.events import MemorySink, ServerMisbehaved
from pillarbox.wire.commands import Verb

MAIL = [b"Subject: %d\r\n\r\nbody\r\n" % n for n in range(1, 4)]


def opened(server: Server, **changes: Any) -> tuple[Conversation, Exchange]:
    talk = Conversation(plan(**changes))
    run(talk.begin(), server)
    return talk, talk.exchange


def test_replies_come_in_the_order_of_commands() -> None:
    server = Server(MAIL)
    _, exchange = opened(server)
    first = run(exchange.post(Verb.RETR, number=1), server)
    second = run(exchange.post(Verb.STAT), server)
    assert exchange.outstanding == 2
    assert run(exchange.status(second), server).text.startswith("3 ")
    assert first.ended
    assert first.dropped
    assert exchange.outstanding == 0
    with pytest.raises(UsageError, match="passed"):
        run(exchange.piece(first), server)


def test_no_more_is_sent_ahead_than_a_kernel_takes_in() -> None:
    server = Server(MAIL)
    _, exchange = opened(server)
    for _ in range(2000):
        run(exchange.post(Verb.NOOP), server)
        assert sum(map(len, exchange.line._outbox)) + exchange._flight <= 2 * PIPELINED_OCTETS + 6
        assert exchange._flight <= PIPELINED_OCTETS + 6
    run(exchange.settle(), server)
    assert server.heard.count(b"NOOP") == 2000
    assert len([sent for sent in server.sends if b"NOOP" in sent]) < 20


def test_without_pipelining_there_is_one_command_at_a_time() -> None:
    server = Server(MAIL)
    _, exchange = opened(server, pipelining=False)
    for _ in range(3):
        assert run(exchange.post(Verb.NOOP), server).verb is Verb.NOOP
        assert exchange.outstanding == 1


@pytest.mark.parametrize("argument", [b"a\r\nDELE 1", b"a\nb", b"a\0b", b"x" * 300])
def test_line_breaks_and_nul_in_an_argument_are_refused(argument: bytes) -> None:
    server = Server(MAIL)
    talk = Conversation(plan())
    exchange = talk.exchange
    run(exchange.greeting(), server)
    with pytest.raises(UsageError) as caught:
        run(exchange.post(Verb.USER, argument=argument), server)
    assert server.heard == []
    assert argument.decode() not in str(caught.value)


def test_a_message_longer_than_listed_and_slack_is_hostile() -> None:
    events = MemorySink()
    endless = Server([b"x\r\n"], {b"RETR": b"+OK\r\n" + b"y" * 78 + b"\r\n" * 50_000})
    talk, _ = opened(endless, events=events, limits=Limits(message=1000))
    (entry,) = run(talk.listing(), endless)
    ticket = run(talk.retrieve(entry), endless)
    with pytest.raises(LimitExceeded, match="RETR"):
        list(iter(lambda: run(talk.piece(entry, ticket), endless), None))
    assert endless.closed
    assert [event.stage for event in events.of(ServerMisbehaved)] == ["RETR"]


def test_a_listing_without_end_is_hostile() -> None:
    for verb, line in ((b"LIST", b"%d 10\r\n"), (b"UIDL", b"%d x\r\n"), (b"UIDL", b"\r\n")):
        lines = b"".join(line % n if b"%" in line else line for n in range(1, 5000))
        server = Server([b"x\r\n"], {verb: b"+OK\r\n" + lines})
        talk, _ = opened(server, limits=Limits(messages=100))
        with pytest.raises(LimitExceeded):
            run(talk.listing(), server)
        assert server.closed


def test_a_line_without_end_in_a_listing_is_bounded_too() -> None:
    server = Server([b"x\r\n"], {b"LIST": b"+OK\r\n1 " + b"9" * 500_000}, piece=10_000)
    talk, _ = opened(server)
    with pytest.raises(ProtocolError, match="too long"):
        run(talk.listing(), server)
    assert server.closed
    assert len(server.outgoing) > 400_000  # at its limit, not at its end


@pytest.mark.parametrize(
    "reply",
    [b"+OK", b"OK 3\r\n", b"+ok 3 4\r\n", b"+ abc\r\n", b"+OK 1 2\n", b"\r\n", b"+OK " + b"x" * 9000 + b"\r\n"],
)
def test_odd_status_lines_end_it(reply: bytes) -> None:
    server = Server(MAIL, {b"STAT": reply})
    server.ended = True
    talk, _ = opened(server)
    with pytest.raises((ProtocolError, ConnectionLost)):
        run(talk.stat(), server)
    assert server.closed


def test_bare_lf_is_read_only_where_it_was_allowed() -> None:
    body = b"+OK\nSubject: x\n\nbody\n.\n"
    for lenient in (True, False):
        server = Server([b"x" * 20], {b"RETR": body})
        talk, _ = opened(server, lenient_lf=lenient)
        (entry,) = run(talk.listing(), server)
        if lenient:
            ticket = run(talk.retrieve(entry), server)
            assert run(talk.piece(entry, ticket), server) == b"Subject: x\n\nbody\n"
            assert run(talk.piece(entry, ticket), server) is None
        else:
            with pytest.raises(ProtocolError):
                run(talk.retrieve(entry), server)


def test_a_greeting_that_refuses() -> None:
    server = Server(greeting=b"-ERR [SYS/TEMP] come later\r\n")
    with pytest.raises(Refused, match="come later"):
        run(Conversation(plan()).begin(), server)
    assert server.closed
