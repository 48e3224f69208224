"""From queries to SQL: what a person wrote is never part of it."""

from pillarbox.archive.query import parse
from pillarbox.archive.statement import plan


def test_words_are_one_expression_for_the_index_of_words() -> None:
    assert plan(None) == plan(parse("", 0))
    assert plan(parse("a -b (c OR d)", 0)).match == '(("a") AND (("c") OR ("d"))) NOT (("b"))'
    assert plan(parse("a b", 0)).conditions == ()
    assert plan(parse("-a", 0)).match is None


def test_what_was_written_is_bound_or_quoted() -> None:
    found = plan(parse("account:'; -body:x larger:1 msgid:%;-- word", 0))
    assert found.match == '(("word")) NOT ((body : "x"))'
    assert [condition.values for condition in found.conditions] == [("';",), (2,), ("%;--",)]
    for condition in found.conditions:
        assert condition.text.startswith("+rowid IN (SELECT ")
        assert "%" not in condition.text


def test_dates_are_ranges_of_rows() -> None:
    (condition,) = plan(parse("before:1970 word", 0)).conditions
    assert (condition.text, condition.values) == ("rowid <= ?", (-1,))
    (condition,) = plan(parse("on:1970-01-02", 0)).conditions
    assert condition.values == (86_400 << 8, (86_400 * 2 << 8) - 1)
