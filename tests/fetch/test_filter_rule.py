"""Rules of filters: what can be written, and what is said about what cannot."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from pillarbox.config import messages
from pillarbox.fetch import filter_rule
from pillarbox.fetch.filter_rule import FilterRule


def test_the_documented_example_is_a_rule() -> None:
    assert filter_rule.__doc__
    text = filter_rule.__doc__.partition("```toml")[2].partition("```")[0]
    [table] = tomllib.loads(text)["account"]["ada"]["filter"]
    rule = FilterRule.model_validate(table)
    assert rule.sender == ("newsletter@",)
    assert (rule.older, rule.action) == (604800, "delete")


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"subject": "x"}, "action"),
        ({"action": "burn", "subject": "x"}, "action"),
        ({"action": "skip"}, "no condition, so it would be about every message"),
        ({"action": "skip", "subject": ""}, "an empty text is in every message"),
        ({"action": "skip", "subject": ["a", " "]}, "an empty text is in every message"),
        ({"action": "skip", "subject": ["a"] * 1001}, "at most 1000 texts"),
        ({"action": "skip", "subject": 5}, "a text in quotes, or a list of them"),
        ({"action": "skip", "contains": "x"}, "are about a `field`"),
        ({"action": "skip", "field": "X Y"}, "not the name of a header field"),
        ({"action": "skip", "field": "Subject:"}, "without a colon"),
        ({"action": "skip", "field": "X", "matches": "(a"}, "no pattern that can be used: the pattern ends too early"),
        ({"action": "skip", "field": "X", "matches": "(?=a)"}, "nothing can look ahead"),
        ({"action": "skip", "larger": 10, "smaller": 11}, "no message is larger than"),
        ({"action": "skip", "older": 10, "newer": 5}, "no message is older than"),
        ({"action": "skip", "larger": -1}, "larger"),
        ({"action": "skip", "subjekt": "x"}, "subjekt"),
    ],
)
def test_what_cannot_be_used_is_told(table: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FilterRule.model_validate(table)
    problems = [messages.from_error(error, FilterRule) for error in caught.value.errors(include_url=False)]
    assert any(found is not None and text in str(found[1]) for found in problems), problems


def test_rules_are_frozen() -> None:
    rule = FilterRule.model_validate({"action": "skip", "larger": 1})
    with pytest.raises(ValidationError):
        rule.larger = 2  # type: ignore[misc]  # that is the point
