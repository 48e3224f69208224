"""The blocking client, from end to end, with a server in memory."""

from __future__ import annotations

import hashlib
import traceback
import tracemalloc
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
from tests.client.scripted import SILENT_CAPA, Server, client

from pillarbox.client import (
    AuthenticationFailed,
    ConnectionLost,
    DeadlineExceeded,
    Entry,
    Progress,
    ProtocolError,
    Refused,
    UsageError,
)
from pillarbox.events import MemorySink, ServerMisbehaved

MAIL = [b"Subject: %d\r\n\r\n.dot\r\nbody %d\r\n" % (n, n) for n in range(1, 9)]


class Memory:
    """A `Seen` in memory."""

    def __init__(self, known: AbstractSet[bytes] = frozenset(), due: AbstractSet[bytes] = frozenset()) -> None:
        self.known = set(known)
        self._due = due
        self.calls: list[tuple[object, ...]] = []

    def is_new(self, unique_id: bytes, size: int) -> bool:
        return unique_id not in self.known

    def skipped(self, unique_id: bytes, reason: str) -> None:
        self.calls.append(("skipped", unique_id, reason))

    def done(self, unique_id: bytes, size: int, sha256: bytes, delete_after: float | None) -> None:
        self.known.add(unique_id)
        self.calls.append(("done", unique_id, size, sha256, delete_after))

    def due(self) -> AbstractSet[bytes]:
        return self._due

    def delete_sent(self, unique_ids: AbstractSet[bytes]) -> None:
        self.calls.append(("delete_sent", set(unique_ids)))

    def committed(self, result: bool | None) -> None:
        self.calls.append(("committed", result))


def test_leaving_normally_is_quit_and_commits() -> None:
    server = Server(MAIL)
    with client(server) as box:
        assert [message.read() for message in box.messages()] == MAIL
        assert box.delete([1, 3])[3].ok
    assert box.committed is True
    assert server.heard[-1] == b"QUIT"
    assert server.closed


def test_an_exception_closes_without_quit() -> None:
    server = Server(MAIL)
    with pytest.raises(ZeroDivisionError), client(server) as box:  # noqa: PT012 - the block is what is tested
        box.delete([1])
        raise ZeroDivisionError
    assert b"QUIT" not in server.heard
    assert server.closed


@pytest.mark.parametrize("answer", [b"-ERR some messages not removed\r\n", None, b"+OK\r\n"])
def test_the_reply_to_quit_is_the_only_word_on_what_was_deleted(answer: bytes | None) -> None:
    server = Server(MAIL, {b"QUIT": lambda _: answer})
    seen = Memory()
    with client(server) as box:
        for message in box.new(seen):
            message.read()
            message.done(0)
    assert box.committed is {b"-": False, b"+": True}.get((answer or b"?")[:1])
    assert seen.calls[-1] == ("committed", box.committed)


def test_after_a_lost_connection_nothing_can_be_asked() -> None:
    server = Server(MAIL, {b"NOOP": lambda _: None})
    with pytest.raises(ConnectionLost), client(server) as box:  # noqa: PT012 - the block is what is tested
        server.ended = True
        box.noop()
    assert not box.usable
    with pytest.raises(ConnectionLost, match=r"closed the connection|ended before"):
        box.stat()


def test_all_commands_of_a_batch_go_out_ahead() -> None:
    server = Server(MAIL)
    with client(server) as box:
        got = [b"".join(one.chunks()) for one in box.retrieve(box.listing())]
    assert got == MAIL
    assert b"".join(b"RETR %d\r\nUIDL %d\r\n" % (n, n) for n in range(1, 9)) in server.sends
    assert b"STAT\r\nLIST\r\nUIDL\r\nUIDL 1\r\n" in server.sends


def test_without_pipelining_each_command_waits_for_its_turn() -> None:
    server = Server(MAIL, {b"CAPA": SILENT_CAPA}, discards=True)
    with client(server, pipelining=False) as box:
        assert [b"".join(one.chunks()) for one in box.retrieve(box.listing())] == MAIL
        assert all(status.ok for status in box.delete(range(1, 9)).values())
        assert [head for _, head in box.headers(box.listing())] == [m.partition(b".dot")[0] for m in MAIL]
    assert all(sent.count(b"\r\n") == 1 for sent in server.sends)
    assert box.committed


def test_what_is_not_read_of_a_message_is_dropped() -> None:
    with client(Server(MAIL, piece=7)) as box:
        for one in box.retrieve(box.listing(), window=3):
            if one.number % 2:
                assert b"".join(one.chunks()) == MAIL[one.number - 1]
            else:
                next(one.chunks())


