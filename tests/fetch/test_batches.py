"""The group commit: what goes in comes out, in groups, and an error stops it where it can be seen."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import pytest

from pillarbox.client.values import Entry
from pillarbox.fetch import LineEnds, StagingError
from pillarbox.fetch.batches import Batches
from pillarbox.fetch.delivering import Item, Outcome
from pillarbox.fetch.staging import Staging, make_durable


def items(directory: Path, count: int) -> list[Item]:
    staging = Staging(directory, "ada", LineEnds.LF)
    return [
        Item(Entry(n, 1, b"%d" % n, b""), b"%d" % n, staging.receive([b"%d\r\n" % n]), 0.0) for n in range(1, count + 1)
    ]


def done(batch: Sequence[Item]) -> list[Outcome]:
    make_durable([item.part for item in batch])
    return [Outcome(item.entry, item.key, 1, delivered=True) for item in batch]


def test_messages_are_delivered_in_groups_in_their_order(tmp_path: Path) -> None:
    sizes: list[int] = []

    def deliver(batch: Sequence[Item]) -> list[Outcome]:
        sizes.append(len(batch))
        return done(batch)

    batches = Batches(deliver, 4)
    for item in items(tmp_path, 10):
        batches.put(item)
    batches.drain()
    batches.close()
    assert sizes == [4, 4, 2]
    assert [outcome.key for outcome in batches.take()] == [b"%d" % n for n in range(1, 11)]
    assert not batches.take()


def test_after_an_error_nothing_more_is_delivered_and_it_is_raised(tmp_path: Path) -> None:
    calls = []

    def deliver(batch: Sequence[Item]) -> list[Outcome]:
        calls.append(len(batch))
        make_durable([item.part for item in batch])
        raise StagingError("full", temporary=True, full=True)

    batches = Batches(deliver, 2)
    with pytest.raises(StagingError):  # noqa: PT012 - which of them it is depends on the threads
        for item in items(tmp_path, 20):
            batches.put(item)
        batches.drain()
    with pytest.raises(StagingError):
        batches.drain()
    batches.close()
    batches.close()
    assert calls == [2]
    assert not batches.take()


def test_a_slow_disk_slows_the_receiver_down(tmp_path: Path) -> None:
    go_on = threading.Event()

    def deliver(batch: Sequence[Item]) -> list[Outcome]:
        go_on.wait(10)
        return done(batch)

    batches = Batches(deliver, 1)
    waiting = items(tmp_path, 10)
    putting = threading.Thread(target=lambda: deque(map(batches.put, waiting), 0))
    putting.start()
    putting.join(0.2)
    assert putting.is_alive()
    go_on.set()
    putting.join()
    batches.drain()
    batches.close()
    assert len(batches.take()) == 10
