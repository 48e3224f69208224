"""The rivals that ban addresses do what their own documents say."""

from __future__ import annotations

from tests.lab.small import asked

from pillarbox.lab.bans import CrowdSec, Fail2ban, Stalwart
from pillarbox.lab.parameters import rivals
from pillarbox.lab.policy import DROP, PASS, Policy


def fails(policy: Policy, count: int, *, start: float = 0.0, step: float = 1.0, **who: str) -> int:
    """Fail so often; how many of them were looked at."""
    looked = 0
    for turn in range(count):
        one = asked(tag=turn, when=start + turn * step, **who)
        if not policy.before(one).refused:
            policy.after(one, False)
            looked += 1
    return looked


def test_fail2ban_bans_after_five_failures_in_ten_minutes_for_ten_minutes() -> None:
    policy = Fail2ban(2.0, **rivals()["fail2ban"].default)
    assert fails(policy, 5) == 5
    assert policy.before(asked(when=4.5)) is PASS  # the log is read once a second
    assert policy.before(asked(when=5.0)) is DROP
    assert policy.before(asked(when=604.0)) is DROP
    assert policy.before(asked(address="23.0.0.2", when=10.0)) is PASS
    assert policy.before(asked(when=605.0)) is PASS


def test_fail2ban_forgets_what_is_older_than_its_window_and_counts_through_successes() -> None:
    policy = Fail2ban(2.0, **rivals()["fail2ban"].default)
    assert fails(policy, 50, step=151.0) == 50
    policy = Fail2ban(2.0, **rivals()["fail2ban"].default)
    fails(policy, 4)
    policy.after(asked(when=4.0), True)
    fails(policy, 1, start=5.0)
    assert policy.before(asked(when=7.0)) is DROP


def test_crowdsec_overflows_with_the_fourth_failure_and_bans_for_four_hours() -> None:
    policy = CrowdSec(2.0, **rivals()["crowdsec"].default)
    fails(policy, 3)
    assert policy.before(asked(when=60.0)) is PASS
    fails(policy, 1, start=3.0)
    assert policy.before(asked(when=12.0)) is PASS  # the bouncer has not asked yet
    assert policy.before(asked(when=13.1)) is DROP
    assert policy.before(asked(when=14_400.0)) is DROP
    assert policy.before(asked(when=14_414.0)) is PASS


def test_crowdsecs_bucket_leaks_one_in_six_minutes() -> None:
    policy = CrowdSec(2.0, **rivals()["crowdsec"].default)
    assert fails(policy, 100, step=360.0) == 100
    policy = CrowdSec(2.0, **rivals()["crowdsec"].default)
    assert fails(policy, 100, step=300.0) < 100  # a phone with an old password does not get through


def test_stalwart_bans_for_good_above_a_hundred_by_address() -> None:
    policy = Stalwart(2.0, **rivals()["stalwart"].default)
    assert fails(policy, 200) == 101
    assert policy.before(asked(when=1e9)) is DROP


def test_stalwart_counts_a_login_over_addresses_and_bans_those_that_fail_then() -> None:
    policy = Stalwart(2.0, **rivals()["stalwart"].default)
    for turn in range(101):
        fails(policy, 1, start=float(turn), address=f"23.0.1.{turn}")
    assert policy.before(asked(address="23.0.1.100", when=200.0)) is DROP
    assert policy.before(asked(address="23.0.1.99", when=200.0)) is PASS
    fails(policy, 1, start=86_400.0, address="23.0.2.1")  # another day, another count
    assert policy.before(asked(address="23.0.2.1", when=86_401.0)) is PASS
