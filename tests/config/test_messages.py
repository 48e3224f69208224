import datetime

import pytest

from pillarbox.config import ConfigError
from pillarbox.config.load import parse
from pillarbox.config.messages import found_words, from_toml

SYNTAX = {
    "a = ": "value is missing",
    "a = hello": "double quotes",
    "a=1\na=2": "written twice",
    "[a]\n[a]": "written twice",
    "[a]\nb=1\n[a.b]": "written",
    'a = "b': "not closed",
    'a = """b': "not closed",
    "a = [1 2]": "not closed",
    "a = {b=1 c=2}": "not closed",
    "[server": "] is missing",
    "a 1": "followed by =",
    "a=1 b=2": "one setting a line",
    'a = "\\q"': "backslash",
    "a = '\x01'": "does not allow",
    "=3": "neither a setting",
    "a.=3": "key was expected",
    "a = 2027-13-77": "",
    "\x00": "",
}


@pytest.mark.parametrize("text", SYNTAX)
def test_syntax_errors_are_one_plain_sentence_with_their_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "p.toml")
    [problem] = caught.value.problems
    assert problem.line == text.count("\n") + 1
    assert SYNTAX[text] in problem.what
    assert "(at line" not in str(problem)
    assert "Expected" not in str(problem)


def test_an_unheard_of_syntax_error_still_has_a_sentence() -> None:
    problem = from_toml("Flux error (at line 2, column 1)", "a=1\nb=2\n", "")
    assert (problem.line, problem.what, problem.instead) == (2, "this is not valid TOML", "the line is: b=2")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("995", 'the text "995"'),
        (True, "true"),
        (3, "the number 3"),
        (float("inf"), "the number inf"),
        ([], "an empty list"),
        ([1], "a list"),
        ({}, "a table"),
        (datetime.date(2027, 1, 2), "the date or time 2027-01-02"),
        (datetime.time(1, 2), "the date or time 01:02:00"),
        (None, "nothing"),
    ],
)
def test_what_was_found_in_words(value: object, words: str) -> None:
    assert found_words(value) == words


def test_long_texts_are_cut() -> None:
    assert len(found_words("x" * 10_000)) < 100
