"""Faults that change a reply: the very octets a client gets."""

from __future__ import annotations

import pytest
from tests.testing.client import Raw

from pillarbox.testing import LISTINGS, UNIQUE_IDS, Behaviour, ScriptedServer

MAIL = b"Subject: hello\r\n\r\n.dot\r\nlast\r\n"
STATUS = b"+OK 30 octets\r\n"
STUFFED = MAIL.replace(b"\r\n.", b"\r\n..")


@pytest.mark.parametrize(
    ("fault", "octets"),
    [
        ("unstuff at RETR", STATUS + MAIL + b".\r\n"),
        ("bare LF at RETR", (STATUS + STUFFED + b".\r\n").replace(b"\r\n", b"\n")),
        ("no body at RETR", STATUS),
        ("no end at RETR", STATUS + STUFFED),
        ("shorten 20 at RETR", STATUS + b"Subject: hello\r\n\r\n..\r\n.\r\n"),
        ("shorten 0 at RETR", STATUS + b".\r\n"),
        ("pad 10 at RETR", STATUS + STUFFED + b"x" * 8 + b"\r\n.\r\n"),
        ("answer '-ERR [SYS/TEMP] later' at RETR", b"-ERR [SYS/TEMP] later\r\n"),
        ("replace 'nonsense' at RETR", b"nonsense\r\n"),
        ("prefix '+OK early' at RETR", b"+OK early\r\n" + STATUS + STUFFED + b".\r\n"),
        ("suffix '+OK 1\\r\\n+OK 2\\r\\n' at RETR", STATUS + STUFFED + b".\r\n+OK 1\r\n+OK 2\r\n"),
        ("unstuff at TOP", STATUS + STUFFED + b".\r\n"),
    ],
)
def test_the_octets_of_a_changed_reply(fault: str, octets: bytes) -> None:
    with ScriptedServer([MAIL], faults=[fault, "fin at octet 0 of NOOP"]) as server, Raw(server) as client:
        client.login()
        client.send(b"RETR 1\r\nNOOP\r\n")
        assert client.rest() == octets
        assert f"*: fault: {fault.split()[0]}" in server.transcript or "TOP" in fault


def test_endless_lines_of_every_kind() -> None:
    behaviour = Behaviour(endless_octets=70_000, greeting="hello")
    for fault, start in (
        ("endless at greeting", b"+OK hello\r\n+OK and on\r\n+OK and on\r\n"),
        ("endless line at greeting", b"+OK helloxxxxxxxxxxxx"),
    ):
        with (
            ScriptedServer(behaviour=behaviour, faults=[fault]) as server,
            Raw(server, greeted=False) as client,
        ):
            got = b""
            while len(got) < len(start):
                got += client.sock.recv(len(start) - len(got))
            assert got == start


@pytest.mark.parametrize("name", UNIQUE_IDS)
def test_odd_unique_ids(name: str) -> None:
    with ScriptedServer([MAIL, MAIL], behaviour=Behaviour(unique_ids=UNIQUE_IDS[name])) as server:
        seen = []
        for _ in range(2):
            with Raw(server) as client:
                client.login().say("UIDL")
                first, second = client.body().split(b"\r\n")[:-1]
                seen.append(first)
                assert client.say("UIDL 2") == b"+OK " + second + b"\r\n"
                client.say("QUIT")
        assert seen[0] != b"1 m1"
        assert (seen[0] != seen[1]) is (name == "changing")


@pytest.mark.parametrize("name", LISTINGS)
def test_odd_listings(name: str) -> None:
    behaviour = Behaviour(listing=LISTINGS[name], naming=LISTINGS[name])
    with ScriptedServer([MAIL] * 3, behaviour=behaviour) as server, Raw(server) as client:
        client.login()
        for verb, honest in (("LIST", b"1 30\r\n2 30\r\n3 30\r\n"), ("UIDL", b"1 m1\r\n2 m2\r\n3 m3\r\n")):
            assert client.say(verb).startswith(b"+OK")
            assert client.body() != honest


def test_wrong_counts_and_sizes() -> None:
    behaviour = Behaviour(stat=lambda messages, octets: (messages + 5, 1), sizes=lambda number, octets: octets // 2)
    with ScriptedServer([MAIL], behaviour=behaviour) as server, Raw(server) as client:
        client.login()
        assert client.say("STAT") == b"+OK 6 1\r\n"
        assert client.say("LIST 1") == b"+OK 1 15\r\n"
        client.say("LIST")
        assert client.body() == b"1 15\r\n"
