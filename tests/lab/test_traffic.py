"""Addresses, tags, and how passwords are chosen."""

from __future__ import annotations

import ipaddress
import random

from pillarbox.lab.traffic import Popularity, attacker_addresses, common_tag, ipv4, ipv6, origin, secret_tag


def test_addresses_are_canonical_text() -> None:
    assert ipv4(0x17000001) == "23.0.0.1"
    for prefix, host in ((0, 0), (5 << 16, 123456789), (2**40, 2**63)):
        text = ipv6(prefix, host)
        assert str(ipaddress.ip_address(text)) == text


def test_an_origin_is_an_ipv4_address_or_a_64() -> None:
    assert origin("192.0.2.1") == "192.0.2.1"
    first, second = ipv6(77, 1), ipv6(77, 2**50)
    assert first != second
    assert origin(first) == origin(second) != origin(ipv6(78, 1))


def test_attackers_have_different_addresses_of_their_own() -> None:
    found = attacker_addresses(random.Random(1), 1000)
    assert len(set(found)) == 1000
    assert all(23 <= int(one.split(".")[0]) <= 60 for one in found)
    assert found == attacker_addresses(random.Random(1), 1000)


def test_tags_are_small_and_belong_to_account_and_secret() -> None:
    tags = {secret_tag(f"user{number}", 1) for number in range(2000)}
    assert len(tags) > 1900
    assert max(tags) < 2**16
    assert secret_tag("anna", 1) != secret_tag("anna", 2)
    assert len({common_tag(number) for number in range(1, 10000)}) == 9999
    assert common_tag(10**13) < 2**24


def test_passwords_follow_the_published_distribution() -> None:
    popularity = Popularity(0.037433, 0.187227, 1_000_000)
    source = random.Random(3)
    drawn = [popularity.draw(source, number) for number in range(20_000)]
    for rank in (1, 10, 1000, 100_000):
        share = sum(one <= rank for one in drawn) / len(drawn)
        assert abs(share - popularity.share(rank)) < 0.012, rank
    rare = [one for one in drawn if one > 1_000_000]
    assert len(set(rare)) == len(rare)
