"""Patterns: they mean what Python's do, and they take linear time where Python's do not."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from pillarbox.fetch import patterns
from pillarbox.fetch.patterns import Pattern, PatternError

SAME = [
    "a", "ab|b", "^a", "b$", "^$", "^a*$", "(ab)+", "(?:a|b){2}", "a{2,}", "a{1,2}b", "a?b", "[ab]c", "[^a]", "a.c",
    "(a*)*c", "(a|b)*c$", r"\ba", r"a\b", r"\w\s\w", r"\d", r"\D", "()", "a|", "a{0}b", "(a+b?){1,2}c", "a*?b", "[]a]",
    "[a-b-]", "b{0,2}c", r"\.", r"[\d.]", r"[^\w]", "a||b", "((a))", "[b\\-]", "^(a|ab)(c|bcd)$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", SAME)
def test_a_pattern_means_what_it_means_in_python(pattern: str) -> None:
    ours, theirs = Pattern(pattern), re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for size in range(5):
        for letters in itertools.product("abc. 1", repeat=size):
            text = "".join(letters)
            # Python's "$" is also before a line end; header values have none.
            assert ours.found_in(text) == bool(theirs.search(text)), text


def test_random_patterns_mean_what_they_mean_in_python() -> None:
    source = random.Random(3)
    signs = ["a", "b", "[ab]", ".", "(a|b)", "(ab)", "^", "$", "|", "*", "+", "?", "{1,2}"]
    checked = 0
    for _ in range(1500):
        pattern = "".join(source.choices(signs, k=source.randrange(1, 7)))
        try:
            theirs = re.compile(pattern)
        except re.error:
            continue
        if re.search(r"[*+?}][+]", pattern) or re.search(r"[\^$]\)?[*+?{]", pattern):
            continue  # possessive in Python; a place that is repeated
        try:
            ours = Pattern(pattern)
        except PatternError:
            pytest.fail(pattern)
        checked += 1
        for _ in range(20):
            text = "".join(source.choices("abc", k=source.randrange(8)))
            assert ours.found_in(text) == bool(theirs.search(text)), (pattern, text)
    assert checked > 300


def test_letters_match_in_either_case() -> None:
    assert Pattern("straße").found_in("STRASSE")
    assert Pattern("[A-F]x").found_in("aX")
    assert not Pattern("[^A]").found_in("aaA")
    assert Pattern("ÄB").found_in("xäb")


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|a)*b", "(a|aa)+$", "^(a+)+$", "a*a*a*a*a*b", "(.*)(.*)(.*)x"])
def test_what_hangs_a_backtracking_matcher_takes_few_steps(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of steps is counted, not the time: no more than the text's length times the program's."""
    compiled = Pattern(pattern)
    steps = 0
    real = Pattern._reached

    def counted(self: Pattern, places: object, text: str, position: int) -> object:
        nonlocal steps
        found = real(self, places, text, position)  # type: ignore[arg-type]  # handed through
        steps += len(found or ())
        return found

    monkeypatch.setattr(Pattern, "_reached", counted)
    assert not compiled.found_in("a" * 2000 + "!")
    assert steps <= 2001 * len(compiled._program)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(", "ends too early"),
        (")", "closes nothing"),
        ("(a", "ends too early"),
        ("[a", "ends too early"),
        ("*a", "repeats nothing"),
        ("a{2,1}", "the smaller number first"),
        ("a{101}", "up to 100"),
        ("a{1,x}", "repetitions are written"),
        ("a{1", "repetitions are written"),
        ("((a{50}){50}){50}", "too large"),
        ("(a{100}){100}", "too large"),
        (r"(a)\1", r"\\1"),
        ("(?=a)", "look ahead"),
        ("(?P<n>a)", "look ahead"),
        (r"\q", "not there"),
        ("[b-a]", "no range"),
        ("^*", "cannot be repeated"),
        ("a\\", "ends too early"),
        ("(" * 30 + ")" * 30, "20 deep"),
        ("a" * 501, "500 characters"),
    ],
)
def test_what_is_not_there_is_refused_in_words(pattern: str, text: str) -> None:
    with pytest.raises(PatternError, match=text):
        Pattern(pattern)


def test_a_brace_that_repeats_nothing_is_a_brace() -> None:
    assert Pattern("a{b}").found_in("xa{b}")
    assert patterns.MAX_PATTERN == 500
