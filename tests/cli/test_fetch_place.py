from pathlib import Path

import pytest

from pillarbox.cli import fetch_place
from pillarbox.cli.fetch_place import find_config, messages, octets


def test_the_file_that_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(fetch_place, "SYSTEM_FILE", tmp_path / "system.toml")
    own = tmp_path / "pillarbox" / "fetch.toml"
    assert find_config(None) == own  # that is where `add` makes it
    (tmp_path / "system.toml").touch()
    assert find_config(None) == tmp_path / "system.toml"
    own.parent.mkdir()
    own.touch()
    assert find_config(None) == own
    assert find_config(Path("x")) == Path("x")
    monkeypatch.setenv("HOME", "/home/ada")
    assert find_config(Path("~/x")) == Path("/home/ada/x")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert fetch_place.user_file() == Path("/home/ada/.config/pillarbox/fetch.toml")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 octets"), (9999, "9999 octets"), (48_000, "48 kB"), (36_000_000, "36 MB"), (25e9, "25.0 GB")],
)
def test_sizes_for_people(number: float, text: str) -> None:
    assert octets(number) == text


def test_counts_for_people() -> None:
    assert [messages(0), messages(1), messages(4711)] == ["0 messages", "1 message", "4,711 messages"]
