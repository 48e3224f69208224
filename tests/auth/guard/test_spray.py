import pytest
from tests.auth.guard.scenes import DAY, START, bot

from pillarbox.auth.guard.places import place
from pillarbox.auth.guard.spray import Evidence, Kind, SprayDetector
from pillarbox.config.schema_guard import Guard

HOUR = 3600.0


def detector(popular: bool = False, **settings: float) -> SprayDetector:
    return SprayDetector(Guard.model_validate(settings), lambda common: popular and common is not None)


def evidence(number: int, account: str | None = None, unknown: bool = False) -> Evidence:
    return Evidence(place(bot(number)).address, account or f"u{number}", number, unknown)


def fill(found: SprayDetector, count: int, *, account: str | None = None, unknown: bool = False) -> int:
    """The number of the piece that raises the alarm; 0 for none."""
    for number in range(count):
        if found.add(evidence(number, account, unknown), 1.0, START + number):
            return number + 1
    return 0


def test_many_failures_at_once_are_a_campaign() -> None:
    found = detector()
    assert 60 <= fill(found, 300) <= 65
    assert found.campaign is not None


def test_what_is_usual_is_learnt() -> None:
    found = detector()
    number = 0
    for hour in range(24 * 10):  # 12 an hour: three times that would be an alarm on a server that is quieter
        for turn in range(12):
            number += 1
            assert found.add(evidence(number), 1.0, START + hour * HOUR + turn * 300) is None
    assert 8 < found.usual() < 13
    # A busy morning, of three times the usual, is none either.
    for turn in range(36 * 3):
        assert found.add(evidence(turn), 1.0, START + 240 * HOUR + turn * 100) is None


@pytest.mark.parametrize(
    ("popular", "account", "unknown", "kind"),
    [
        (True, None, False, Kind.SPRAY),
        (False, None, True, Kind.SPRAY),
        (False, "boss", False, Kind.ACCOUNT),
        (False, None, False, Kind.STUFFING),
    ],
)
def test_a_campaign_is_described(popular: bool, account: str | None, unknown: bool, kind: Kind) -> None:
    found = detector(popular)
    assert fill(found, 300, account=account, unknown=unknown)
    assert found.campaign is not None
    assert found.campaign.kind is kind
    assert found.campaign.target == (account or "")


def test_a_campaign_that_changes_is_described_anew() -> None:
    found = detector()
    assert fill(found, 300, account="boss")
    for number in range(300):
        found.add(evidence(number), 1.0, START + 400 + number)
    assert found.campaign is not None
    assert found.campaign.kind is Kind.STUFFING


def test_a_campaign_ends_within_hours_of_its_last_attempt() -> None:
    found = detector()
    for number in range(2000):
        found.add(evidence(number), 3.0, START + number)
    ended = None
    for hour in range(1, 24):
        ended = ended or found.tick(START + 2000 + hour * HOUR)
    assert ended is not None
    assert found.campaign is None


def test_a_campaign_does_not_become_usual() -> None:
    found = detector()
    for number in range(5000):
        found.add(evidence(number), 1.0, START + number * 10)
    assert found.usual() < 4.0


def test_what_the_right_secret_follows_is_no_evidence() -> None:
    found = detector()
    for number in range(1000):
        assert found.add(evidence(number), 1.0, START + number) is None
        found.take_back(1.0)


def test_a_clock_that_jumps_raises_no_alarm_and_ends_what_is_over() -> None:
    found = detector()
    fill(found, 50)
    for when in (START - 366 * DAY, START + 366 * DAY, START + 60):
        assert found.add(evidence(1), 1.0, when) is None
    assert found.campaign is None


def test_of_a_known_campaign_little_more_is_wanted() -> None:
    found = detector()
    for number in range(200):
        found.add(evidence(number), 1.0, START + number / 100)
    assert not found.wants_more(START + 3)
    assert found.wants_more(START + 13)