def test_a_batch_survives_other_commands_in_between() -> None:
    with client(Server(MAIL)) as box:
        got = []
        for one in box.retrieve(box.listing(), window=4):
            assert box.stat().messages == 8
            got.append(b"".join(one.chunks()))
        assert got == MAIL


def test_a_body_that_passed_is_not_given_as_if_it_were_whole() -> None:
    with client(Server(MAIL, piece=16)) as box:
        chunks = box.message(1).chunks()
        next(chunks)
        box.noop()
        with pytest.raises(UsageError, match="passed"):
            next(chunks)


def test_a_refused_message_does_not_stop_the_others() -> None:
    with client(Server(MAIL, {b"RETR 2": b"-ERR [SYS/TEMP] later\r\n"})) as box:
        got = list(box.retrieve(box.listing()[:3]))
        assert [one.refused is None for one in got] == [True, False, True]
        with pytest.raises(Refused, match="later"):
            box.message(2).read()
        assert box.message(3).read() == MAIL[2]


def test_messages_are_lazy_and_a_sequence() -> None:
    server = Server(MAIL)
    with client(server) as box:
        messages = box.messages()
        assert len(messages) == 8
        assert [one.number for one in messages[-2:]] == [7, 8]
        assert repr(messages[0]) == f"<Message 1, {len(MAIL[0])} octets>"
        assert b"RETR" not in server.keywords()
        assert messages[2].email()["Subject"] == "3"
        assert messages[2].headers() == b"Subject: 3\r\n\r\n"
        assert server.heard.count(b"UIDL") == 1


def test_only_listed_numbers_are_ever_used() -> None:
    server = Server(MAIL)
    with client(server) as box:
        for wrong in (0, -1, 9, 10**12):
            with pytest.raises(UsageError):
                box.message(wrong)
            with pytest.raises(UsageError):
                box.delete([1, wrong])
        with pytest.raises(UsageError, match="not of this session"):
            list(box.retrieve([Entry(1, 5, b"of another session")]))
    assert b"DELE" not in server.keywords()


def test_new_skips_what_is_known_and_deletes_what_is_due() -> None:
    server = Server(MAIL[:5])
    seen = Memory({b"id1", b"id2", b"id4"}, {b"id1", b"id9"})
    with client(server) as box:
        for message in box.new(seen):
            if message.number == 3:
                message.skip("too big")
                continue
            octets = message.read()
            message.done(delete_after="30d")
    digest = hashlib.sha256(octets).digest()
    assert seen.calls == [
        ("delete_sent", {b"id1"}),
        ("skipped", b"id3", "too big"),
        ("done", b"id5", len(MAIL[4]), digest, 30 * 86_400.0),
        ("committed", True),
    ]
    assert [line for line in server.heard if line.startswith((b"RETR", b"DELE"))] == [b"DELE 1", b"RETR 5"]


@pytest.mark.parametrize("prefetch", [1, 4])
def test_new_with_prefetch_deletes_as_it_goes(prefetch: int) -> None:
    server = Server(MAIL)
    seen = Memory()
    with client(server) as box:
        for message in box.new(seen, prefetch=prefetch):
            assert message.read() == MAIL[message.number - 1]
            message.done(0)
    assert box.committed
    assert server.keywords().count(b"RETR") == 8
    assert server.keywords().count(b"DELE") == 8
    assert [call[0] for call in seen.calls] == ["done", "delete_sent"] * 8 + ["committed"]


def test_half_a_message_is_not_done() -> None:
    with client(Server(MAIL, piece=5)) as box:
        message = box.message(1)
        next(message.chunks())
        with pytest.raises(UsageError, match="read to its end"):
            message.done()
        assert message.sha256 is None


def test_progress_is_told() -> None:
    told: list[Progress] = []
    with client(Server(MAIL), progress=told.append) as box:
        box.message(2).read()
    assert told[-1] == (box.listing()[1], len(MAIL[1]))


def test_save_to_a_directory_is_whole_or_not_there(tmp_path: Path) -> None:
    with client(Server(MAIL)) as box:
        saved = box.message(1).save_to(f"{tmp_path}/inbox/")
        assert saved.read_bytes() == MAIL[0]
        assert saved == box.message(1).save_to(f"{tmp_path}/inbox/")
        assert box.message(2).save_to(tmp_path / "two.eml") == tmp_path / "two.eml"
    broken = Server(MAIL, {b"RETR": b"+OK\r\nSubject: half"})
    with pytest.raises(DeadlineExceeded), client(broken) as box:
        box.message(3).save_to(tmp_path / "three.eml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inbox", "two.eml"]


