import ipaddress

import pytest

from pillarbox.auth.guard.places import address_of, keys_of, network_around, network_of, place, region_of, shown


def test_an_ipv4_address_is_counted_itself_and_with_its_24() -> None:
    spot = place("192.0.2.77")
    assert [shown(key) for key in (spot.address, spot.network, *spot.around, spot.region)] == [
        "192.0.2.77", "192.0.2.0/24", "192.0.2.0/24", "192.0.0.0/16",
    ]  # fmt: skip


def test_an_ipv6_address_is_counted_by_64_56_and_48() -> None:
    spot = place("2001:db8:1:2345:6789::1")
    assert [shown(key) for key in (spot.address, spot.network, *spot.around, spot.region)] == [
        "2001:db8:1:2345::/64", "2001:db8:1:2345::/64", "2001:db8:1:2300::/56", "2001:db8:1::/48", "2001:db8::/32",
    ]  # fmt: skip


def test_mapped_addresses_are_ipv4() -> None:
    assert place("::ffff:192.0.2.77") == place("192.0.2.77")
    assert address_of("::ffff:192.0.2.77") == ipaddress.ip_address("192.0.2.77")


def test_what_is_no_address_is_a_place_of_its_own() -> None:
    assert place("unix").around == ()
    assert place("unix") != place("pipe")
    assert shown(place("unix").address) == "not an address"
    assert region_of(place("unix").address) == place("unix").region
    assert address_of("unix") is None


def test_keys_know_what_is_around_them() -> None:
    for text in ("203.0.113.9", "2a00:1:2:3::4"):
        spot = place(text)
        assert {region_of(key) for key in (spot.address, spot.network, *spot.around)} == {spot.region}
        assert network_around(spot.address) == spot.network
        network = network_of(spot.address)
        assert network is not None
        assert ipaddress.ip_address(text) in network


@pytest.mark.parametrize(("text", "count"), [("192.0.2.1", 2), ("192.0.2.0/24", 1), ("2a00::1", 3), ("2a00::/56", 1)])
def test_people_name_addresses_and_networks_that_are_scored(text: str, count: int) -> None:
    assert len(keys_of(text)) == count


@pytest.mark.parametrize("text", ["192.0.0.0/16", "user@example.org", "2a00::/40", ""])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        keys_of(text)
