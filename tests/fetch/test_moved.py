"""A server that gave its messages new unique-ids. Pure."""

from __future__ import annotations

from pillarbox.client.values import Entry
from pillarbox.fetch.moved import matches, suspects
from pillarbox.fetch.records import Known, State, Why, content_key, header_hash


def header(number: int) -> bytes:
    return b"Subject: %d\r\n\r\n" % number


def record(number: int, state: State = State.DELIVERED) -> Known:
    return Known(state, 100 + number, 0, 0, None, Why.NOTHING, True, b"s" * 32, header_hash(header(number)))


def old(count: int) -> dict[bytes, Known]:
    return {b"old%d" % number: record(number) for number in range(count)}


def new(*numbers: int, prefix: bytes = b"new") -> list[Entry]:
    return [Entry(at, 100 + number, prefix + b"%d" % number, b"") for at, number in enumerate(numbers, 1)]


def heads(entries: list[Entry]) -> list[tuple[Entry, bytes]]:
    return [(entry, header(entry.size - 100)) for entry in entries]


def test_all_are_found_again() -> None:
    listing = new(*range(10))
    assert suspects(listing, old(10)) == listing
    assert sorted(matches(heads(listing), listing, old(10))) == [
        (b"old%d" % n, b"new%d" % n, 100 + n) for n in range(10)
    ]


def test_mail_that_came_meanwhile_is_new() -> None:
    listing = new(*range(12))
    found = suspects(listing, old(10))
    assert len(found) == 10
    assert len(matches(heads(listing), listing, old(10))) == 10


def test_ordinary_new_mail_costs_nothing() -> None:
    kept = new(*range(10), prefix=b"old")
    assert not suspects([*kept, Entry(11, 105, b"new5", b"")], old(10))
    assert not suspects(new(1, 2, 3), {})
    assert not suspects([], old(3))


def test_other_sizes_are_another_maildrop() -> None:
    assert not suspects([Entry(n, 5000 + n, b"x%d" % n, b"") for n in range(10)], old(10))


def test_another_header_is_another_message() -> None:
    listing = new(1)
    assert not matches([(listing[0], header(9))], listing, old(3))


def test_of_equal_messages_each_keeps_its_record() -> None:
    known = {b"old-a": record(1), b"old-b": record(1)}
    listing = [Entry(n, 101, b"new%d" % n, b"") for n in (1, 2, 3)]
    found = matches([(entry, header(1)) for entry in listing], listing, known)
    assert sorted(key for key, _, _ in found) == [b"old-a", b"old-b"]


def test_only_what_was_delivered_can_be_found_again() -> None:
    known = {
        b"seen": record(1, State.SEEN),
        b"gone": record(2, State.GONE),
        content_key(b"s" * 32, 0): record(3),
        b"learned": record(4)._replace(headers=None),
    }
    assert not suspects(new(1, 2, 3, 4), known)
