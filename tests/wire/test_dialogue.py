"""P35, P45: the progress of a conversation."""

import pytest

from pillarbox.wire import limits
from pillarbox.wire.commands import Command, Verb
from pillarbox.wire.dialogue import Dialogue
from pillarbox.wire.errors import ProtocolError
from pillarbox.wire.states import Shape, State


def at(dialogue: Dialogue) -> State:
    """A function, because a type checker takes an attribute for unchanged."""
    return dialogue.state


def greeted() -> Dialogue:
    dialogue = Dialogue()
    dialogue.greeted(ok=True)
    return dialogue


def test_there_is_one_greeting() -> None:
    dialogue = greeted()
    assert at(dialogue) is State.AUTHORIZATION
    with pytest.raises(ProtocolError):
        dialogue.greeted(ok=True)
    refused = Dialogue()
    refused.greeted(ok=False)
    assert at(refused) is State.CLOSED


def test_pipelined_commands_change_the_state_when_their_replies_come() -> None:
    """P35."""
    dialogue = greeted()
    for command in (Command(Verb.USER, argument=b"a"), Command(Verb.PASS, argument=b"b"), Command(Verb.LIST)):
        dialogue.asked(command)
    assert at(dialogue) is State.AUTHORIZATION
    dialogue.answered(ok=True)
    assert at(dialogue) is State.NAMED
    dialogue.answered(ok=True)
    assert at(dialogue) is State.TRANSACTION
    assert dialogue.answered(ok=True) is Shape.MULTI


def test_what_was_pipelined_behind_a_refused_password_is_illegal() -> None:
    dialogue = greeted()
    for command in (Command(Verb.USER, argument=b"a"), Command(Verb.PASS, argument=b"b"), Command(Verb.STAT)):
        dialogue.asked(command)
    dialogue.answered(ok=True)
    dialogue.answered(ok=False)
    with pytest.raises(ProtocolError):
        dialogue.answered(ok=True)
    assert dialogue.answered(ok=False) is Shape.SINGLE
    assert at(dialogue) is State.AUTHORIZATION


def test_a_reply_needs_a_command() -> None:
    with pytest.raises(ProtocolError):
        greeted().answered(ok=True)
    dialogue = greeted()
    dialogue.asked(None)
    with pytest.raises(ProtocolError):
        dialogue.answered(ok=True)
    dialogue.answered(ok=False)


def test_an_exchange_alternates_challenges_and_responses() -> None:
    """P45."""
    dialogue = greeted()
    with pytest.raises(ProtocolError):
        dialogue.challenged()
    dialogue.asked(Command(Verb.AUTH, argument=b"PLAIN"))
    with pytest.raises(ProtocolError):
        dialogue.responded()
    dialogue.challenged()
    assert at(dialogue) is State.SASL
    with pytest.raises(ProtocolError):
        dialogue.challenged()
    dialogue.responded()
    with pytest.raises(ProtocolError):
        dialogue.responded()
    dialogue.challenged()
    dialogue.answered(ok=False)
    assert at(dialogue) is State.AUTHORIZATION
    assert not dialogue.awaiting_response


def test_a_list_of_mechanisms_is_no_exchange() -> None:
    dialogue = greeted()
    dialogue.asked(Command(Verb.AUTH))
    with pytest.raises(ProtocolError):
        dialogue.challenged()


def test_tls_starts_afresh_and_only_behind_stls() -> None:
    """P51."""
    dialogue = greeted()
    with pytest.raises(ProtocolError):
        dialogue.secured()
    dialogue.asked(Command(Verb.USER, argument=b"a"))
    dialogue.answered(ok=True)
    dialogue.asked(Command(Verb.STLS))
    dialogue.answered(ok=True)
    assert at(dialogue) is State.TLS
    dialogue.asked(Command(Verb.CAPA))
    dialogue.secured()
    assert at(dialogue) is State.AUTHORIZATION
    assert not dialogue.pending


def test_unanswered_commands_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """P36."""
    monkeypatch.setattr(limits, "PENDING_COMMANDS", 3)
    dialogue = greeted()
    for _ in range(3):
        dialogue.asked(Command(Verb.NOOP))
    with pytest.raises(ProtocolError):
        dialogue.asked(Command(Verb.NOOP))
