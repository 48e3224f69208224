import random

import pytest

from pillarbox.auth.guard.ladder import Ladder


def ladder(seed: int = 1, size: int = 65_536) -> Ladder:
    return Ladder(size, 32, random.Random(seed).randrange)


def test_what_repeats_climbs_within_some_sightings_and_what_does_not_stays() -> None:
    filter_ = ladder()
    sightings = 0
    while filter_.step(7) < 26:
        sightings += 1
    assert 4 <= sightings <= 20
    others = [filter_.step(tag) for tag in range(1000, 6000)]
    assert sum(height >= 26 for height in others) <= 10  # by chance 1 in 3,700
    assert 15 <= sum(others) / len(others) <= 17


def test_half_of_the_bits_stay_set() -> None:
    filter_ = ladder(size=1024)
    set_before = filter_.dump().count(1)
    for tag in range(5000):
        filter_.step(tag)
    assert filter_.dump().count(1) == set_before == 512


def test_what_is_seen_no_more_sinks() -> None:
    filter_ = ladder(size=4096)
    for _ in range(40):
        filter_.step(7)
    assert filter_.height(7) == 32
    for tag in range(100, 5000):
        filter_.step(tag)
    assert filter_.height(7) < 26


def test_it_can_be_carried_over() -> None:
    first, second = ladder(1), ladder(2)
    for _ in range(20):
        first.step(7)
    assert second.load(first.dump())
    assert second.height(7) == first.height(7)


@pytest.mark.parametrize("dumped", [b"", b"\0" * 100, b"\2" * 65_536])
def test_a_dump_that_is_not_ours_changes_nothing(dumped: bytes) -> None:
    filter_ = ladder()
    before = filter_.dump()
    assert not filter_.load(dumped)
    assert filter_.dump() == before


@pytest.mark.parametrize("size", [1000, 32])
def test_odd_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError):
        ladder(size=size)
