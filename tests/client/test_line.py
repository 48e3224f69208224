"""Deadlines, and the end of a connection."""

from __future__ import annotations

from typing import Any

import pytest
from tests.client.driving import Clock, plan, run
from tests.client.scripted import Server

from pillarbox.client.conversation import Conversation
from pillarbox.client.errors import ClientError, ConnectionLost, DeadlineExceeded, ProtocolError
from pillarbox.client.settings import Timeout
from pillarbox.client.wants import Work
from pillarbox.events import MemorySink, ServerMisbehaved


def whole(talk: Conversation) -> Work[int]:
    """A session that reads all mail; returns the octets."""
    yield from talk.begin()
    octets = 0
    for entry in (yield from talk.listing()):
        ticket = yield from talk.retrieve(entry)
        while (piece := (yield from talk.piece(entry, ticket))) is not None:
            octets += len(piece)
    yield from talk.quit()
    return octets


def session(
    server: Server, timeout: Timeout, slow: float, **changes: Any
) -> tuple[Clock, MemorySink, int | ClientError]:
    clock, events = Clock(), MemorySink()
    talk = Conversation(plan(clock=clock, timeout=timeout, events=events, **changes))
    try:
        return clock, events, run(whole(talk), server, clock, slow)
    except ClientError as error:
        return clock, events, error


def test_one_octet_a_second_ends_within_the_deadline() -> None:
    """A time-out for each read would live for ever: here a reply has 60 seconds, and 512 octets a second after that."""
    server = Server([b"x" * 70 + b"\r\n"] * 100, piece=1)
    clock, events, result = session(server, Timeout(command=60), slow=1.0)
    assert isinstance(result, DeadlineExceeded)
    assert clock.now - 1000 < 2 * 61 + 60
    (event,) = events.of(ServerMisbehaved)
    assert "too long" in event.reason
    assert b"QUIT" not in server.heard
    assert server.closed


def test_a_slow_but_honest_line_is_fine() -> None:
    message = b"x" * 70 + b"\r\n"
    server = Server([message * 1000], piece=600)
    clock, _, result = session(server, Timeout(command=60, session=None), slow=1.0)
    assert result == 72_000
    assert clock.now - 1000 > 100  # much longer than the time for one reply


def test_the_whole_session_has_its_end() -> None:
    server = Server([b"x\r\n"] * 100, piece=1)
    clock, _, result = session(server, Timeout(command=60, session=100), slow=0.5)
    assert isinstance(result, DeadlineExceeded)
    assert "session" in str(result)
    assert clock.now - 1000 == 100


def test_silence_ends_after_the_time_for_a_command() -> None:
    server = Server([b"x\r\n"], {b"STAT": lambda _: None})
    clock, _, result = session(server, Timeout(command=7), slow=0.0, pipelining=False)
    assert isinstance(result, DeadlineExceeded)
    assert "STAT" in str(result)
    assert clock.now == 1007


def test_what_the_caller_does_is_not_the_servers_time() -> None:
    clock = Clock()
    server = Server([b"x" * 70 + b"\r\n"] * 3, piece=40)
    talk = Conversation(plan(clock=clock, timeout=Timeout(command=5, session=None)))
    run(talk.begin(), server, clock)
    for entry in run(talk.listing(), server, clock):
        ticket = run(talk.retrieve(entry), server, clock)
        while run(talk.piece(entry, ticket), server, clock) is not None:
            clock.now += 3600
    assert run(talk.quit(), server, clock) is True


def test_a_closed_line_says_why() -> None:
    events = MemorySink()
    server = Server([b"x\r\n"], {b"STAT": b"nonsense\r\n"})
    talk = Conversation(plan(events=events))
    run(talk.begin(), server)
    with pytest.raises(ProtocolError):
        run(talk.stat(), server)
    with pytest.raises(ConnectionLost, match="is closed: "):
        run(talk.noop(), server)
    assert len(events.of(ServerMisbehaved)) == 1


@pytest.mark.parametrize("extra", [b"+OK one more\r\n", b"+ \r\n", b"garbage\r\n"])
def test_a_reply_nobody_asked_for_is_fatal(extra: bytes) -> None:
    server = Server([b"x\r\n"], {b"NOOP": b"+OK\r\n" + extra})
    talk = Conversation(plan())
    run(talk.begin(), server)
    run(talk.noop(), server)
    with pytest.raises(ProtocolError):
        run(talk.noop(), server)
    assert server.closed


def test_errors_of_the_network_are_ours() -> None:
    server = Server()
    talk = Conversation(plan())
    run(talk.begin(), server)

    def broken(*_: object) -> bytes:
        raise ConnectionResetError(104, "Connection reset by peer")

    for name in ("receive", "send"):
        setattr(server, name, broken)
    with pytest.raises(ConnectionLost, match="Connection reset by peer"):
        run(talk.noop(), server)
