"""P21, P32, P33, P41, P59, P60: one conversation as a whole."""

from __future__ import annotations

import pytest
from tests.session.talk import World

from pillarbox.events import InternalError, SessionEnded
from pillarbox.maildrop.stores.memory import MemoryMaildrop
from pillarbox.session.context import Door, Policy
from pillarbox.session.session import HANDLERS
from pillarbox.wire.commands import Verb
from pillarbox.wire.states import State


def test_every_verb_has_its_handler() -> None:
    assert set(HANDLERS) == set(Verb)


def test_too_many_bad_commands_before_login(world: World) -> None:
    """P33: few before login; a good one resets the count."""
    world.policy = Policy(bad_commands_before_login=3, bad_commands=5)
    talk = world.talk()
    for line in ("NOPE", "STAT", "CAPA", "NOPE", "USER", "QUIT now"):
        assert talk.state is State.AUTHORIZATION
        answer = talk.say(line)
    assert answer == "-ERR too many bad commands\r\n"
    assert talk.state is State.CLOSED


def test_more_bad_commands_are_borne_after_login(world: World) -> None:
    """P33."""
    world.policy = Policy(bad_commands_before_login=3, bad_commands=5)
    talk = world.talk(user="ada")
    for _ in range(2):
        for _ in range(4):
            assert talk.say("RETR 0") == "-ERR that is not a message number\r\n"
        assert talk.say("RETR 9") == "-ERR no such message\r\n"  # a well-formed command
    talk.say("x\r\nx\r\nx\r\nx")
    assert talk.say("x") == "-ERR too many bad commands\r\n"
    assert talk.state is State.CLOSED
    talk.end("refused")
    assert world.messages() == 3


def test_an_overlong_line_is_answered_once(world: World) -> None:
    """P32."""
    talk = world.talk(user="ada")
    assert talk.say("DELE " + "1" * 5000 + "\r\nSTAT") == "-ERR command line too long\r\n+OK 3 80\r\n"


def test_only_response_codes_begin_with_a_bracket(world: World) -> None:
    """P41: whatever a client says."""
    world.policy = Policy(bad_commands_before_login=99)
    talk = world.talk()
    for line in ("[AUTH]", "USER [x]", "LANG [AUTH]", "AUTH [AUTH]", "LIST [", "TOP [ ["):
        assert not talk.say(line).split(" ", 1)[1].startswith("[")


def test_a_defect_becomes_an_event_and_a_close(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """P60: the peer learns no class name and no path, the event no value."""

    async def read(self: MemoryMaildrop, index: int, start: int, stop: int) -> None:
        raise ZeroDivisionError("a private value")

    monkeypatch.setattr(MemoryMaildrop, "read", read)
    talk = world.talk(user="ada")
    talk.say("DELE 2")
    assert talk.say("RETR 1") == "-ERR [SYS/TEMP] internal error\r\n"
    assert talk.state is State.CLOSED
    (event,) = world.sink.of(InternalError)
    assert event.error == "ZeroDivisionError"
    assert any(frame.startswith("session/mail.py:") and frame.endswith(" retr") for frame in event.where)
    assert "private" not in repr(world.sink.events)
    talk.end("error")
    assert world.messages() == 3  # P21


def test_the_summary(world: World) -> None:
    """P59: one for each session, with what it did."""
    talk = world.talk(user="ada")
    talk.say("RETR 1\r\nRETR 1\r\nRETR 2\r\nTOP 3 0\r\nDELE 1\r\nRETR 9\r\nNOPE\r\nQUIT")
    talk.end("quit")
    (event,) = world.sink.of(SessionEnded)
    assert (event.user, event.how, event.tls, event.peer) == ("ada", "quit", "TLSv1.3", "192.0.2.1")
    assert (event.messages, event.octets) == (3, 80)
    assert (event.retrieved, event.retrieved_octets, event.topped) == (2, 76, 1)
    assert (event.marked, event.deleted) == (1, 1)
    assert (event.commands, event.errors) == (10, 2)
    assert not world.admitted


def test_the_summary_of_a_session_that_was_cut(world: World) -> None:
    """P21, P59."""
    talk = world.talk(user="ada")
    talk.say("DELE 1")
    talk.end("idle")
    (event,) = world.sink.of(SessionEnded)
    assert (event.marked, event.deleted, event.how) == (1, 0, "idle")
    talk = world.talk(tls="", door=Door(stls=True))
    talk.say("USER ada")
    talk.end("closed")
    assert world.sink.of(SessionEnded)[1].user == "ada"


def test_the_summary_comes_whatever_a_store_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def release(self: MemoryMaildrop) -> None:
        raise OSError("gone")

    monkeypatch.setattr(MemoryMaildrop, "release", release)
    talk = world.talk(user="ada")
    talk.end("closed")
    assert len(world.sink.of(SessionEnded)) == len(world.sink.of(InternalError)) == 1
    assert not world.admitted
