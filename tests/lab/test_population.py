"""The users: repeatable, in order, right when their client has the password, wrong where one is typed or old."""

from __future__ import annotations

from collections import Counter

from tests.lab.small import small

from pillarbox.lab.population import Population
from pillarbox.lab.traffic import DAY, ipv4, origin


def test_a_seed_gives_the_same_days_and_another_gives_others() -> None:
    first, second, other = (Population(seed, small()) for seed in (1, 1, 2))
    assert first.day(1) == second.day(1)
    assert first.day(1) == second.day(1)
    assert first.day(1) != other.day(1)


def test_days_follow_each_other_and_are_in_order() -> None:
    population = Population(1, small())
    start = small().number("population.unix_start") - 2 * DAY
    for turn in range(3):
        day = population.day(2)
        assert [one.when for one in day] == sorted(one.when for one in day)
        assert start + turn * DAY <= day[0].when
        assert day[-1].when < start + (turn + 1) * DAY + 600


def test_sampled_polls_stand_for_all() -> None:
    def polls(samples: float) -> float:
        return sum(one.weight for one in Population(1, small()).day(samples) if one.right)

    full = polls(10_000)
    assert 200 * 20 < full < 200 * 400
    assert abs(polls(3) / full - 1) < 0.02
    assert abs(polls(0.5) / full - 1) < 0.35  # a coin for each of some three hundred devices


def test_an_old_device_asks_288_times_a_day_with_one_secret() -> None:
    population = Population(
        1, small(population__password_change=0.3, population__left_behind=1.0, population__left_behind_days=50.0)
    )
    population.day(1)
    day = population.day(1)
    stale = Counter((one.account, one.secret) for one in day if not one.right)
    (_, most) = stale.most_common(1)[0]
    assert 285 <= most <= 289
    assert all(population.accounts[account].secret != secret for account, secret in stale)


def test_mistakes_are_typed_and_the_right_password_follows() -> None:
    population = Population(1, small(population__typed=0.5, population__typo=0.4, population__left_behind=0.0))
    day = population.day(1)
    wrong = [one for one in day if not one.right]
    assert 10 < len(wrong) < 200
    for one in wrong:
        later = [two for two in day if two.account == one.account and two.right and two.when > one.when]
        assert later[0].when - one.when < 600


def test_phones_share_their_carriers_addresses() -> None:
    population = Population(1, small())
    pool = set(population.carrier_pool(0))
    assert len(pool) == 32
    phones = [index for index, account in enumerate(population.accounts) if account.carrier == 0]
    assert 5 < len(phones) < 45
    assert {population.carrier_address(index, 0.0) for index in phones} <= pool
    changes = {population.carrier_address(phones[0], hour * 3600.0) for hour in range(0, 96, 4)}
    assert len(changes) > 5


def test_homes_are_renumbered_and_ipv6_hosts_change_within_their_64() -> None:
    population = Population(
        1, small(population__daily_renumbered=0.0, population__other_renumbered=0.0, population__ipv6_homes=1.0)
    )
    places = []
    for _ in range(2):
        day = population.day(2)
        places.append({one.address for one in day if ":" in one.address})
    assert not places[0] & places[1]
    assert len({origin(one) for one in places[0]} & {origin(one) for one in places[1]}) > 100


def test_accounts_under_attack_are_sampled_more_often() -> None:
    numbers = small()
    often = Population(1, numbers).day(1, often=frozenset({3}))
    seldom = Population(1, numbers).day(1)
    assert sum(one.account == 3 for one in often) > 3 * sum(one.account == 3 for one in seldom)


def test_offices_have_one_address() -> None:
    day = Population(1, small()).day(1)
    assert any(one.address.startswith(ipv4(93 << 24)[:3]) for one in day)
