"""Time-outs and limits."""

import pytest

from pillarbox.client.settings import Limits, Timeout


def test_a_message_may_be_as_long_as_listed_and_a_little_more() -> None:
    limits = Limits(message=1000)
    assert limits.octets(0) == 64 * 1024
    assert limits.octets(1_000_000) == 1_100_000 + 64 * 1024
    assert Limits().octets(10) == 1024 * 1024


@pytest.mark.parametrize("wrong", [{"connect": 0}, {"command": -1}, {"min_rate": 0}, {"session": 0}])
def test_no_time_at_all_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Timeout(**wrong)
    assert Timeout(session=None).session is None
