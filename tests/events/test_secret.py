"""P60: a Secret shows itself only when asked by name."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import msgspec
import pytest

from pillarbox.events import Secret, Warned

SECRET = Secret("hünter2")


@pytest.mark.parametrize(
    "show", [str, repr, ascii, lambda value: f"{value}", "{:>40}".format, lambda value: f"{value!s}"]
)
def test_no_text_of_it_holds_the_value(show: object) -> None:
    assert callable(show)
    shown = show(SECRET)
    assert "nter2" not in shown
    assert "Secret(" in shown
    assert "nter2" not in str([SECRET]) + str({"password": SECRET}) + "%s %r" % (SECRET, SECRET)  # noqa: UP031


def test_reveal_gives_the_octets() -> None:
    assert SECRET.reveal() == "hünter2".encode()
    assert Secret(b"\x00\xff").reveal() == b"\x00\xff"
    assert len(SECRET) == 8
    assert not Secret("")


def test_it_does_not_leave_the_process() -> None:
    for give_away in (pickle.dumps, json.dumps, msgspec.json.encode, msgspec.msgpack.encode, vars):
        with pytest.raises(TypeError):
            give_away(SECRET)
    assert copy.copy(SECRET) is SECRET
    assert copy.deepcopy([SECRET])[0] is SECRET


def test_no_event_can_hold_one() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(Warned(about="x", text=SECRET))  # type: ignore[arg-type]


def test_equality_is_of_secrets_only_and_none_is_a_key() -> None:
    assert Secret("hünter2".encode()) == SECRET
    assert Secret("hunter2") != SECRET
    assert SECRET != "hünter2"
    assert "hünter2".encode() != SECRET
    with pytest.raises(TypeError, match="not hashable"):
        hash(SECRET)


def test_a_traceback_with_local_variables_does_not_show_it() -> None:
    try:
        password = SECRET
        raise ValueError(password)
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "password = Secret(…)" in shown
    assert "nter2" not in shown.replace('Secret("hünter2")', "")
