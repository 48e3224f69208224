"""The scripted server as a test uses it: mail in, what happened out; blocking and asynchronous."""

from __future__ import annotations

import asyncio
import poplib
import threading
from email.message import EmailMessage

import pytest
from tests.testing.client import Raw

from pillarbox.testing import Behaviour, ScriptedServer, ScriptedServerError

HELLO = b"Subject: hello\r\n\r\nhello\r\n.dot\r\n"


def connected(server: ScriptedServer) -> poplib.POP3:
    client: poplib.POP3
    if server.tls == "implicit":
        client = poplib.POP3_SSL(server.host, server.port, context=server.client_context(), timeout=10)
    else:
        client = poplib.POP3(server.host, server.port, timeout=10)
    try:
        if server.tls == "stls":
            client.stls(server.client_context())
        client.user(server.user)
        client.pass_(server.password)
    except BaseException:
        client.close()
        raise
    return client


@pytest.mark.parametrize("tls", ["implicit", "stls", "none"])
def test_an_honest_session(tls: str) -> None:
    with ScriptedServer([HELLO, HELLO], tls=tls) as server:  # type: ignore[arg-type]
        client = connected(server)
        assert client.stat() == (2, 62)
        assert client.retr(1)[1] == HELLO.split(b"\r\n")[:-1]
        client.dele(1)
        assert not server.deleted
        client.quit()
        assert server.deleted_messages[0].octets == HELLO
        assert server.deleted == (b"m1",)
        assert server.retrieved == (b"m1",)
        assert [message.unique_id for message in server.messages] == [b"m2"]
        (login,) = server.logins
        assert (login.user, login.mechanism, login.accepted, bool(login.tls)) == (
            "ada",
            "USER/PASS",
            True,
            tls != "none",
        )
        assert server.wait_for_sessions(1)[0].how == "quit"
        assert "C: PASS *\nS: +OK 2 messages (62 octets)\n" in server.transcript
        assert "open sesame" not in server.transcripts
        assert server.url == f"{'pops' if tls == 'implicit' else 'pop3'}://ada@localhost:{server.port}"


def test_mail_comes_and_goes_while_it_runs() -> None:
    message = EmailMessage()
    message["Subject"] = "second"
    message.set_content("text\n")
    with ScriptedServer({"ada": HELLO, "bob": [HELLO, HELLO]}, users={"ada": "a", "bob": "b"}) as server:
        client = connected(server)
        assert server.add(message, unique_id=b"my-own") == [b"my-own"]
        assert client.stat()[0] == 1
        client.quit()
        client = connected(server)
        assert client.uidl()[1] == [b"1 m1", b"2 my-own"]
        client.quit()
        server.remove(b"m1")
        assert [shelved.unique_id for shelved in server.messages] == [b"my-own"]
        assert len(server.messages_of("bob")) == 2


def test_without_quit_nothing_is_deleted() -> None:
    with ScriptedServer([HELLO]) as server:
        client = connected(server)
        client.dele(1)
        client.close()
        assert server.wait_for_sessions(1)[0].how == "client left"
        assert server.deleted == ()


def test_faults_can_be_changed_while_it_runs() -> None:
    with ScriptedServer([HELLO]) as server, Raw(server) as client:
        client.login()
        server.script('answer "-ERR scripted" at NOOP')
        assert client.say("NOOP") == b"-ERR scripted\r\n"
        server.script()
        assert client.say("NOOP").startswith(b"+OK")
        server.behave(refused=frozenset({"TOP"}))
        assert client.say("TOP 1 0") == b"-ERR unknown command\r\n"


def test_a_fault_for_once_strikes_once() -> None:
    with ScriptedServer([HELLO], faults=['answer "-ERR [IN-USE] busy" at LOGIN once']) as server:
        with pytest.raises(poplib.error_proto, match="IN-USE"):
            connected(server)
        connected(server).quit()


def test_a_fault_of_one_session_leaves_the_others_alone() -> None:
    with ScriptedServer([HELLO], faults=["drop at 1st USER in session 1"]) as server:
        with pytest.raises(poplib.error_proto, match="EOF"):
            connected(server)
        connected(server).quit()


def test_waiting() -> None:
    with ScriptedServer([HELLO]) as server:
        threading.Timer(0.05, lambda: connected(server).quit()).start()
        server.wait_for(lambda server: server.logins)
        with pytest.raises(ScriptedServerError, match=r"0\.05 seconds passed; what was said:"):
            server.wait_for(lambda server: server.deleted, seconds=0.05)


def test_it_can_be_used_from_asyncio() -> None:
    async def talk(server: ScriptedServer) -> bytes:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=server.client_context(), server_hostname=server.host
        )
        greeting = await reader.readline()
        writer.write(b"QUIT\r\n")
        await reader.readline()
        assert await reader.read() == b""
        writer.close()
        return greeting

    with ScriptedServer(behaviour=Behaviour(greeting="hello")) as server:
        assert asyncio.run(talk(server)) == b"+OK hello\r\n"


def test_stopping_ends_whatever_hangs() -> None:
    with ScriptedServer([HELLO], faults=["stall at USER", "slow 1 at NOOP"]) as server:
        clients = [Raw(server), Raw(server), Raw(server, greeted=False)]
        clients[0].send(b"USER ada\r\n")
        clients[1].send(b"NOOP\r\n")
        server.wait_for(lambda server: all(each.commands for each in server.sessions[:2]))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(f"pop3-{server.port}")]
    server.stop()  # safe to repeat
    for client in clients:
        client.close()


def test_an_unknown_preset_or_fault_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="explode"):
        ScriptedServer(faults=["explode"])
    with pytest.raises(ValueError, match="there is no preset 'hotmail'; there are: pillarbox, "):
        ScriptedServer(behaviour="hotmail")
