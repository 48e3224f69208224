"""Where messages are saved."""

from pathlib import Path

from pillarbox.client.saving import target
from pillarbox.client.values import Entry


def test_names_in_a_directory_never_hold_the_unique_id(tmp_path: Path) -> None:
    evil = Entry(1, 10, b"../../etc/passwd")
    path = target(tmp_path, "pops://ada@h:995", evil)
    assert path.parent == tmp_path
    assert "passwd" not in path.name
    assert path == target(tmp_path, "pops://ada@h:995", evil)
    assert path != target(tmp_path, "pops://eve@h:995", evil)
    nameless = Entry(1, 10)
    assert target(tmp_path, "a", nameless) != target(tmp_path, "a", nameless)


def test_a_path_is_a_file_and_a_slash_makes_a_directory(tmp_path: Path) -> None:
    assert target(tmp_path / "a.eml", "a", Entry(1, 1)) == tmp_path / "a.eml"
    assert target(f"{tmp_path}/new/", "a", Entry(1, 1)).parent == tmp_path / "new"
    assert (tmp_path / "new").is_dir()
