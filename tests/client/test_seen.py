"""Spans of time."""

import pytest

from pillarbox.client.errors import UsageError
from pillarbox.client.seen import seconds


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ("30d", 2_592_000),
        ("12h", 43_200),
        ("90m", 5400),
        ("2w", 1_209_600),
        ("5 s", 5),
        (0, 0),
        (1.5, 1.5),
        (None, None),
    ],
)
def test_spans(span: str | float | None, expected: float | None) -> None:
    assert seconds(span) == expected


@pytest.mark.parametrize("span", ["30", "d", "-1d", "1 month", "", -1, float("nan"), float("inf")])
def test_what_is_no_span(span: str | float) -> None:
    with pytest.raises(UsageError):
        seconds(span)
