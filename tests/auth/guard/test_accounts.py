import pytest

from pillarbox.auth.guard.accounts import DAY, Account, Tally, mass_of
from pillarbox.auth.guard.places import place

NOW = 1_700_000_000.0


def test_a_secret_counts_once_within_the_window() -> None:
    tally = Tally()
    assert tally.add(5, NOW, 10)
    assert not tally.add(5, NOW + 1, 10)
    tally.prune(NOW + DAY, DAY)
    assert tally.add(5, NOW + DAY, 10)


def test_proofs_that_show_no_secret_all_differ() -> None:
    tally = Tally()
    assert all(tally.add(-1, NOW, 100) for _ in range(20))
    assert len(tally.tags) == 20
    assert min(tally.tags) > 65_535


def test_a_tally_is_bounded_and_forgets_what_a_wrong_clock_left() -> None:
    tally = Tally()
    assert sum(tally.add(tag, NOW + 400 * DAY, 10) for tag in range(30)) == 10
    tally.prune(NOW, DAY)
    assert not tally.tags


def test_an_account_is_at_home_where_it_was_let_in_and_in_the_network_around() -> None:
    account = Account()
    account.settle(place("192.0.2.1"), NOW, 32)
    assert account.home(place("192.0.2.1"), NOW + DAY, 60 * DAY) == place("192.0.2.1").address
    assert account.home(place("192.0.2.99"), NOW + DAY, 60 * DAY) == place("192.0.2.1").network
    assert account.home(place("192.0.3.1"), NOW + DAY, 60 * DAY) is None
    assert account.near(place("192.0.3.1"), NOW + DAY, 60 * DAY)
    assert account.home(place("192.0.2.1"), NOW + 61 * DAY, 60 * DAY) is None


def test_homes_are_bounded_and_the_oldest_leaves() -> None:
    account = Account()
    for number in range(30):
        account.settle(place(f"192.0.{number}.1"), NOW + number, 8)
    assert len(account.homes) == 8
    assert account.home(place("192.0.29.1"), NOW + 40, DAY) is not None
    assert account.home(place("192.0.0.1"), NOW + 40, DAY) is None


def test_exposure_follows_the_guesses_in_the_window() -> None:
    account = Account()
    for tag in range(4):
        assert account.expose(tag, 0.001, NOW, DAY, 50)
    assert not account.expose(0, 0.001, NOW, DAY, 50)
    count, mass = account.exposed(NOW, DAY)
    assert count == 4
    assert mass == pytest.approx(0.004)
    assert account.row == 4
    assert account.exposed(NOW + DAY, DAY) == (0, 0.0)


def test_right_secrets_are_remembered_but_few() -> None:
    account = Account()
    account.learn_secret(-1)
    for tag in range(50):
        account.learn_secret(tag)
    assert account.knows_secret(49)
    assert not account.knows_secret(0)
    assert len(account.right) == 16


def test_popular_guesses_weigh_more() -> None:
    masses = [mass_of(height, 32, 0.00001, 0.002) for height in range(33)]
    assert masses[0] == masses[16] == 0.00001
    assert masses[32] == pytest.approx(0.002)
    assert masses == sorted(masses)
    assert mass_of(32, 32, 0.0, 0.002) == 0.002
