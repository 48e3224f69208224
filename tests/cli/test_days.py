"""Spans and dates as people type them."""

import pytest

from pillarbox.cli.days import DAY, NotAMoment, date, days, end

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def test_spans() -> None:
    assert [days(text) for text in ("1d", "90d", "8w", " 2W ")] == [1, 90, 56, 14]


def test_dates_begin_at_midnight_utc() -> None:
    assert date("2027-01-15") == NOW - 8 * 3600


def test_an_end_is_in_the_future() -> None:
    assert end("90d", NOW) == NOW + 90 * DAY
    assert end("2027-01-16", NOW) == NOW + 16 * 3600
    with pytest.raises(NotAMoment, match="over already"):
        end("2027-01-15", NOW)


@pytest.mark.parametrize("text", ["", "0d", "-1d", "90", "d", "1y", "999999d", "90 d d"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(NotAMoment, match="such as 60d"):
        days(text)


@pytest.mark.parametrize("text", ["", "soon", "2027-13-01", "2027-02-30", "01.02.2027", "٢٠٢٧"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(NotAMoment):
        date(text)
    with pytest.raises(NotAMoment):
        end(text, NOW)
