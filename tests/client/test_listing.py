"""LIST and UIDL, judged."""

import pytest

from pillarbox.client.listing import judge, stat
from pillarbox.client.values import Entry, Stat


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 320", (2, 320)),
        ("0 0", (0, 0)),
        ("2 320 more words", (2, 320)),
        ("002 0320", (2, 320)),
        ("2  320", (2, 320)),
        ("2", None),
        ("-1 5", None),
        ("two 5", None),
        ("2 5x", None),
        ("99999999999 1", None),
        ("", None),
        ("٣ 5", None),
    ],
)
def test_stat(text: str, expected: Stat | None) -> None:
    assert stat(text) == expected


def test_an_honest_listing_has_no_doubts() -> None:
    listing = judge(Stat(2, 30), [b"1 10", b"2 20 extra"], [b"1 a", b"2 b "])
    assert listing.entries == (Entry(1, 10, b"a", b"a"), Entry(2, 20, b"b", b"b"))
    assert listing.doubts == ()
    assert listing.unique_ids


def test_without_uidl() -> None:
    listing = judge(Stat(1, 10), [b"1 10"], None)
    assert listing.entries == (Entry(1, 10),)
    assert (listing.doubts, listing.unique_ids) == ((), False)


@pytest.mark.parametrize(
    ("sizes", "numbers", "doubt"),
    [
        ([b"1 10"], [1], "another number"),
        ([b"1 10", b"2 21"], [1, 2], "other sizes"),
        ([b"1 10", b"0 20", b"2 20"], [1, 2], "not a number and a size"),
        ([b"1 10", b"-2 20"], [1], "not a number and a size"),
        ([b"1 10", b"2 twenty", b"nonsense", b""], [1], "not a number and a size"),
        ([b"1 10", b"3 20"], [1, 3], "leaves numbers out"),
        ([b"1 10", b"2 20", b"2 7"], [1, 2], "twice"),
        ([b"2 20", b"1 10"], [1, 2], ""),
        ([b"1 10", b"99999999999999999999 20"], [1], "not a number"),
    ],
)
def test_numbers_count_only_as_listed(sizes: list[bytes], numbers: list[int], doubt: str) -> None:
    listing = judge(Stat(2, 30), sizes, None)
    assert [entry.number for entry in listing.entries] == numbers
    assert bool(listing.doubts) == bool(doubt)
    assert any(doubt in one for one in listing.doubts) == bool(doubt)


def test_a_number_listed_twice_has_the_larger_size() -> None:
    assert judge(Stat(1, 20), [b"1 10", b"1 20", b"1 5"], None).entries == (Entry(1, 20),)


@pytest.mark.parametrize(
    ("unique_id", "usable"),
    [
        (b"a", True),
        (b"x" * 255, True),
        (b"\xe9\xff", True),
        (b"<UID>~!/..", True),
        (b"", False),
        (b"x" * 256, False),
        (b"with space", False),
        (b"with\x00nul", False),
        (b"with\x1bescape", False),
        (b"del\x7f", False),
    ],
)
def test_an_odd_unique_id_degrades_its_message_only(unique_id: bytes, usable: bool) -> None:
    listing = judge(Stat(2, 20), [b"1 10", b"2 10"], [b"1 " + unique_id, b"2 fine"])
    assert listing.entries[0].unique_id == (unique_id if usable else b"")
    assert listing.entries[0].listed_id == unique_id[:255]
    assert listing.entries[1].unique_id == b"fine"
    assert bool(listing.doubts) is not usable


def test_what_two_messages_share_tells_neither_of_them() -> None:
    listing = judge(Stat(3, 30), [b"1 10", b"2 10", b"3 10"], [b"1 same", b"2 same", b"3 own"])
    assert [entry.unique_id for entry in listing.entries] == [b"", b"", b"own"]
    assert [entry.listed_id for entry in listing.entries] == [b"same", b"same", b"own"]


def test_uidl_that_does_not_fit_list() -> None:
    listing = judge(Stat(2, 20), [b"1 10", b"2 10"], [b"1 a", b"1 b", b"7 c", b"0 d", b"garbage"])
    assert listing.entries == (Entry(1, 10), Entry(2, 10))
    assert len(listing.doubts) == 5
