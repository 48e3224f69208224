"""A fetcher on full and read-only disks: clear results, nothing lost, nothing there twice once there is room again."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fetch.accounts import account, fetched, mail, run

from pillarbox.fetch import AT_ONCE, DestinationError, FetchError, is_temporary
from pillarbox.testing.scripted import ScriptedServer

MAIL = [mail(number, 3000) for number in range(1, 21)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system"),
]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(MAIL, tls="none") as running:
        yield running


@contextlib.contextmanager
def disk(path: Path, size: str = "400k") -> Iterator[Path]:
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "pillarbox-test", path],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk: Path, leave: int) -> None:
    """Leave so many free octets."""
    with open(disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    os.truncate(disk / "filler", max((disk / "filler").stat().st_size - leave, 0))


@pytest.mark.parametrize("where", ["in", "journals"])
@pytest.mark.parametrize("leave", [0, 8192, 32_768, 57_344])
def test_a_full_disk_at_any_moment(server: ScriptedServer, tmp_path: Path, where: str, leave: int) -> None:
    """The destination's disk or the journal's, full from the beginning or after some messages."""
    with disk(tmp_path / "disk") as small:
        (small / where).mkdir()
        (tmp_path / where).symlink_to(small / where)
        if where == "in":
            for part in ("tmp", "new", "cur"):
                (small / "in" / part).mkdir()
        ours = account(server, tmp_path, delete_after=AT_ONCE)
        fill(small, leave)
        result, _ = run(ours)
        assert result.error is not None
        assert isinstance(result.error, FetchError | DestinationError), result.error
        assert is_temporary(result.error)
        assert "no space" in str(result.error) or "full" in str(result.error)
        gone = set(MAIL) - {shelved.octets for shelved in server.messages}
        assert gone <= set(fetched(tmp_path))
        (small / "filler").unlink()
        result, _ = run(ours)
        assert result.ok, result.error
        assert fetched(tmp_path) == Counter(MAIL)
        assert not server.messages


@pytest.mark.parametrize("where", ["in", "journals"])
def test_a_read_only_disk_is_told_before_anything_is_fetched(
    server: ScriptedServer, tmp_path: Path, where: str
) -> None:
    with disk(tmp_path / "disk") as small:
        (small / where).mkdir()
        (tmp_path / where).symlink_to(small / where)
        if where == "in":
            for part in ("tmp", "new", "cur"):
                (small / "in" / part).mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        result, _ = run(account(server, tmp_path, delete_after=AT_ONCE))
        assert isinstance(result.error, FetchError | DestinationError)
        assert not is_temporary(result.error)
        assert "read-only" in str(result.error).lower()
        assert not server.logins
        subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
        result, _ = run(account(server, tmp_path, delete_after=AT_ONCE))
        assert result.ok
        assert fetched(tmp_path) == Counter(MAIL)
