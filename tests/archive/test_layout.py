"""Where things lie, how an archive is made, and the lock."""

import os
from pathlib import Path

import pytest

from pillarbox.archive.errors import ArchiveBusy, ArchiveError, ArchiveMissing
from pillarbox.archive.layout import MARKER, Layout, WriteLock


def test_paths_of_a_message(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    digest = bytes(range(32))
    assert layout.object(digest) == tmp_path / "objects" / "00" / f"{digest.hex()[2:]}.eml"
    assert layout.staged(digest) == tmp_path / "tmp" / f"{digest.hex()}.eml"


def test_making_one_that_was_begun_goes_on(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "above" / "a")
    layout.root.mkdir(parents=True)
    layout.objects.mkdir()
    layout.log.touch()
    with pytest.raises(ArchiveMissing):
        layout.check()
    layout.create()
    layout.check()
    assert layout.marker.read_bytes() == MARKER
    assert len(os.listdir(layout.objects)) == 256
    layout.log.write_text("mine")
    layout.create()
    assert layout.log.read_text() == "mine"


def test_several_make_one_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        layout = Layout(tmp_path / str(attempt))
        children = []
        for _ in range(4):
            if (pid := os.fork()) == 0:
                try:
                    layout.create()
                    os._exit(0)
                except BaseException:
                    os._exit(1)
            children.append(pid)
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
        layout.check()
        assert os.listdir(layout.tmp) == []


def test_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match="cannot be made"):
        Layout(tmp_path / "file" / "a").create()
    with pytest.raises(ArchiveMissing):
        Layout(tmp_path / "file" / "a").check()


def test_the_lock_is_waited_for_as_long_as_was_said(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "a")
    layout.create()
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    waiting = WriteLock(layout, 5.0, clock=lambda: now[0], sleep=sleep)
    with WriteLock(layout, 1.0).held(), pytest.raises(ArchiveBusy), waiting.held():
        pass
    assert 5.0 <= now[0] < 5.1
    with WriteLock(layout, 0.0).held():
        pass
