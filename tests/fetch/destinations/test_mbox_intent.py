"""The intent of an mbox: durable, readable after a crash, and nothing when it is torn."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pillarbox.fetch.destinations.mbox_intent import Entry, Intent, IntentFile

ENTRIES = (Entry("a" * 40, "/s/a", 1.5), Entry("b" * 40, "/s/b", 2.5))


def begun(tmp_path: Path) -> IntentFile:
    intents = IntentFile(tmp_path / "box")
    intents.begin(1, 2, 3, b"\n", ENTRIES)
    return intents


def test_an_intent_comes_back_and_ends(tmp_path: Path) -> None:
    assert IntentFile(tmp_path / "box").read() is None
    intents = begun(tmp_path)
    assert intents.path == tmp_path / ".box.pillarbox"
    assert intents.path.stat().st_mode & 0o777 == 0o600
    assert IntentFile(tmp_path / "box").read() == Intent(1, 2, 3, "\n", ENTRIES)
    intents.finish()
    assert intents.read() == Intent(1, 2, 3, "\n", ENTRIES, done=True)


def test_a_settled_intent_holds_what_was_found(tmp_path: Path) -> None:
    intents = begun(tmp_path)
    intent = intents.read()
    assert intent
    intents.settle(intent, ["b" * 40])
    assert intents.read() == Intent(1, 2, 3, "\n", ENTRIES[1:], done=True)


def test_a_torn_intent_is_none(tmp_path: Path) -> None:
    intents = begun(tmp_path)
    whole = intents.path.read_bytes()
    for end in range(len(whole)):
        intents.path.write_bytes(whole[:end])
        assert intents.read() is None
    for other in (b"\0" * 50 + b"\n", b"{}\n", b'{"device":"x"}\n'):
        intents.path.write_bytes(other)
        assert intents.read() is None
    intents.path.write_bytes(whole + b"don")
    intent = intents.read()
    assert intent
    assert not intent.done


def test_an_intent_is_durable_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    intents = begun(tmp_path)
    assert synced == [intents.path.stat().st_ino, tmp_path.stat().st_ino]
    intents.finish()
    intents.begin(1, 2, 4, b"", ENTRIES)
    assert len(synced) == 3, "its name is durable already"


def test_an_end_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    intents = begun(tmp_path)
    intents.path.unlink()
    intents.path.mkdir()
    intents.finish()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".box.pillarbox").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        begun(tmp_path)
    assert not (tmp_path / "victim").exists()
