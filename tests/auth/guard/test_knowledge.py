import pytest
from tests.auth.guard.scenes import DAY, START, request

from pillarbox.auth.guard.knowledge import Knowledge
from pillarbox.auth.guard.places import place
from pillarbox.auth.guard.spray import Campaign, Kind
from pillarbox.config.schema_guard import Guard


def known(**settings: object) -> Knowledge:
    return Knowledge(Guard.model_validate(settings), lambda most: most - 1, ())


def test_a_network_is_fresh_until_somebody_was_let_in_and_again_later() -> None:
    facts = known()
    spot = place("192.0.2.1")
    assert facts.is_fresh(spot, START)
    facts.memory.welcome(spot.network, 1.0, START, 10.0)
    assert not facts.is_fresh(place("192.0.2.200"), START + DAY)
    assert facts.is_fresh(spot, START + 61 * DAY)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("192.0.2.1", True), ("::ffff:192.0.2.1", True), ("192.0.3.1", False), ("2a00::1", False), ("unix", False)],
)
def test_configured_networks_are_allowed(address: str, allowed: bool) -> None:
    assert known(allow=("192.0.2.0/24",)).is_allowed(address, START) is allowed


def test_networks_allowed_by_command_are_until_their_time() -> None:
    facts = known()
    facts.memory.allowed["2a00::/32"] = START + 10
    facts.list_allowed()
    assert facts.is_allowed("2a00::1", START)
    assert not facts.is_allowed("2a00::1", START + 10)


def test_learning_takes_its_time_from_the_first_request() -> None:
    facts = known(learning=100.0)
    assert not facts.has_learnt(START)
    facts.memory.started = START
    assert not facts.has_learnt(START + 99)
    assert facts.has_learnt(START + 100)


def test_credit_raises_a_limit_but_not_without_end() -> None:
    facts = known(source_limit=10.0, credit_limit=5.0, network_factor=4.0)
    spot = place("192.0.2.1")
    assert [facts.limit(key, START) for key in (spot.address, *spot.around)] == [10.0, 40.0]
    facts.memory.welcome(spot.network, 3.0, START, 10.0)
    assert facts.limit(spot.address, START) == 13.0
    facts.memory.welcome(spot.network, 30.0, START, 10.0)
    assert facts.limit(spot.address, START) == 15.0


def test_a_secret_that_is_not_seen_is_not_popular() -> None:
    facts = known()
    assert not facts.is_popular(None)
    for _ in range(30):
        facts.ladder.step(7)
    assert facts.is_popular(7)


@pytest.mark.parametrize(
    ("kind", "target", "account", "common", "exists", "part"),
    [
        (Kind.STUFFING, "", "a", None, True, True),
        (Kind.ACCOUNT, "a", "a", None, True, True),
        (Kind.ACCOUNT, "b", "a", None, True, False),
        (Kind.SPRAY, "", "a", None, True, True),  # it cannot be told
        (Kind.SPRAY, "", "a", 5, True, False),
        (Kind.SPRAY, "", "a", 7, True, True),
        (Kind.SPRAY, "", "a", 5, False, True),
    ],
)
def test_who_takes_part_in_a_campaign(
    kind: Kind, target: str, account: str, common: int | None, exists: bool, part: bool
) -> None:
    facts = known()
    for _ in range(30):
        facts.ladder.step(7)
    asked = request(account, "9.9.9.9", "x", START, known=exists)._replace(common_tag=common)
    campaign = Campaign(1, START, kind, target)
    assert facts.takes_part(campaign, asked, place("9.9.9.9"), None) is part
    # Nobody does from where somebody was let in, or near the account's own places.
    owner = facts.memory.account(account)
    owner.settle(place("9.9.77.1"), START, 32)
    assert not facts.takes_part(campaign, asked, place("9.9.9.9"), owner)
    facts.memory.welcome(place("9.9.9.9").network, 1.0, START, 10.0)
    assert not facts.takes_part(campaign, asked, place("9.9.9.9"), None)
