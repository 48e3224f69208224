"""Filters: what fits, in what order, and that nothing in a header breaks them."""

from __future__ import annotations

from typing import Any

import pytest

from pillarbox.fetch.filter_rule import FilterRule
from pillarbox.fetch.filters import HeaderFilter
from pillarbox.fetch.verdict import Decision, Filter, Verdict

NOW = 1_700_000_000.0 + 7 * 86_400
HEADER = (
    b"Received: from x by y; Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: =?utf-8?q?K=C3=A4the?= <kate@example.org>\r\n"
    b"To: a@example.org,\r\n b@example.org\r\nCc: c@example.org\r\nSubject: =?utf-8?b?U29uZGVyYW5nZWJvdA==?= 10%\r\n"
    b"List-Id: Offers <offers.example.org>\r\nX-Spam-Flag: YES\r\nX-Level: ***\r\nX-Level: *\r\n\r\n"
)


def made(*rules: dict[str, Any]) -> HeaderFilter:
    return HeaderFilter([FilterRule.model_validate({"action": "skip", **rule}) for rule in rules], lambda: NOW)


def fits(**rule: Any) -> bool:
    return made(rule)(HEADER, 5000).verdict is Verdict.SKIP


@pytest.mark.parametrize(
    "rule",
    [
        {"sender": "käthe"},
        {"sender": "KATE@EXAMPLE.ORG"},
        {"sender": ["nobody", "kate"]},
        {"recipient": "B@example.org"},
        {"recipient": "c@example"},
        {"subject": "sonderangebot 10%"},
        {"list_id": "offers.example.org"},
        {"field": "x-spam-flag"},
        {"field": "X-Spam-Flag", "contains": "yes"},
        {"field": "X-Level", "matches": r"^\*{3,}$"},
        {"field": "subject", "matches": r"^sonder.*\b10%$"},
        {"larger": 4999},
        {"smaller": 5001},
        {"older": 604_799},
        {"newer": 604_801},
        {"sender": "kate", "subject": "sonder", "larger": 100, "older": 1},
    ],
)
def test_what_is_true_fits(rule: dict[str, Any]) -> None:
    assert fits(**rule)


@pytest.mark.parametrize(
    "rule",
    [
        {"sender": "offers"},
        {"recipient": "kate"},
        {"subject": "=?utf-8"},
        {"field": "X-None"},
        {"field": "X-Spam-Flag", "contains": "no"},
        {"field": "X-Level", "matches": r"^\*{4,}$"},
        {"larger": 5000},
        {"smaller": 5000},
        {"older": 604_800},
        {"newer": 604_800},
        {"sender": "kate", "subject": "other"},
        {"field": "X-Spam-Flag", "contains": "yes", "matches": "^no"},
    ],
)
def test_what_is_not_true_does_not_fit(rule: dict[str, Any]) -> None:
    assert not fits(**rule)


def test_the_first_rule_that_fits_decides() -> None:
    asked: Filter = made(
        {"sender": "kate", "subject": "invoice", "action": "fetch"},
        {"sender": "kate", "action": "delete", "reason": "Kate's offers"},
        {"larger": 1},
    )
    assert asked(HEADER, 5000) == Decision(Verdict.DELETE, "Kate's offers")
    assert asked(b"From: kate\r\nSubject: Invoice 5\r\n\r\n", 5000).verdict is Verdict.FETCH
    assert asked(b"", 5000) == Decision(Verdict.SKIP, "rule 3")
    assert asked(b"", 1) == Decision(Verdict.FETCH)
    assert made()(HEADER, 1).verdict is Verdict.FETCH


def test_a_date_that_cannot_be_read_fits_nothing() -> None:
    for date in (b"", b"Date: soon\r\n", b"Date: Tue, 99 Nov 2023 99:99:99 +9999\r\n"):
        assert made({"older": 0, "action": "delete"})(date + b"\r\n", 1).verdict is Verdict.FETCH
        assert made({"newer": 1e9, "action": "delete"})(date + b"\r\n", 1).verdict is Verdict.FETCH


@pytest.mark.parametrize(
    "header",
    [
        b"\0\xff" * 10_000,
        b"Subject: " + b"a" * 300_000,
        b"Subject: " + b"=?utf-8?q?" * 20_000,
        b"From\r\n:\r\n : \r\n" * 1000,
        b"X: a\r\n" * 5000 + b"\r\n",
        b"Subject:" + b"\r\n " * 50_000,
    ],
)
def test_hostile_headers_are_decided_like_any_other(header: bytes) -> None:
    asked = made(
        {"sender": "a", "recipient": "b", "subject": "c"},
        {"field": "subject", "matches": "(a*)*b"},
        {"field": "x", "matches": "(x+x+)+y"},
        {"older": 1},
    )
    assert asked(header, 1).verdict is Verdict.FETCH


def test_only_so_many_values_of_a_field_are_looked_at() -> None:
    asked = made({"field": "x", "contains": "bad"})
    assert asked(b"X: ok\r\n" * 19 + b"X: bad\r\n\r\n", 1).verdict is Verdict.SKIP
    assert asked(b"X: ok\r\n" * 20 + b"X: bad\r\n\r\n", 1).verdict is Verdict.FETCH
