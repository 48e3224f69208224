"""P1-P4, P8, P9, P12-P25, P28: TRANSACTION and UPDATE."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from tests.session.talk import MESSAGES, World

from pillarbox.events import MaildropFailed, MessageUnreadable, UpdateFailed
from pillarbox.maildrop.errors import MaildropReplaced, MaildropUnavailable, PartlyCommitted
from pillarbox.maildrop.stores.memory import MemoryMaildrop
from pillarbox.wire.states import State

SIZES = [23, 30, 27]


def test_numbers_agree_everywhere_before_and_after_retr(world: World) -> None:
    """P1-P4: STAT, LIST, LIST n, the login text and +OK n octets, all in CRLF octets, a missing ending counted."""
    talk = world.talk()
    assert talk.login() == f"+OK 3 messages ({sum(SIZES)} octets)"
    for _ in range(2):
        assert talk.say("STAT") == f"+OK 3 {sum(SIZES)}\r\n"
        listing = "".join(f"{at + 1} {size}\r\n" for at, size in enumerate(SIZES))
        assert talk.say("LIST") == f"+OK 3 messages ({sum(SIZES)} octets)\r\n{listing}.\r\n"
        for at, size in enumerate(SIZES):
            assert talk.say(f"LIST {at + 1}") == f"+OK {at + 1} {size}\r\n"
            status, body = talk.say(f"RETR {at + 1}").split("\r\n", 1)
            assert status == f"+OK {size} octets"
            plain = body.removesuffix(".\r\n").replace("\r\n.", "\r\n")
            assert len(plain) == size


def test_top_counts_body_lines_and_is_stuffed(world: World) -> None:
    """P8, P9."""
    talk = world.talk(user="ada")
    head = "+OK top of message follows\r\nSubject: two\r\n\r\n"
    assert talk.say("TOP 2 0") == head + ".\r\n"
    assert talk.say("TOP 2 1") == head + "..dot\r\n.\r\n"
    assert talk.say("TOP 2 99") == head + "..dot\r\nsecond\r\n.\r\n"
    assert talk.say("TOP 2").startswith("-ERR ")


def test_an_empty_maildrop(world: World) -> None:
    """P12."""
    talk = world.talk(user="bob")
    assert talk.say("STAT") == "+OK 0 0\r\n"
    assert talk.say("LIST").endswith("\r\n.\r\n")
    assert talk.say("UIDL") == "+OK unique-ids follow\r\n.\r\n"
    assert talk.say("RETR 1").startswith("-ERR ")
    assert talk.say("QUIT") == "+OK bye\r\n"


UTF8_MESSAGE = "Subject: Grüße\r\nFrom: Ada <ada@exämple.org>\r\n\r\nhallo\r\n".encode()


def test_a_message_that_needs_utf8_is_a_surrogate_without_it(world: World) -> None:
    """P13: and the counts are those of what is sent."""
    world.memory.deliver("bob", UTF8_MESSAGE)
    talk = world.talk(user="bob")
    status, body = talk.say("RETR 1").split("\r\n", 1)
    assert body.isascii()
    assert "hallo" in body
    size = len(body.removesuffix(".\r\n"))
    assert status == f"+OK {size} octets"
    assert talk.say("LIST 1") == f"+OK 1 {size}\r\n"
    assert talk.say("TOP 1 0").isascii()
    talk.end()
    talk = world.talk()
    assert talk.say("UTF8") == "+OK UTF-8 mode\r\n"
    talk.login("bob")
    assert talk.say("RETR 1") == f"+OK {len(UTF8_MESSAGE)} octets\r\n{UTF8_MESSAGE.decode()}.\r\n"
    assert talk.say("STAT") == f"+OK 1 {len(UTF8_MESSAGE)}\r\n"
    assert talk.say("UTF8").startswith("-ERR")


def test_a_deleted_message_is_gone_and_the_numbers_stay(world: World) -> None:
    """P14, P15, P17."""
    talk = world.talk(user="ada")
    assert talk.say("DELE 2") == "+OK message deleted\r\n"
    assert talk.say("STAT") == f"+OK 2 {SIZES[0] + SIZES[2]}\r\n"
    assert talk.say("LIST").splitlines()[1:] == ["1 23", "3 27", "."]
    assert [line.split()[0] for line in talk.say("UIDL").splitlines()[1:]] == ["1", "3", "."]
    for line in ("LIST 2", "UIDL 2", "RETR 2", "TOP 2 0", "DELE 2"):
        assert talk.say(line) == "-ERR that message is marked as deleted\r\n"
    assert talk.say("LIST 3") == "+OK 3 27\r\n"
    world.memory.deliver("ada", b"late\r\n")
    assert talk.say("RSET") == f"+OK 3 messages ({sum(SIZES)} octets)\r\n"
    assert talk.say("LIST 2") == "+OK 2 30\r\n"
    assert talk.say("LIST 4") == "-ERR no such message\r\n"


NUMBERS = ["0", "-1", "+1", "1x", "4", "4294967297", "18446744073709551617", "9" * 29, "", "1 2", "01"]


@pytest.mark.parametrize("number", NUMBERS)
def test_wrong_numbers_change_nothing(world: World, number: str) -> None:
    """P16."""
    talk = world.talk(user="ada")
    before = talk.say("LIST")
    verbs = ["RETR", "DELE"] + (["LIST", "UIDL"] if number else [])
    for verb in verbs:
        assert talk.say(f"{verb} {number}".rstrip()).startswith("-ERR ")
    assert talk.say(f"TOP {number} 1").startswith("-ERR ")
    assert talk.say("LIST") == before
    talk.say("QUIT")
    assert world.messages() == 3


def test_mail_that_arrives_meanwhile_is_invisible(world: World) -> None:
    """P18."""
    talk = world.talk(user="ada")
    world.memory.deliver("ada", b"new\r\n")
    assert talk.say("STAT") == f"+OK 3 {sum(SIZES)}\r\n"
    assert talk.say("RETR 4") == "-ERR no such message\r\n"
    talk.say("QUIT")
    assert world.messages() == 4


def test_a_message_removed_by_another_program_stays_listed(world: World) -> None:
    """P19: and RETR says what happened; deleting it is no failure."""
    talk = world.talk(user="ada")
    world.memory.remove("ada", talk.say("UIDL 1").split()[2].encode())
    assert talk.say("LIST 1") == "+OK 1 23\r\n"
    for line in ("RETR 1", "TOP 1 0"):
        assert talk.say(line) == "-ERR that message was removed or altered by another program\r\n"
    assert len(world.sink.of(MessageUnreadable)) == 2
    assert talk.say("DELE 1") == "+OK message deleted\r\n"
    assert talk.say("QUIT") == "+OK bye\r\n"


def fail_commit(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let the store refuse every UPDATE."""

    async def commit(self: MemoryMaildrop, marked: Collection[int], retrieved: Collection[int] = ()) -> int:
        raise error

    monkeypatch.setattr(MemoryMaildrop, "commit", commit)


