"""Faults at octets: each end as the client sees it, and the count of octets before it."""

from __future__ import annotations

import ssl
import time

import pytest
from tests.testing.client import Raw

from pillarbox.testing import Action, Behaviour, Fault, ScriptedServer
from pillarbox.testing.faults import Place

MAIL = b"Subject: hello\r\n\r\n" + b"0123456789\r\n" * 100
GREETING = b"+OK hello\r\n"
HELLO = Behaviour(greeting="hello")


@pytest.mark.parametrize("tls", ["implicit", "none"])
@pytest.mark.parametrize(
    ("action", "end"),
    [
        (Action.DROP, {"implicit": "truncated", "none": "fin"}),
        (Action.FIN, {"implicit": "fin", "none": "fin"}),
        (Action.RESET, {"implicit": "reset or truncated", "none": "reset"}),
        (Action.STALL, {"implicit": "open", "none": "open"}),
    ],
)
def test_each_end_at_an_octet_of_the_stream(tls: str, action: Action, end: dict[str, str]) -> None:
    fault = Fault(action, Place(octet=len(GREETING) + 4))
    with (
        ScriptedServer([MAIL], behaviour=HELLO, faults=[fault], tls=tls) as server,  # type: ignore[arg-type]
        Raw(server) as client,
    ):
        assert client.greeting == GREETING
        client.send(b"CAPA\r\n")
        assert client.sock.recv(4) == b"+OK "
        assert client.ends() in end[tls]
        if action is not Action.STALL:
            (session,) = server.wait_for_sessions(1)
            assert session.sent == len(GREETING) + 4


@pytest.mark.parametrize("octet", [0, 1, 15, 16, 17, 900])
def test_octets_of_a_reply(octet: int) -> None:
    with ScriptedServer([MAIL, MAIL], faults=[f"fin at octet {octet} of RETR 2"]) as server, Raw(server) as client:
        client.login()
        assert client.say("RETR 1").startswith(b"+OK")
        assert client.body() == MAIL
        client.send(b"RETR 2\r\n")
        expected = b"+OK %d octets\r\n" % len(MAIL) + MAIL + b".\r\n"
        assert client.rest() == expected[:octet]


def test_an_octet_that_a_reply_does_not_reach_is_forgotten_with_it() -> None:
    with ScriptedServer([MAIL], faults=["drop at octet 500 of NOOP"]) as server, Raw(server) as client:
        client.login()
        assert client.say("NOOP").startswith(b"+OK")
        assert client.say("RETR 1").startswith(b"+OK")
        assert client.body() == MAIL


def test_lost_replies_of_quit() -> None:
    """The same for the client; the mail is there in one case, and gone in the other."""
    for fault, left in (("drop at QUIT", 1), ("drop at octet 0 of QUIT", 0)):
        with ScriptedServer([MAIL], faults=[fault]) as server, Raw(server) as client:
            client.login().say("DELE 1")
            client.send(b"QUIT\r\n")
            assert client.rest() == b""
            assert len(server.messages) == left


def test_a_slow_reply() -> None:
    with ScriptedServer([MAIL], faults=["slow 1000 at octet 10 of RETR 1"]) as server, Raw(server) as client:
        client.login()
        begun = time.monotonic()
        client.say("RETR 1")
        client.body()
        # 1230 octets at 1000 octets a second: never faster, whatever the machine does.
        assert time.monotonic() - begun > 1.0


def test_endless_replies_have_a_bound() -> None:
    behaviour = Behaviour(endless_octets=300_000)
    with ScriptedServer([MAIL], behaviour=behaviour, faults=["endless at RETR"]) as server, Raw(server) as client:
        client.login()
        client.say("RETR 1")
        octets = 0
        try:
            while data := client.sock.recv(65536):
                octets += len(data)
        except (ConnectionResetError, ssl.SSLEOFError):
            pass
        (session,) = server.wait_for_sessions(1)
        assert session.how == "endless reply given up"
        assert 300_000 <= session.sent < 500_000
        assert octets <= session.sent


def test_a_function_is_called_at_its_place() -> None:
    seen: list[int] = []
    fault = Fault.call(lambda: seen.append(len(server.retrieved)), "octet 20 of RETR 2", once=True)
    with ScriptedServer([MAIL, MAIL], faults=[fault]) as server, Raw(server) as client:
        client.login()
        for number in (1, 2, 2):
            client.say(f"RETR {number}")
            assert client.body() == MAIL
        assert client.say("NOOP")
        assert seen == [1]


def test_stalls_and_ends_before_a_command_and_at_the_handshake() -> None:
    with ScriptedServer(faults=["reset at TLS"], tls="stls") as server, Raw(server) as client:
        assert client.say("STLS").startswith(b"+OK")
        assert client.ends() == "reset"  # the client has not begun its handshake
    with ScriptedServer(faults=["stall at command 2"], tls="none") as server, Raw(server) as client:
        client.say("CAPA")
        client.body()
        client.send(b"NOOP\r\n")
        assert client.ends() == "open"


def test_a_client_that_speaks_no_tls_is_no_defect() -> None:
    with ScriptedServer() as server:
        with Raw(server, greeted=False, tls=False) as client:
            client.send(b"CAPA\r\n")
            client.rest()
        (session,) = server.wait_for_sessions(1)
        assert session.how.startswith("TLS failed: ")


def test_what_comes_together_with_the_end_of_a_handshake_is_heard() -> None:
    """The last flight of the handshake and the first command, in one segment."""
    with ScriptedServer() as server:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.client_context().wrap_bio(incoming, outgoing, server_hostname=server.host)
        with Raw(server, greeted=False, tls=False) as client:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    client.send(outgoing.read())
                    incoming.write(client.sock.recv(65536))
            tls.write(b"CAPA\r\n")
            client.send(outgoing.read())
            server.wait_for(lambda server: server.sessions[0].commands == 1)
