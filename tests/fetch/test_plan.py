"""What a session has to do with each kind of record. Pure."""

from __future__ import annotations

from dataclasses import replace as _replace
from typing import Any

import pytest

from pillarbox.client.values import Entry
from pillarbox.fetch.plan import Plan, is_reused, make_plan
from pillarbox.fetch.records import Known, State, Why

NOW = 1000.0
ENTRY = Entry(1, 10, b"a", b"a")


def known(state: State, **changes: Any) -> Known:
    base = Known(state, 10, 0, 0, None, Why.NOTHING, state not in (State.SEEN, State.SKIPPED), None, None)
    return base._replace(**changes)


def part(record: Known | None, entry: Entry = ENTRY, limit: int | None = None) -> str:
    """The part of the plan the message is in."""
    plan = make_plan([entry], {b"a": record} if record else {}, NOW, limit=limit)
    names = [name for name in ("delete", "fetch", "again", "doubtful", "oversize") if getattr(plan, name)]
    assert len(names) + plan.waiting == 1
    assert plan.empty == (not names)
    return names[0] if names else "waiting"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (known(State.SEEN), "fetch"),
        (known(State.SEEN, failures=1), "again"),
        (known(State.STAGED), "waiting"),
        (known(State.DELIVERED), "waiting"),
        (known(State.DELIVERED, delete_at=NOW), "delete"),
        (known(State.DELIVERED, delete_at=NOW + 1), "waiting"),
        (known(State.PENDING), "delete"),
        (known(State.PENDING, delivered=False), "delete"),
        (known(State.SKIPPED, why=Why.FILTER), "waiting"),
        (known(State.SKIPPED, why=Why.CALLER), "waiting"),
        (known(State.SKIPPED, why=Why.SIZE), "fetch"),
        (known(State.QUARANTINED), "waiting"),
        (known(State.PENDING, size=11), "doubtful"),
        (known(State.DELIVERED, size=11), "doubtful"),
        (known(State.DELIVERED, size=-1), "waiting"),
        (None, "doubtful"),
    ],
)
def test_each_record_has_its_part(record: Known | None, expected: str) -> None:
    assert part(record) == expected


def test_a_message_without_unique_id_is_doubtful() -> None:
    assert part(known(State.SEEN), ENTRY._replace(unique_id=b"")) == "doubtful"


def test_large_messages_are_kept_apart() -> None:
    assert part(known(State.SEEN), limit=9) == "oversize"
    assert part(known(State.SEEN), limit=10) == "fetch"
    assert part(known(State.SKIPPED, why=Why.SIZE), limit=9) == "waiting"
    assert part(known(State.PENDING), limit=9) == "delete"


def test_those_with_the_fewest_failures_come_first() -> None:
    listing = [Entry(n, 10, b"%d" % n, b"") for n in range(4)]
    records = {b"%d" % n: known(State.SEEN, failures=4 - n) for n in range(4)}
    assert [entry.number for entry in make_plan(listing, records, NOW).again] == [3, 2, 1, 0]


def test_another_size_means_another_message_only_where_one_was_delivered() -> None:
    assert not is_reused(ENTRY, known(State.SEEN, size=99))
    assert not is_reused(ENTRY, known(State.PENDING, size=99, delivered=False))


def test_a_plan_is_a_value() -> None:
    plan = Plan([], [], [], [], [])
    assert plan.empty
    assert not _replace(plan, delete=[ENTRY]).empty
