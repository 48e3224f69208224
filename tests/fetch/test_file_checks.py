"""What the file names and is not there, or cannot be used."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from pillarbox.config import load_as
from pillarbox.fetch.file_checks import check_files
from pillarbox.fetch.new_account import table_text
from pillarbox.fetch.schema import FetchFile


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("pw")
    path.chmod(0o600)
    return path


def found(base: Path, *, head: str = "", **changes: Any) -> dict[str, str]:
    """Problems by key."""
    ada = {
        "url": "pops://ada@h",
        "password_file": str(base / "secret"),
        "deliver": {"to": "maildir", "path": str(base / "in")},
        **changes,
    }
    (base / "fetch.toml").write_text(f'[fetch]\nstate = "{base}/a/b/c"\n{head}\n' + table_text("ada", ada))
    return {
        problem.key: f"{problem.what}: {problem.instead}"
        for problem in check_files(load_as(FetchFile, base / "fetch.toml"))
    }


def test_all_is_there(tmp_path: Path, secret: Path) -> None:
    assert found(tmp_path) == {}


def test_what_is_missing(tmp_path: Path) -> None:
    problems = found(
        tmp_path,
        head=f'metrics = "{tmp_path}/no/x.prom"',
        tls={"ca_file": "/no/ca", "certificate": "/no/c", "key": "/no/k"},
        deliver={"to": "maildir", "path": str(tmp_path / "no" / "in")},
    )
    assert set(problems) == {
        "fetch.metrics",
        "account.ada.password_file",
        "account.ada.tls.ca_file",
        "account.ada.tls.certificate",
        "account.ada.tls.key",
        "account.ada.deliver.path",
    }
    assert "mkdir -p" in problems["account.ada.deliver.path"]


def test_accounts_that_are_not_enabled_do_not_count(tmp_path: Path) -> None:
    assert found(tmp_path, enabled=False) == {}


def test_a_password_that_others_can_read(tmp_path: Path, secret: Path) -> None:
    secret.chmod(0o644)
    assert found(tmp_path)["account.ada.password_file"] == f"others can read {secret}: chmod 600 {secret}"


def test_programs(tmp_path: Path, secret: Path) -> None:
    problems = found(
        tmp_path,
        deliver={"to": "pipe", "command": ["no-such-program"]},
        password_file="",
        password_command=["no-such-too"],
    )
    assert set(problems) == {"account.ada.password_command", "account.ada.deliver.command"}
    assert found(tmp_path, deliver={"to": "pipe", "command": ["no such | thing"], "shell": True}) == {}


def test_a_socket(tmp_path: Path, secret: Path) -> None:
    path = tmp_path / "lmtp"
    lmtp = {"to": "lmtp", "socket": str(path), "recipient": "a@b.c"}
    assert "start the LMTP server" in found(tmp_path, deliver=lmtp)["account.ada.deliver.socket"]
    path.write_text("")
    assert "not a socket" in found(tmp_path, deliver=lmtp)["account.ada.deliver.socket"]
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        assert found(tmp_path, deliver=lmtp) == {}


@pytest.mark.parametrize(("kind", "wrong"), [("mbox", "directory"), ("maildir", "file"), ("archive", "file")])
def test_a_place_of_the_wrong_kind(tmp_path: Path, secret: Path, kind: str, wrong: str) -> None:
    place = tmp_path / "place"
    if wrong == "file":
        place.write_text("")
    else:
        place.mkdir()
    assert "account.ada.deliver.path" in found(tmp_path, deliver={"to": kind, "path": str(place)})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "in").mkdir(mode=0o500)
    assert "make it writable" in found(tmp_path)["account.ada.deliver.path"]