def test_a_replaced_maildrop_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """P20."""
    fail_commit(monkeypatch, MaildropReplaced("replaced"))
    talk = world.talk(user="ada")
    talk.say("DELE 1")
    assert talk.say("QUIT") == "-ERR [SYS/TEMP] deleted messages not removed\r\n"
    assert talk.state is State.CLOSED
    assert world.sink.of(MaildropFailed)
    assert world.messages() == 3


def test_a_store_that_cannot_read_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """P20."""

    async def read(self: MemoryMaildrop, index: int, start: int, stop: int) -> None:
        raise MaildropUnavailable("input/output error")

    monkeypatch.setattr(MemoryMaildrop, "read", read)
    talk = world.talk(user="ada")
    assert talk.say("RETR 1") == "-ERR [SYS/TEMP] that message cannot be read now\r\n"


@pytest.mark.parametrize("how", ["closed", "idle", "stalled", "shutdown", "error"])
def test_only_quit_deletes(world: World, how: str) -> None:
    """P21: any other end deletes nothing and gives the lock back."""
    talk = world.talk(user="ada")
    talk.say("DELE 1")
    talk.end(how)
    assert world.messages() == 3
    talk = world.talk(user="ada")
    talk.say("DELE 1")
    assert talk.say("QUIT") == "+OK bye\r\n"
    assert world.messages() == 2


def test_a_partly_failed_update(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """P22: one -ERR, lock released, closed."""
    fail_commit(monkeypatch, PartlyCommitted(1, 2, "permission denied"))
    talk = world.talk(user="ada")
    talk.say("DELE 1")
    assert talk.say("QUIT") == "-ERR [SYS/TEMP] some deleted messages not removed\r\n"
    assert talk.state is State.CLOSED
    assert (world.sink.of(UpdateFailed)[0].removed, world.sink.of(UpdateFailed)[0].failed) == (1, 2)
    world.talk(user="ada")  # the lock is free, before the connection is gone


def test_quit_before_login_touches_nothing(world: World) -> None:
    """P23."""
    talk = world.talk()
    assert talk.say("QUIT") == "+OK bye\r\n"
    assert talk.state is State.CLOSED


def test_retr_may_mark_as_seen_and_top_never(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """P24: what was retrieved is told to the store, which has the setting."""
    told: list[tuple[list[int], list[int]]] = []

    async def commit(self: MemoryMaildrop, marked: Collection[int], retrieved: Collection[int] = ()) -> int:
        told.append((sorted(marked), sorted(retrieved)))
        return len(marked)

    monkeypatch.setattr(MemoryMaildrop, "commit", commit)
    talk = world.talk(user="ada")
    talk.say("TOP 1 0\r\nRETR 2\r\nDELE 3\r\nQUIT")
    assert told == [([2], [1])]


def test_a_read_only_maildrop_answers_dele(world: World) -> None:
    """P25: for a read-only account, and for a maildrop that cannot be changed."""
    world.memory.deliver("readonly", MESSAGES[0])
    world.memory.write_protect("ada")
    for user in ("readonly", "ada"):
        talk = world.talk(user=user)
        assert talk.say("DELE 1") == "-ERR [SYS/PERM] this maildrop is read-only\r\n"
        assert talk.say("RETR 1").startswith("+OK")
        assert talk.say("QUIT") == "+OK bye\r\n"


def test_uidl_of_one_message(world: World) -> None:
    """P28."""
    talk = world.talk(user="ada")
    ids = dict(line.split() for line in talk.say("UIDL").splitlines()[1:-1])
    assert sorted(ids) == ["1", "2", "3"]
    for number, unique_id in ids.items():
        assert talk.say(f"UIDL {number}") == f"+OK {number} {unique_id}\r\n"


def test_long_listings_come_in_slices_with_the_marks_of_their_moment(world: World) -> None:
    """P14, P15."""
    for _ in range(5000):
        world.memory.deliver("bob", b"x\r\n")
    talk = world.talk(user="bob")
    talk.say("DELE 1\r\nDELE 5000")
    for line in ("LIST", "UIDL"):
        numbers = [int(row.split()[0]) for row in talk.say(line).splitlines()[1:-1]]
        assert numbers == list(range(2, 5000))
