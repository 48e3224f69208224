"""Spans and dates as people type them: `90d`, `2027-01-31`, `now`.

Rules: a date begins at midnight UTC; what cannot be read is refused with what could be written.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

DAY = 86_400
_SPAN = re.compile(r"([1-9][0-9]{0,4})([dw])")
_UNITS = {"d": 1, "w": 7}


class NotAMoment(ValueError):
    """The text is no span or date. The message says what can be written."""


def days(text: str) -> int:
    """The days of a span such as `60d` or `8w`.

    Raises:
        NotAMoment: it is none.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise NotAMoment(f'"{text}" is not a number of days; write one such as 60d or 8w')
    return int(found[1]) * _UNITS[found[2]]


def date(text: str) -> float:
    """The beginning of a day such as `2027-01-31`, in UTC seconds.

    Raises:
        NotAMoment: it is none.
    """
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise NotAMoment(f'"{text}" is not a date; write one such as 2027-01-31') from None


def end(text: str, now: float) -> float:
    """When something ends: a span from now, or a date; in UTC seconds and in the future.

    Raises:
        NotAMoment: it is neither, or over.
    """
    when = now + days(text) * DAY if _SPAN.fullmatch(text.strip().lower()) else date(text)
    if when <= now:
        raise NotAMoment(f'"{text}" is over already')
    return when
