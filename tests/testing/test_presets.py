"""Presets: each can be talked to, and does what it is there for."""

from __future__ import annotations

import pytest
from tests.testing.client import Raw

from pillarbox.testing import PRESETS, ScriptedServer

MAIL = b"Subject: hello\r\n\r\nhello\r\n"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_says_where_it_is_known_from_and_lets_its_user_in(name: str) -> None:
    assert PRESETS[name].source
    with ScriptedServer([MAIL], behaviour=name, tokens={"t": "ada"}) as server, Raw(server) as client:
        if PRESETS[name].user_pass:
            client.login()
            assert client.say("STAT") == b"+OK 1 25\r\n"
        else:
            assert client.say("USER ada").startswith(b"-ERR")
        assert client.say("QUIT").startswith(b"+OK")


def gmail_session(server: ScriptedServer, *lines: str, user: str = "ada") -> list[bytes]:
    with Raw(server) as client:
        client.login(user)
        replies = []
        for line in lines:
            replies.append(client.say(line))
            if line.startswith("RETR"):
                client.body()
        client.say("QUIT")
    return replies


def test_gmail_shows_a_message_once_and_recent_shows_all() -> None:
    with ScriptedServer([MAIL, MAIL], behaviour="gmail") as server:
        assert gmail_session(server, "RETR 1", "STAT")[1] == b"+OK 2 50\r\n"
        assert gmail_session(server, "STAT", "UIDL 1") == [b"+OK 1 25\r\n", b"+OK 1 m2\r\n"]
        recent = gmail_session(server, "STAT", "DELE 1", user="recent:ada")
        assert recent == [b"+OK 2 50\r\n", b"+OK message deleted\r\n"]
        assert not server.deleted
        assert len(server.messages) == 2
        gmail_session(server, "DELE 1")
        assert server.deleted == (b"m2",)


def test_outlook_refuses_passwords_and_hears_one_command_at_a_time() -> None:
    with ScriptedServer(behaviour="outlook") as server, Raw(server) as client:
        assert client.say("USER ada").startswith(b"-ERR logins with a password")
        client.send(b"CAPA\r\nQUIT\r\n")
        assert client.line().startswith(b"+OK")
        assert b"PIPELINING" not in client.body()
        assert client.ends() == "open"
