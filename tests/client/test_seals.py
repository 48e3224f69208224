"""Servers whose framing is broken, and senders who make use of it: nothing is taken for what it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.scripted import CLEAR, SILENT_CAPA, Server, async_client, client, stuffed

from pillarbox.client import Client, ClientError, ProtocolError, Timeout
from pillarbox.events import MemorySink, ServerMisbehaved
from pillarbox.fetch.journal import Journal
from pillarbox.testing.behaviour import Behaviour
from pillarbox.testing.scripted import ScriptedServer

MAIL = [b"Subject: %d\r\n\r\n%s\r\n" % (n, b"body" * n) for n in range(1, 9)]
SAME = [b"Subject: %d\r\n\r\nof one size\r\n" % n for n in range(1, 9)]
IMPATIENT = Timeout(connect=5, command=0.3)

_CRAFTED = b"Subject: 3\r\n\r\nbegin\r\n.\r\n%s"
_FORGED = _CRAFTED % (b"+OK 3 id3\r\n+OK\r\n" + MAIL[3] + b".\r\n+OK 4 id4\r\n")


def retrieved(server: ScriptedServer, journal: Journal, prefetch: int, sink: MemorySink | None = None) -> list[bytes]:
    """What a program gets that deletes each message as soon as it is done."""
    got = []
    with Client(server.url, password=server.password, tls=CLEAR, timeout=IMPATIENT, events=sink) as box:
        for message in box.new(journal, prefetch=prefetch):
            octets = message.read()
            message.done(delete_after=0)
            got.append(octets)
    return got


def read_and_deleted(box: Client) -> Iterator[bytes]:
    """All messages, each marked for deletion once it is read."""
    for message in box.retrieve(box.listing()):
        yield message.read()
        message.delete()


BROKEN = {
    "a dot not stuffed": ("unstuff at RETR 3", _CRAFTED % b"end\r\n"),
    "a dot not stuffed at the end": ("unstuff at RETR 3", _CRAFTED % b""),
    "a dot not stuffed, replies forged": ("unstuff at RETR 3", _FORGED),
    "no final line": ("no end at RETR 3", SAME[2]),
    "no body": ("no body at RETR 3", SAME[2]),
    "a reply too many": ("suffix '+OK' at RETR 3", SAME[2]),
    "a seal too many": ("suffix '+OK 3 {id}' at RETR 3", SAME[2]),
    "a message too many": ("suffix '+OK\\r\\nx\\r\\n.\\r\\n' at RETR 3", SAME[2]),
    "a line before a reply": ("prefix '+OK' at RETR 3", SAME[2]),
    "a reply missing": ("replace '' at RETR 3", SAME[2]),
    "an end in the middle of a message": ("fin at octet 20 of RETR 3", SAME[2]),
}


@pytest.mark.parametrize("prefetch", [1, 2, 4, 16])
@pytest.mark.parametrize("name", BROKEN)
def test_doubt_deletes_nothing_and_delivers_nothing_else(name: str, prefetch: int, tmp_path: Path) -> None:
    fault, third = BROKEN[name]
    mail = [*SAME[:2], third, *SAME[3:]]
    sink = MemorySink()
    with ScriptedServer(mail, tls="none") as server, Journal(tmp_path, "ada") as journal:
        fault = fault.replace("{id}", server.messages[2].unique_id.decode())
        server.script(fault)
        got: list[bytes] = []
        with pytest.raises(ClientError):
            got += retrieved(server, journal, prefetch, sink)
        assert server.deleted == ()
        if not fault.startswith(("fin", "replace")):
            assert any(isinstance(event, ServerMisbehaved) for event in sink.events)
        done = [key for key, known in journal.known().items() if known.delivered]
        server.script()
        server.wait_for(lambda server: all(session.how for session in server.sessions))
        again = retrieved(server, journal, prefetch)
        # Messages 1 and 2 were right; nothing else was believed, so everything else comes now.
        assert [shelved.unique_id for shelved in server.deleted_messages[: len(done)]] == done
        assert again == mail[len(done) :]
        assert len(done) <= 3
        assert len(server.messages) == 0


def test_each_message_is_sealed_in_the_same_segment() -> None:
    server = Server(MAIL)
    with client(server) as box:
        assert [one.read() for one in box.retrieve(box.listing())] == MAIL
    ahead = b"".join(b"RETR %d\r\nUIDL %d\r\n" % (n, n) for n in range(1, 9))
    assert [sent for sent in server.sends if b"RETR" in sent] == [ahead]
    assert server.heard.count(b"RETR 3") == 1


def test_headers_are_sealed_too() -> None:
    server = Server(MAIL, {b"TOP 3 0": b"+OK\r\nSubject: 3\r\n\r\n.\r\n+OK\r\nSubject: 4\r\n\r\n.\r\n"})
    with pytest.raises(ProtocolError), client(server) as box:
        list(box.headers(box.listing()))
    assert b"QUIT" not in server.heard


def test_two_messages_in_each_other_s_place() -> None:
    swapped = {b"RETR 3": b"+OK\r\n" + stuffed(MAIL[3]), b"RETR 4": b"+OK\r\n" + stuffed(MAIL[2])}
    server = Server(MAIL, swapped)
    got: list[bytes] = []
    with pytest.raises(ProtocolError, match="size of another"), client(server) as box:
        got.extend(one.read() for one in box.retrieve(box.listing()))
    assert got == MAIL[:2]
    assert b"QUIT" not in server.heard


@pytest.mark.parametrize("change", [-3, 3, 1000])
@pytest.mark.parametrize("window", [1, 8])
def test_a_server_that_only_estimates_sizes_is_believed(change: int, window: int) -> None:
    listing = b"".join(b"%d %d\r\n" % (n, max(len(m) + change, 1)) for n, m in enumerate(MAIL, 1))
    server = Server(MAIL, {b"LIST": b"+OK\r\n" + listing + b".\r\n"})
    with client(server) as box:
        got = [one.read() for one in box.retrieve(box.listing(), window=window)]
    assert got == MAIL
    assert server.keywords().count(b"RETR") == len(MAIL)  # none twice


@pytest.mark.parametrize("counted", [b"\r\n", b"\n"])
def test_alone_a_message_of_the_listed_size_costs_nothing_more(counted: bytes) -> None:
    """A server that counts a line end as one octet explains its sizes."""
    sizes = [len(message.replace(b"\r\n", counted)) for message in MAIL]
    listing = b"".join(b"%d %d\r\n" % (n, size) for n, size in enumerate(sizes, 1))
    server = Server(MAIL, {b"CAPA": SILENT_CAPA, b"LIST": b"+OK\r\n" + listing + b".\r\n"})
    with client(server, pipelining=False) as box:
        assert [one.read() for one in box.retrieve(box.listing())] == MAIL
        assert b"UIDL 1" not in server.heard
        box.delete([1])
    # Before anything is deleted, one question about a message that is still there.
    assert server.heard[-2:] == [b"UIDL 2", b"QUIT"]


def test_where_uidl_has_no_argument_messages_are_asked_for_one_by_one() -> None:
    def uidl(line: bytes) -> bytes:
        return (
            b"-ERR\r\n"
            if b" " in line
            else b"+OK\r\n" + b"".join(b"%d id%d\r\n" % (n, n) for n in range(1, 9)) + b".\r\n"
        )

    server = Server(MAIL, {b"UIDL": uidl})
    with client(server) as box:
        assert [one.read() for one in box.retrieve(box.listing())] == MAIL
        assert box.delete([1, 2])[2].ok
    assert [sent for sent in server.sends if b"RETR" in sent] == [b"RETR %d\r\n" % n for n in range(1, 9)]
    assert box.committed


def test_without_unique_ids_a_forged_end_is_noticed(tmp_path: Path) -> None:
    forged = _CRAFTED % b"+OK 3 70\r\n+OK 8 24\r\n+OK\r\n"
    mail = [*SAME[:2], forged, *SAME[3:]]
    with ScriptedServer(mail, tls="none", behaviour=Behaviour(refused=frozenset({"UIDL"}))) as server:
        server.script("unstuff at RETR 3")
        got: list[bytes] = []
        with pytest.raises(ClientError), Client(server.url, password=server.password, tls=CLEAR) as box:
            got.extend(read_and_deleted(box))
        assert got == SAME[:2]
        assert server.deleted == ()


def test_a_refused_message_is_none_of_it() -> None:
    server = Server(MAIL, {b"RETR 3": b"-ERR gone\r\n", b"UIDL 3": b"-ERR gone\r\n"})
    with client(server) as box:
        got = [one.read() for one in box.retrieve(box.listing()) if one.refused is None]
    assert got == [*MAIL[:2], *MAIL[3:]]


def test_unique_ids_that_change_within_the_session() -> None:
    server = Server(MAIL, {b"UIDL 3": b"+OK 3 another\r\n"})
    with pytest.raises(ProtocolError), client(server) as box:
        list(read_and_deleted(box))
    assert b"QUIT" not in server.heard


def test_nothing_is_deleted_when_what_was_not_read_was_doubtful() -> None:
    server = Server(MAIL, {b"RETR 3": b"+OK\r\nx\r\n.\r\n+OK\r\n"})
    with pytest.raises(ProtocolError), client(server) as box:
        box.delete(one.number for one in box.retrieve(box.listing(), window=4))
    assert b"QUIT" not in server.heard


def test_asynchronously_the_same(tmp_path: Path) -> None:
    async def session(server: Server) -> list[bytes]:
        got = []
        with Journal(tmp_path, "ada") as journal:
            async with async_client(server) as box:
                async for message in box.new(journal, prefetch=4):
                    octets = await message.read()
                    await message.done(delete_after=0)
                    got.append(octets)
        return got

    server = Server(MAIL, {b"RETR 3": b"+OK\r\n" + MAIL[2]})  # no final line
    with pytest.raises(ProtocolError):
        asyncio.run(session(server))
    assert b"QUIT" not in server.heard
    with Journal(tmp_path, "ada") as journal:
        assert sorted(key for key, known in journal.known().items() if known.delivered) == [b"id1", b"id2"]
    assert asyncio.run(session(Server(MAIL))) == MAIL[2:]


def test_a_unique_id_with_another_size_is_another_message(tmp_path: Path) -> None:
    """A server that was set up anew numbers from the beginning: what is due would be deleted unread."""
    with Journal(tmp_path, "ada") as journal:
        with client(Server([MAIL[0]])) as box:
            for message in box.new(journal):
                message.read()
                message.done(delete_after=0.0001)
        anew = Server([MAIL[5]])
        for expected in ([MAIL[5]], []):
            got = []
            with client(anew) as box:
                assert b"DELE 1" not in anew.heard
                for message in box.new(journal):
                    got.append(message.read())
                    message.done(delete_after="30d")
            assert got == expected
            anew = Server([MAIL[5]])


def test_other_numbers_in_another_session(tmp_path: Path) -> None:
    with ScriptedServer(MAIL, tls="none") as server, Journal(tmp_path, "ada") as journal:
        with Client(server.url, password=server.password, tls=CLEAR) as box:
            for message in box.new(journal, prefetch=4):
                if message.number == 5:
                    message.read()
                    message.done(delete_after=0.0001)
        fifth = server.messages[4].unique_id
        server.remove(server.messages[0].unique_id)  # another program: 5 is 4 now
        with Client(server.url, password=server.password, tls=CLEAR) as box:
            assert fifth not in {message.unique_id for message in box.new(journal)}
        assert server.deleted == (fifth,)
