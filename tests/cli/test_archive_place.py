"""Which archive is meant, and how things are shown."""

from pathlib import Path

import pytest

from pillarbox.cli.archive_place import moment, octets, place_of, query_of


def test_where_the_archive_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert place_of(None) == tmp_path / ".local/share/pillarbox/archive"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert place_of(None) == Path("/data/pillarbox/archive")
    assert place_of(Path("~/x")) == tmp_path / "x"


def test_texts() -> None:
    assert query_of(["a", '"b c"']) == 'a "b c"'
    assert query_of(None) == ""
    assert moment(0) == "1970-01-01T00:00:00Z"
    assert moment(None) is moment(1e300) is None
    assert [octets(number) for number in (1, 20_000, 20_000_000)] == ["1 octets", "20 kB", "20.0 MB"]
