"""The quarantine keeps octets exactly, with a reason that is safe to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fetch.accounts import LARGE, mail
from tests.fetch.destinations.staging import stage

from pillarbox.fetch import LineEnds, StagingError
from pillarbox.fetch.quarantine import Quarantine


@pytest.mark.parametrize("octets", [mail(1), mail(1, LARGE), b"a\rb\r\n", b""], ids=len)
def test_a_message_is_kept_octet_by_octet(tmp_path: Path, octets: bytes) -> None:
    staged = stage(tmp_path / "staging", octets, ends=LineEnds.LF)
    kept = Quarantine(tmp_path / "q").keep(staged, "bad\x1b[2J\nword")
    assert kept.read_bytes() == octets
    note = kept.with_suffix(".txt").read_text()
    assert "\\x1b[2J\\nword" in note
    assert staged.sha256.hex() in note
    assert staged.path.exists()
    assert kept.stat().st_mode & 0o077 == 0


def test_the_same_message_is_there_once(tmp_path: Path) -> None:
    staged = stage(tmp_path / "staging", mail(1))
    for _ in range(2):
        Quarantine(tmp_path / "q").keep(staged, "bad")
    assert len(list((tmp_path / "q").iterdir())) == 2


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "q").write_text("a file")
    with pytest.raises(StagingError):
        Quarantine(tmp_path / "q").keep(stage(tmp_path / "staging", mail(1)), "bad")