def test_leaving_in_the_middle_of_a_message_does_not_read_the_rest() -> None:
    server = Server([b"x" * 70 + b"\r\n"] * 2, piece=8)
    with client(server) as box:
        for one in box.retrieve(box.listing()):
            next(one.chunks())
            break
    assert server.outgoing
    assert b"QUIT" not in server.heard
    server = Server([b"x" * 70 + b"\r\n"] * 2, piece=8)
    with client(server) as box:
        box.delete([2])
        for one in box.retrieve(box.listing()):
            next(one.chunks())
            break
    assert box.committed is True


def test_a_client_is_one_session() -> None:
    box = client(Server(MAIL))
    with box:
        pass
    with pytest.raises(UsageError, match="one session"):
        box.open()


def test_reset_takes_marks_back() -> None:
    server = Server(MAIL)
    with client(server) as box:
        box.delete([1])
        box.reset()
        assert box.delete([1])[1].ok
    assert [word for word in server.keywords() if word in (b"DELE", b"RSET")] == [b"DELE", b"RSET", b"DELE"]


def test_any_doubt_about_framing_ends_it_without_quit() -> None:
    events = MemorySink()
    server = Server(MAIL, {b"RETR": b"*OK\r\n"})
    with pytest.raises(ProtocolError), client(server, events=events) as box:  # noqa: PT012 - the block is what is tested
        box.delete([1])
        box.message(2).read()
    assert b"QUIT" not in server.heard
    (event,) = events.of(ServerMisbehaved)
    assert (event.host, event.stage) == ("mail.example.org", "RETR")
    assert event.account == "pop3://ada@mail.example.org:110"


def test_a_server_that_closes_with_a_reason_is_quoted_safely() -> None:
    server = Server(MAIL, {b"NOOP": b"+OK\r\n-ERR shut\x1b[2Jdown\r\n"})
    with pytest.raises(ConnectionLost, match=r"shut\\x1b\[2Jdown"), client(server) as box:  # noqa: PT012 - the block is what is tested
        box.noop()
        box.noop()


def test_no_secret_in_any_text() -> None:
    secret = "hunter2-hunter2"
    server = Server(MAIL, {b"PASS": b"-ERR [AUTH] no\r\n"})
    box = client(server, password=secret)
    with pytest.raises(AuthenticationFailed) as caught, box:
        pass
    shown = "".join(traceback.format_exception(caught.value)) + repr(box) + repr(box._talk.plan)
    assert secret not in shown
    with pytest.raises(UsageError) as wrong, client(Server(MAIL), password=f"{secret}\r\nDELE 1"):
        pass
    assert secret not in "".join(traceback.format_exception(wrong.value))


def test_the_callers_own_errors_stay_what_they_are() -> None:
    def broken() -> str:
        raise OSError(2, "no such keyring")

    server = Server(MAIL)
    with pytest.raises(OSError, match="no such keyring"), client(server, password=broken):
        pass
    assert server.closed


class Endless(Server):
    """A server whose one message is 200 MB, made as it is read."""

    SLICE = (b"x" * 78 + b"\r\n") * 3200

    def __init__(self) -> None:
        super().__init__([], {b"STAT": b"+OK 1 204800000\r\n", b"LIST": b"+OK\r\n1 204800000\r\n.\r\n"})
        self._answers |= {b"UIDL": b"+OK\r\n1 a\r\n.\r\n", b"UIDL 1": b"+OK 1 a\r\n", b"RETR": b"+OK\r\n"}
        self._left = 0

    def send(self, data: bytes, deadline: float) -> None:
        super().send(data, deadline)
        if data.startswith(b"RETR"):
            self._left = 204_800_000 // len(self.SLICE)

    def receive(self, deadline: float) -> bytes:
        if not self.outgoing and self._left:
            self._left -= 1
            self.outgoing += self.SLICE
            if not self._left:
                self.outgoing += b".\r\n"
        return super().receive(deadline)


def test_memory_does_not_grow_with_the_message() -> None:
    """200 MB through the parser, in less than 2 MB."""
    with client(Endless()) as box:
        message = box.message(1)
        tracemalloc.start()
        try:
            octets = sum(len(chunk) for chunk in message.chunks())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert octets > 200_000_000
        assert peak < 2_000_000
