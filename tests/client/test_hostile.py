"""Connections cut at every octet, and servers that say anything at all: typed errors, nothing lost, nothing made up."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.client.scripted import Server, client

from pillarbox.client import ClientError, Limits
from pillarbox.events import ListingDoubtful, MemorySink, ServerMisbehaved

MAIL = [b"Subject: 1\r\n\r\n.\r\n..two\r\n", b"\r\n", b"Subject: 3\r\n\r\n+OK\r\n-ERR\r\n"]


class Cut(Server):
    """Its connection breaks after so many octets."""

    def __init__(self, octets: int) -> None:
        super().__init__(MAIL, piece=11)
        self._budget = octets
        self.said = 0

    def receive(self, deadline: float) -> bytes:
        if self._budget == 0:
            return b""
        data = super().receive(deadline)
        if len(data) > self._budget:
            data = data[: self._budget]
        self._budget -= len(data)
        self.said += len(data)
        return data


def session(server: Server, events: MemorySink | None = None) -> tuple[list[bytes], bool | None, ClientError | None]:
    """Fetch and delete everything; returns the complete messages, what QUIT led to, and the error."""
    box = client(server, events=events, limits=Limits(message=10_000, messages=100))
    got: list[bytes] = []
    try:
        with box:
            for one in box.retrieve(box.listing()):
                if one.refused is None:
                    octets = b"".join(one.chunks())
                    assert one.sha256 is not None
                    got.append(octets)
            box.delete(entry.number for entry in box.listing())
    except ClientError as error:
        return got, box.committed, error
    return got, box.committed, None


def test_cut_at_every_octet() -> None:
    """A message is complete or not there; QUIT's result is known only when its reply has come."""
    whole = Cut(1 << 30)
    assert session(whole) == (MAIL, True, None)
    for octets in range(whole.said):
        got, committed, error = session(Cut(octets))
        assert got == MAIL[: len(got)]
        # Only a lost reply to QUIT is no error: that the messages are there is sure, that they are deleted is not.
        assert committed is None
        assert error is not None or got == MAIL


def outcome(server: Server) -> None:
    events = MemorySink()
    got, committed, error = session(server, events)
    assert all(len(message) <= 10_000 + 65_536 for message in got)
    assert server.closed
    if committed:
        assert error is None
    assert len(events.of(ServerMisbehaved)) <= 1
    assert all(isinstance(event, (ServerMisbehaved, ListingDoubtful)) for event in events.events)


_FRAGMENTS = st.sampled_from(
    [
        b"+OK",
        b"-ERR",
        b"+ ",
        b" ",
        b"\r\n",
        b"\n",
        b"\r",
        b".",
        b".\r\n",
        b"1 10",
        b"0",
        b"[IN-USE]",
        b"\0",
        b"\xff",
        b"9" * 30,
    ]
)


@given(st.lists(st.binary(max_size=30) | _FRAGMENTS, max_size=40))
@settings(max_examples=40, deadline=None)
def test_a_server_that_says_anything(parts: list[bytes]) -> None:
    server = Server(greeting=b"".join(parts))
    server._reply = lambda line: None  # type: ignore[method-assign] # it has said all it will
    outcome(server)


@given(st.sampled_from([b"CAPA", b"PASS", b"STAT", b"LIST", b"UIDL", b"RETR", b"DELE", b"QUIT"]), st.data())
@settings(max_examples=60, deadline=None)
def test_a_server_that_says_anything_to_one_command(verb: bytes, data: st.DataObject) -> None:
    reply = b"".join(data.draw(st.lists(_FRAGMENTS | st.binary(max_size=8), max_size=15)))
    outcome(Server(MAIL, {verb: reply}, piece=data.draw(st.integers(1, 64))))


@pytest.mark.parametrize(
    ("change", "numbers"),
    [
        (lambda text: text.replace(b"2 ", b"0 "), [1, 3]),
        (lambda text: text.replace(b"2 ", b"1 "), [1, 3]),
        (lambda text: text.replace(b"3 ", b"4 "), [1, 2]),
        (lambda text: re.sub(rb"2 .*\r\n", b"", text), [1, 3]),
        (lambda text: text.replace(b"3 ", b"99999999999 "), [1, 2]),
    ],
)
def test_wrong_numbers_are_never_guessed(change: Callable[[bytes], bytes], numbers: list[int]) -> None:
    """Only what is listed is asked for and deleted; a number that the server then refuses costs that one."""
    plain = b"".join(b"%d %d\r\n" % (n, len(m)) for n, m in enumerate(MAIL, 1))
    server = Server(MAIL, {b"LIST": b"+OK\r\n" + change(plain) + b".\r\n"})
    events = MemorySink()
    got, committed, error = session(server, events)
    assert (got, committed, error) == ([MAIL[number - 1] for number in numbers], True, None)
    asked = {int(line.split()[1]) for line in server.heard if line.startswith((b"RETR", b"DELE"))}
    assert asked >= set(numbers)
    assert 0 not in asked
    assert len(events.of(ListingDoubtful)) == 1
