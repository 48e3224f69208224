"""Finding out about pipelining: no hang, and no reply taken for another one's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.client.scripted import SILENT_CAPA, Server, client

from pillarbox.client import ProtocolError

MAIL = [b"Subject: %d\r\n\r\nbody\r\n" % n for n in range(1, 7)]


def fetched(server: Server) -> tuple[list[bytes], bool | None]:
    with client(server) as box:
        got = [b"".join(one.chunks()) for one in box.retrieve(box.listing())]
        return got, box.pipelining


def test_a_server_that_reads_on_is_found_out() -> None:
    server = Server(MAIL, {b"CAPA": SILENT_CAPA})
    assert fetched(server) == (MAIL, True)
    assert b"STAT\r\nLIST 999999999\r\n" in server.sends
    assert server.waits == 0


def test_a_server_that_throws_away_is_found_out() -> None:
    server = Server(MAIL, {b"CAPA": SILENT_CAPA}, discards=True)
    assert fetched(server) == (MAIL, False)
    assert server.waits == 1  # patience ended once; no other wait
    assert all(sent.count(b"\r\n") == 1 for sent in server.sends if not sent.startswith(b"STAT\r\nLIST"))


def test_a_late_reply_is_not_taken_for_a_lost_one() -> None:
    late: list[bytes] = []

    def listed(line: bytes) -> bytes | None:
        if line == b"LIST 999999999":
            late.append(b"-ERR none\r\n")
            return None
        return b"".join([b"+OK\r\n", *(b"%d %d\r\n" % (n, len(m)) for n, m in enumerate(MAIL, 1)), b".\r\n"])

    def stat(_: bytes) -> bytes:
        said = b"".join(late) + b"+OK %d %d\r\n" % (len(MAIL), sum(map(len, MAIL)))
        late.clear()
        return said

    server = Server(MAIL, {b"CAPA": SILENT_CAPA, b"LIST": listed, b"STAT": stat})
    assert fetched(server) == (MAIL, True)


def test_an_ok_to_a_message_that_cannot_be_is_still_one_reply() -> None:
    server = Server(MAIL, {b"CAPA": SILENT_CAPA, b"LIST 999999999": b"+OK 999999999 0\r\n"})
    assert fetched(server) == (MAIL, True)


@pytest.mark.parametrize("answer", [b"+OK 7 7\r\n", lambda line: None])
def test_replies_that_fit_neither_end_it(answer: bytes | Callable[[bytes], bytes | None]) -> None:
    asked: list[bytes] = []

    def stat(line: bytes) -> bytes | None:
        asked.append(line)
        if len(asked) <= 2:  # to see how many there are, and in the probe
            return b"+OK 6 60\r\n"
        return answer(line) if callable(answer) else answer

    server = Server(MAIL, {b"CAPA": SILENT_CAPA, b"STAT": stat, b"LIST 999999999": lambda _: None})
    kind: type[Exception] = ProtocolError
    if callable(answer):
        from pillarbox.client import DeadlineExceeded

        kind = DeadlineExceeded
    with pytest.raises(kind), client(server) as box:
        box.listing()
    assert server.closed
    assert b"QUIT" not in server.heard


def test_a_few_messages_are_not_worth_it() -> None:
    server = Server(MAIL[:3], {b"CAPA": SILENT_CAPA}, discards=True)
    assert fetched(server) == (MAIL[:3], None)
    assert server.waits == 0


@pytest.mark.parametrize("known", [True, False])
def test_what_is_known_is_not_asked(known: bool) -> None:
    server = Server(MAIL, {b"CAPA": SILENT_CAPA}, discards=not known)
    with client(server, pipelining=known) as box:
        assert len(box.listing()) == 6
        assert box.pipelining is known
    assert b"LIST 999999999" not in server.heard
