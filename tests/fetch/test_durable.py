"""Many files at once: durable in every case, and errors end up with the message they belong to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pillarbox.fetch import LineEnds
from pillarbox.fetch import durable as module
from pillarbox.fetch.durable import FEWEST, PAUSE, Durable
from pillarbox.fetch.staging import Part, Staging


class Calls:
    """A `syncfs` that counts, and fails when told to."""

    def __init__(self) -> None:
        self.count = 0
        self.error: OSError | None = None

    def __call__(self, descriptor: int) -> None:
        assert os.fstat(descriptor)
        self.count += 1
        if self.error is not None:
            raise self.error


def parts(directory: Path, count: int = FEWEST) -> list[Part]:
    staging = Staging(directory, "ada", LineEnds.LF)
    return [staging.receive([b"%d\r\n" % number]) for number in range(count)]


def closed(part: Part) -> bool:
    try:
        os.fstat(part.descriptor)
    except OSError:
        return True
    return False


@pytest.fixture
def fsyncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The descriptors that were synced one by one."""
    seen: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        seen.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_a_batch_is_one_call(tmp_path: Path, fsyncs: list[int]) -> None:
    calls = Calls()
    with Durable(tmp_path, calls) as durable:
        batch = parts(tmp_path)
        assert not durable(batch)
    assert (calls.count, fsyncs) == (1, [])
    assert all(closed(part) for part in batch)


def test_a_few_files_are_synced_one_by_one(tmp_path: Path, fsyncs: list[int]) -> None:
    calls = Calls()
    with Durable(tmp_path, calls) as durable:
        batch = parts(tmp_path, FEWEST - 1)
        assert not durable(batch)
    assert calls.count == 0
    assert fsyncs == [part.descriptor for part in batch]


def test_after_an_error_each_file_tells(tmp_path: Path, fsyncs: list[int]) -> None:
    calls = Calls()
    calls.error = OSError(errno.EIO, "somewhere")
    with Durable(tmp_path, calls) as durable:
        batch = parts(tmp_path)
        assert not durable(batch)
    assert len(fsyncs) == FEWEST
    assert all(closed(part) for part in batch)


def test_what_takes_long_is_not_done_for_a_while(
    tmp_path: Path, fsyncs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls()
    monkeypatch.setattr(module, "LONGEST", -1.0)
    with Durable(tmp_path, calls) as durable:
        for _ in range(PAUSE + 2):
            durable(parts(tmp_path))
    assert calls.count == 2
    assert len(fsyncs) == PAUSE * FEWEST


def test_the_real_one(tmp_path: Path) -> None:
    with Durable.best(tmp_path) as durable:
        batch = parts(tmp_path, 20)
        assert not durable(batch)
        assert all(closed(part) for part in batch)
    durable.close()


def test_unknown_file_systems_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KNOWN", {})
    assert module._syncfs(tmp_path) is None
    assert module._syncfs(tmp_path / "none") is None
