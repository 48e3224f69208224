"""Messages known by their content. Pure."""

from __future__ import annotations

from pillarbox.client.values import Entry
from pillarbox.fetch.doubtful import Doubtful
from pillarbox.fetch.records import Known, State, Why, content_key

SHA = b"s" * 32
NAMELESS = Entry(1, 10, b"", b"")


def record(state: State = State.DELIVERED, size: int = 10) -> Known:
    return Known(state, size, 0, 0, None, Why.NOTHING, True, SHA, None)


def test_equal_messages_are_told_apart_by_their_number() -> None:
    doubtful = Doubtful({}, [])
    assert [doubtful.key(NAMELESS, SHA) for _ in range(2)] == [(content_key(SHA, 0), None), (content_key(SHA, 1), None)]


def test_known_ones_are_recognised_and_missing_ones_told() -> None:
    known = {content_key(SHA, 0): record(), content_key(SHA, 1): record()}
    doubtful = Doubtful(known, [])
    assert doubtful.key(NAMELESS, SHA)[0] in known
    assert doubtful.missing() == [content_key(SHA, 1)]


def test_a_deleted_message_never_stands_for_a_new_one() -> None:
    doubtful = Doubtful({content_key(SHA, 0): record(State.GONE)}, [])
    assert doubtful.key(NAMELESS, SHA) == (content_key(SHA, 1), None)


def test_a_message_that_lost_its_unique_id_is_recognised_once() -> None:
    doubtful = Doubtful({b"a": record()}, [NAMELESS])
    assert doubtful.key(NAMELESS, SHA) == (content_key(SHA, 0), b"a")
    assert doubtful.key(NAMELESS, SHA) == (content_key(SHA, 1), None)


def test_a_message_that_is_listed_is_no_candidate_for_another() -> None:
    doubtful = Doubtful({b"a": record()}, [Entry(2, 10, b"a", b"a"), NAMELESS])
    assert doubtful.key(NAMELESS, SHA) == (content_key(SHA, 0), None)


def test_the_same_octets_under_a_changed_size_are_the_same_message() -> None:
    entry = Entry(1, 11, b"a", b"a")
    assert Doubtful({b"a": record()}, [entry]).key(entry, SHA) == (b"a", None)
    assert Doubtful({b"a": record()}, [entry]).key(entry, b"t" * 32) == (content_key(b"t" * 32, 0), None)


def test_a_message_that_got_a_unique_id_is_adopted_once() -> None:
    doubtful = Doubtful({content_key(SHA, 0): record()}, [])
    assert doubtful.adopt(SHA) == content_key(SHA, 0)
    assert doubtful.adopt(SHA) is None
    assert doubtful.adopt(b"t" * 32) is None
