"""What a scripted server does with commands: refuses them, answers them falsely, or never hears them."""

from __future__ import annotations

import base64

import pytest
from tests.testing.client import Raw

from pillarbox.testing import Behaviour, ScriptedServer
from pillarbox.testing.conversation import finished

MAIL = b"Subject: hello\r\n\r\nhello\r\n"


def test_refused_commands_are_unknown_and_not_in_capa() -> None:
    behaviour = Behaviour(refused=frozenset({"TOP", "UIDL"}), capa_with=("X-MORE 1 2",))
    with ScriptedServer([MAIL], behaviour=behaviour) as server, Raw(server) as client:
        client.say("CAPA")
        shown = client.body().split(b"\r\n")
        assert b"X-MORE 1 2" in shown
        assert b"UIDL" not in shown
        client.login()
        assert client.say("UIDL") == client.say("TOP 1 0") == b"-ERR unknown command\r\n"


def test_a_server_without_capa() -> None:
    with ScriptedServer(behaviour="popa3d") as server, Raw(server) as client:
        assert client.greeting == b"+OK\r\n"
        assert client.say("CAPA").startswith(b"-ERR")


def test_pipelined_commands_are_answered_in_order() -> None:
    with ScriptedServer([MAIL]) as server, Raw(server) as client:
        client.login()
        client.send(b"NOOP\r\nSTAT\r\nRETR 1\r\nQUIT\r\n")
        assert client.rest().startswith(b"+OK done\r\n+OK 1 25\r\n+OK 25 octets\r\nSubject")


def test_pipelined_commands_that_are_not_heard() -> None:
    with ScriptedServer([MAIL], behaviour=Behaviour(pipelining=False)) as server, Raw(server) as client:
        client.login()
        client.send(b"NOOP\r\nSTAT\r\nSTAT\r\n")
        assert client.line() == b"+OK done\r\n"
        assert client.say("QUIT") == b"+OK bye\r\n"
        assert "12 pipelined octets thrown away" in server.transcript
        assert "PIPELINING" not in server.transcript


def test_a_command_that_is_answered_falsely_is_not_carried_out() -> None:
    with ScriptedServer([MAIL], faults=['answer "+OK deleted" at DELE']) as server, Raw(server) as client:
        client.login()
        assert client.say("DELE 1") == b"+OK deleted\r\n"
        client.say("QUIT")
        assert len(server.messages) == 1


def test_the_nth_command_of_a_kind_and_of_all() -> None:
    faults = ["answer '-ERR second' at 2nd NOOP", "answer '-ERR seventh' at command 7"]
    with ScriptedServer(faults=faults) as server, Raw(server) as client:
        client.login()
        replies = [client.say(line) for line in ("NOOP", "RSET", "NOOP", "NONSENSE", "NOOP", "NOOP")]
        assert [reply[:5] for reply in replies] == [b"+OK d", b"+OK 0", b"-ERR ", b"-ERR ", b"-ERR ", b"+OK d"]
        assert replies[4] == b"-ERR seventh\r\n"


def test_octets_behind_stls_reach_the_client_before_the_handshake() -> None:
    with ScriptedServer([MAIL], tls="stls", faults=["suffix '+OK injected' at STLS"]) as server, Raw(server) as client:
        client.send(b"STLS\r\n")
        assert client.line() == b"+OK begin TLS now\r\n"
        assert client.line() == b"+OK injected\r\n"
        client.secure()
        client.login()


def test_a_client_that_talks_behind_stls_is_cut_off() -> None:
    """P51."""
    with ScriptedServer([MAIL], tls="stls") as server, Raw(server) as client:
        client.send(b"STLS\r\nUSER ada\r\n")
        assert client.rest() == b"+OK begin TLS now\r\n"
        assert server.wait_for_sessions(1)[0].how == "plaintext behind STLS"


def test_a_refusing_greeting_ends_the_connection() -> None:
    with ScriptedServer(faults=["answer '-ERR [SYS/TEMP] later' at greeting"]) as server, Raw(server) as client:
        assert client.greeting == b"-ERR [SYS/TEMP] later\r\n"
        assert client.rest() == b""


def test_a_token_on_a_line_of_its_own() -> None:
    """Outlook's two steps; an initial response is an error there."""
    token = base64.b64encode(b"user=ada\x01auth=Bearer right\x01\x01").decode()
    with ScriptedServer([MAIL], behaviour="outlook", tokens={"right": "ada"}) as server, Raw(server) as client:
        assert client.say(f"AUTH XOAUTH2 {token}") == b"-ERR protocol error\r\n"
        assert client.say("AUTH XOAUTH2") == b"+ \r\n"
        assert client.say(token).startswith(b"+OK 1 message")
        assert token not in server.transcripts
        assert "C: *\n" in server.transcript


@pytest.mark.parametrize("octets", [70_000, 300])
def test_an_overlong_line_is_one_bad_command(octets: int) -> None:
    with ScriptedServer() as server, Raw(server) as client:
        client.send(b"x" * octets + b"\r\n")
        assert client.line() == b"-ERR command line too long\r\n"
        assert client.login().say("NOOP").startswith(b"+OK")


def test_what_waits_is_a_defect() -> None:
    class Waits:
        def __await__(self):  # type: ignore[no-untyped-def]
            yield

    async def waits() -> None:
        await Waits()

    with pytest.raises(RuntimeError, match="waited"):
        finished(waits())
