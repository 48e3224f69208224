"""Files that are there whole, or not at all."""

from pathlib import Path

import pytest

from pillarbox.client.saving import DurableFile, target
from pillarbox.client.values import Entry


def test_a_file_appears_at_commit_and_is_private(tmp_path: Path) -> None:
    with DurableFile(tmp_path / "a.eml") as file:
        file.write(b"one")
        file.write(b"two")
        assert not (tmp_path / "a.eml").exists()
        assert file.commit() == tmp_path / "a.eml"
    assert (tmp_path / "a.eml").read_bytes() == b"onetwo"
    assert (tmp_path / "a.eml").stat().st_mode & 0o777 == 0o600
    assert len(list(tmp_path.iterdir())) == 1


def test_an_exception_leaves_nothing_and_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), DurableFile(tmp_path / "a.eml") as file:  # noqa: PT012 - the block is what is tested
        file.write(b"new")
        raise ZeroDivisionError
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


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
