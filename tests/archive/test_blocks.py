"""Checksums of blocks: cut anywhere, and every single flipped bit explained."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.archive.blocks import LARGE, MANY, SMALL, Summer, block_size, flipped_bit, split


@given(st.binary(max_size=500), st.lists(st.integers(0, 500)), st.integers(1, 64))
def test_pieces_may_be_cut_anywhere(data: bytes, cuts: list[int], block: int) -> None:
    summer, start = Summer(block), 0
    for cut in [*sorted(cuts), len(data)]:
        summer.feed(data[start:cut])
        start = max(start, cut)
    expected = [zlib.crc32(data[at : at + block]) for at in range(0, len(data), block)]
    assert list(split(summer.finish())) == expected


@given(st.binary(min_size=1, max_size=300), st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_is_named(data: bytes, place: int, bit: int) -> None:
    place %= len(data)
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    assert flipped_bit(len(data), zlib.crc32(data) ^ zlib.crc32(changed)) == (place, bit)


def test_no_single_bit_explains_two() -> None:
    data, changed = bytes(SMALL), bytearray(SMALL)
    changed[7] ^= 1
    changed[4000] ^= 128
    assert flipped_bit(SMALL, zlib.crc32(data) ^ zlib.crc32(changed)) is None


def test_large_messages_have_large_blocks() -> None:
    assert block_size(0) == block_size(MANY) == SMALL
    assert block_size(MANY + 1) == LARGE
