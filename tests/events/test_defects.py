"""A defect is told by its type and its places, never by what it was about."""

from __future__ import annotations

import msgspec
import pytest

from pillarbox.events.defects import internal_error
from pillarbox.wire.grammar import __file__ as grammar_file


def fail(depth: int, secret: str) -> None:
    if depth:
        fail(depth - 1, secret)
    raise LookupError(f"no {secret}", secret)


def caught(secret: str) -> LookupError:
    try:
        fail(2, secret)
    except LookupError as error:
        return error
    raise AssertionError


def test_type_and_places_innermost_last() -> None:
    event = internal_error(caught("hunter2"), "session-1")
    assert (event.error, event.session) == ("LookupError", "session-1")
    assert [place.split()[-1] for place in event.where] == ["caught", "fail", "fail", "fail"]
    line = int(event.where[-1].split()[0].rpartition(":")[2])
    assert line == fail.__code__.co_firstlineno + 3


def test_the_text_of_the_exception_is_not_in_it() -> None:
    """P60: neither its own, nor that of the one it came from."""
    error = caught("hunter2")
    error.__cause__ = ValueError("hunter2")
    error.add_note("hunter2")
    assert b"hunter2" not in msgspec.json.encode(internal_error(error))


def test_places_of_our_own_files_are_short() -> None:
    source = compile("1 / 0", grammar_file, "exec")
    with pytest.raises(ZeroDivisionError) as raised:
        exec(source)
    assert internal_error(raised.value).where[-1] == "wire/grammar.py:1 <module>"


def test_an_exception_that_was_never_raised_has_no_places() -> None:
    assert internal_error(KeyError("x")).where == []
