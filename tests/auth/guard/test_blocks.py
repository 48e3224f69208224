import pytest

from pillarbox.auth.guard.blocks import Block, factor_of, next_block
from pillarbox.auth.guard.places import place


def test_blocks_double_up_to_the_longest_and_begin_anew_after_a_quiet_time() -> None:
    block, lasted, when = None, [], 0.0
    for _ in range(8):
        block = next_block(block, when, "why", first=10.0, longest=100.0)
        lasted.append(block.until - block.since)
        when = block.until
    assert lasted == [10.0, 20.0, 40.0, 80.0, 100.0, 100.0, 100.0, 100.0]
    assert next_block(block, when + 100.0, "why", first=10.0, longest=100.0).level == 0


def test_a_block_holds_between_its_times_only() -> None:
    block = Block(100.0, 200.0, 0, "why")
    assert [block.holds(when) for when in (-1e9, 99.0, 100.0, 199.0, 200.0, 1e12)] == [
        False, False, True, True, False, False,
    ]  # fmt: skip
    assert next_block(block, 50.0, "why", first=10.0, longest=100.0).level == 0


def test_a_level_of_any_size_is_no_trouble() -> None:
    assert next_block(Block(0.0, 10.0, 10**6, ""), 5.0, "", first=10.0, longest=99.0).until == 104.0


@pytest.mark.parametrize(("address", "factors"), [("192.0.2.1", [1.0, 4.0]), ("2a00::1", [1.0, 2.0, 4.0])])
def test_wider_networks_may_score_more(address: str, factors: list[float]) -> None:
    spot = place(address)
    assert [factor_of(key, 4.0) for key in (spot.address, *spot.around)] == factors
