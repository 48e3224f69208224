"""P39, P43, P52: the table, every (state, verb, argument) of it."""

import itertools

import pytest

from pillarbox.wire.commands import Command, Verb
from pillarbox.wire.dialogue import Dialogue
from pillarbox.wire.states import TABLE, Row, Shape, State, diagram, illegal_text

A, N, T, END = State.AUTHORIZATION, State.NAMED, State.TRANSACTION, State.CLOSED

# Written down a second time, from the RFCs and not from the table: state -> "VERB" or "VERB+" (with an argument).
BEFORE_LOGIN = {"USER+", "APOP+", "AUTH", "AUTH+", "STLS", "CAPA", "UTF8", "LANG", "LANG+", "QUIT"}
LEGAL: dict[State, set[str]] = {
    State.GREETING: set(),
    A: BEFORE_LOGIN,
    N: BEFORE_LOGIN | {"PASS", "PASS+"},
    State.SASL: set(),
    State.TLS: set(),
    T: {
        *("STAT", "LIST", "LIST+", "RETR+", "DELE+", "NOOP", "RSET", "TOP+", "UIDL", "UIDL+"),
        *("CAPA", "LANG", "LANG+", "QUIT"),
    },
    END: set(),
}
MULTI = {"AUTH", "CAPA", "LANG", "LIST", "RETR+", "TOP+", "UIDL"}
LEADS = {  # where +OK and -ERR lead, where that is elsewhere than here
    "USER+": (N, A), "APOP+": (T, A), "AUTH+": (T, A), "STLS": (State.TLS, None), "PASS": (T, A), "PASS+": (T, A),
    "QUIT": (END, END),
}  # fmt: skip


EVERYTHING = list(itertools.product(State, Verb, (False, True)))


@pytest.mark.parametrize(("state", "verb", "given"), EVERYTHING)
def test_every_state_verb_and_argument(state: State, verb: Verb, given: bool) -> None:
    name = verb.name + ("+" if given else "")
    row = TABLE.get((state, verb, given))
    if name not in LEGAL[state]:
        assert row is None
        return
    ok, err = LEADS.get(name, (None, None))
    shape = Shape.SASL if name == "AUTH+" else Shape.MULTI if name in MULTI else Shape.SINGLE
    assert row == Row(shape, state if ok is None else ok, state if err is None else err)


@pytest.mark.parametrize(("state", "verb", "given"), EVERYTHING)
def test_the_dialogue_follows_the_table(state: State, verb: Verb, given: bool) -> None:
    for ok in (True, False):
        dialogue = Dialogue()
        dialogue.state = state
        command = Command(verb, argument=b"x" if given else b"")
        row = TABLE.get((state, verb, given))
        assert dialogue.row(command) == row
        if row is None or (state in (State.GREETING, State.TLS, END)):
            continue
        dialogue.asked(command)
        shape = dialogue.answered(ok=ok)
        assert dialogue.state is (row.ok if ok else row.err)
        assert (shape is Shape.MULTI) == (ok and row.shape is Shape.MULTI)
        assert not dialogue.pending


def test_illegal_commands_are_explained() -> None:
    assert illegal_text(A, Verb.PASS) == "USER comes first"
    assert illegal_text(A, Verb.STAT) == "log in first"
    assert illegal_text(T, Verb.USER) == "not possible after login"
    assert illegal_text(T, Verb.STLS) == "not possible after login"


def test_the_diagram_shows_every_state_and_every_verb() -> None:
    text = diagram()
    assert text.startswith("stateDiagram-v2\n")
    for state in State:
        assert f"    {state.name}: " in text
    for verb in Verb:
        assert verb.name in text
    for (state, verb, _), row in TABLE.items():
        if row.shape is not Shape.SASL:
            arrows = [line for line in text.splitlines() if line.strip().startswith(f"{state.name} --> {row.ok.name}:")]
            assert any(verb.name in line for line in arrows)
