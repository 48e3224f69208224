"""The language of searches: what is understood, and what is refused with a reason."""

import calendar
import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.archive.errors import QueryError
from pillarbox.archive.query import (
    LONGEST,
    TERMS,
    Account,
    All,
    Any,
    Dated,
    Digest,
    Field,
    HasAttachment,
    MessageId,
    Node,
    Not,
    Sized,
    Words,
    parse,
)

NOW = 1_767_225_600.0 + 3600  # 2026-01-01 01:00


def day(year: int, month: int = 1, day: int = 1) -> int:
    return calendar.timegm((year, month, day, 0, 0, 0))


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("", None),
        ("  ", None),
        ("Hello", Words("hello")),
        ("e-mail", Words("e-mail")),
        ("inv*", Words("inv", begins=True)),
        ('"Exact Phrase"', Words("exact phrase")),
        ('subject:"Two Words"', Words("two words", Field.SUBJECT)),
        ("FROM:ada@example.org", Words("ada@example.org", Field.SENDER)),
        ("cc:x", Words("x", Field.RECIPIENTS)),
        ("filename:pdf", Words("pdf", Field.NAMES)),
        ("東", Words("東", begins=True)),
        ("東京都", Words("東京 京都")),
        ("http://example.org", Words("http://example.org")),
        ("12:30", Words("12:30")),
        ("a b", All((Words("a"), Words("b")))),
        ("a AND b", All((Words("a"), Words("b")))),
        ("a OR b", Any((Words("a"), Words("b")))),
        ("a or b", All((Words("a"), Words("or"), Words("b")))),
        ('a "OR" b', All((Words("a"), Words("or"), Words("b")))),
        ("a OR b c", Any((Words("a"), All((Words("b"), Words("c")))))),
        ("(a OR b) c", All((Any((Words("a"), Words("b"))), Words("c")))),
        ("-a", Not(Words("a"))),
        ("NOT a", Not(Words("a"))),
        ("--a", Words("a")),
        ("-(a b)", Not(All((Words("a"), Words("b"))))),
        ('-from:"x y"', Not(Words("x y", Field.SENDER))),
        ("account:Work", Account("Work", begins=False)),
        ("account:w*", Account("w", begins=True)),
        ('(account:")")', Account(")", begins=False)),
        ("has:attachment", HasAttachment()),
        ("larger:10k", Sized(10_241, None)),
        ("smaller:2M", Sized(None, 2_097_151)),
        ("id:ABCD", Digest("abcd")),
        ("msgid:<a@b>", MessageId("a@b")),
        ("after:2026-02", Dated(day(2026, 2), None)),
        ("before:2026", Dated(None, day(2026))),
        ("on:2024-02", Dated(day(2024, 2), day(2024, 3))),
        ("on:2024", Dated(day(2024), day(2025))),
        ("on:today", Dated(day(2026), day(2026, 1, 2))),
        ("on:yesterday", Dated(day(2025, 12, 31), day(2026))),
        ("after:31d", Dated(day(2025, 12, 1), None)),
    ],
)
def test_what_is_understood(text: str, node: Node | None) -> None:
    assert parse(text, NOW) == node


@pytest.mark.parametrize(
    ("text", "said", "position"),
    [
        ("from:", "followed by nothing", 0),
        ("from: ada", "followed by nothing", 0),
        ("fromm:ada", "no field “fromm:”", 0),
        ('"open', "never closed", 0),
        ("(a", "never closed", 0),
        ("a)", "closing bracket", 1),
        ("()", "nothing between", 1),
        ("OR a", "both sides", 0),
        ("a OR", "both sides", 2),
        ("AND a", "both sides", 0),
        ("a AND OR b", "both sides", 2),
        ("a NOT", "nothing behind", -1),
        ("!!!", "no letter", 0),
        ('a ")"', "no letter", 2),
        ("a*", "two letters", 0),
        ("*", "no letter", 0),
        ("after:soon", "no date", 0),
        ("after:2026-02-30", "no date", 0),
        ("after:99999y", "no date", 0),
        ("larger:big", "no size", 0),
        ("has:fun", "has:attachment", 0),
        ("id:xyz", "no id", 0),
        ("(" * 30 + "a" + ")" * 30, "within each other", 20),
        ("a " * (TERMS + 1), "terms", -1),
        ("a" * (LONGEST + 1), "longer", -1),
    ],
)
def test_what_is_refused(text: str, said: str, position: int) -> None:
    with pytest.raises(QueryError, match=re.escape(said)) as raised:
        parse(text, NOW)
    assert raised.value.position == position


@given(st.text(max_size=100) | st.text(alphabet='()"-:*aORNTD \0\u6771', max_size=60))
def test_anything_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(QueryError):
        parse(text, NOW)
