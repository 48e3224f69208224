"""Private files, and files that are there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pillarbox.files import (
    DurableFile,
    NotAFile,
    OpenToOthers,
    made_once,
    read_private,
    sync_directory,
    write_durably,
    write_whole,
)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes that fsync was called for."""
    inodes: list[int] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        inodes.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return inodes


# ---- reading ------------------------------------------------------------------------------------------------------


def test_a_private_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"secret")
    path.chmod(0o400)
    assert (read_private(path, 100), read_private(path, 3)) == (b"secret", b"sec")
    (tmp_path / "link").symlink_to(path)
    assert read_private(tmp_path / "link", 100) == b"secret"
    with pytest.raises(OSError, match="symbolic links"):
        read_private(tmp_path / "link", 100, follow=False)


@pytest.mark.parametrize("others", [0o640, 0o620, 0o604, 0o602, 0o601])
def test_a_file_that_others_can_use_is_not_read(tmp_path: Path, others: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"secret")
    path.chmod(others)
    with pytest.raises(OpenToOthers):
        read_private(path, 100)


def test_what_is_no_file_is_not_read_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("directory", "pipe"):
        with pytest.raises(NotAFile):
            read_private(tmp_path / name, 100)
    with pytest.raises(FileNotFoundError):
        read_private(tmp_path / "none", 100)


# ---- writing ------------------------------------------------------------------------------------------------------


def test_a_directory_is_synced(tmp_path: Path, synced: list[int]) -> None:
    sync_directory(tmp_path)
    assert synced == [tmp_path.stat().st_ino]
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        sync_directory(tmp_path / "file")


def test_octets_are_durable_when_they_are_written(tmp_path: Path, synced: list[int]) -> None:
    path = tmp_path / "a"
    write_durably(path, b"a long one")
    write_durably(path, b"short")
    assert (path.read_bytes(), mode(path)) == (b"short", 0o600)
    assert synced == [path.stat().st_ino] * 2
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        write_durably(tmp_path / "link", b"other")
    assert path.read_bytes() == b"short"


def test_a_file_is_replaced_whole_and_durably(tmp_path: Path, synced: list[int]) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    (tmp_path / f".a.{os.getpid()}").write_bytes(b"left by a killed process")
    with path.open("rb") as reader:
        write_whole(path, b"new")
        assert reader.read() == b"old"
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)
    assert synced == [path.stat().st_ino, tmp_path.stat().st_ino]
    assert os.listdir(tmp_path) == ["a"]
    before = os.umask(0o077)
    try:
        write_whole(path, b"public", 0o644)
    finally:
        os.umask(before)
    assert mode(path) == 0o644


def test_a_file_appears_at_commit_and_is_private(tmp_path: Path) -> None:
    with DurableFile(tmp_path / "a.eml", 0o644) as file:
        file.write(b"one")
        file.write(b"two")
        assert [mode(path) for path in tmp_path.iterdir()] == [0o600]
        assert not (tmp_path / "a.eml").exists()
        assert file.commit() == tmp_path / "a.eml"
    assert (tmp_path / "a.eml").read_bytes() == b"onetwo"
    assert mode(tmp_path / "a.eml") == 0o644
    assert len(list(tmp_path.iterdir())) == 1


def test_an_exception_leaves_nothing_and_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), DurableFile(tmp_path / "a.eml") as file:  # noqa: PT012 - the block is what is tested
        file.write(b"new")
        raise ZeroDivisionError
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


# ---- making -------------------------------------------------------------------------------------------------------


def test_a_file_is_made_once_in_a_directory_of_its_own(tmp_path: Path, synced: list[int]) -> None:
    path = tmp_path / "a" / "b" / "key"
    before = os.umask(0)
    try:
        with made_once(path) as scratch:
            write_durably(scratch, b"first")
            assert not path.exists()
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (0o600, 0o700, 0o700)
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]
    with pytest.raises(FileExistsError), made_once(path) as scratch:
        write_durably(scratch, b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(path.parent) == ["key"]


def test_what_a_killed_process_left_is_in_nobody_s_way(tmp_path: Path) -> None:
    (tmp_path / f"key.new-{os.getpid()}").write_bytes(b"half")
    with made_once(tmp_path / "key"):
        pass
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("key", b"")]


def test_a_block_that_fails_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), made_once(tmp_path / "key"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_directory_s_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    path = tmp_path / "new" / "key"
    with made_once(path):
        pass
    assert {(made.stat().st_uid, made.stat().st_gid) for made in (path.parent, path)} == {(12345, 23456)}


def test_the_limit_of_open_files_is_raised() -> None:
    limits = "resource.getrlimit(resource.RLIMIT_NOFILE)"
    code = (
        "import resource; from pillarbox.files import allow_many_files; "
        f"hard = min({limits}[1] % (1 << 63), 4096); resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)); "
        f"allow_many_files(); assert {limits} == (hard, hard), {limits}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
