"""`pillarbox fetch import`; with the programs themselves in tests/interop/test_fetch_import.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.fetching import FetchFiles

STATE = b" 1 mail.example.org ada\nu1\n 2 other.example.org ada\nu1\nu2\n 1 mail.example.org bob\nu9\n"


@pytest.fixture
def files(tmp_path: Path) -> FetchFiles:
    files = FetchFiles(tmp_path)
    for name, host in (("ada", "mail.example.org"), ("far", "127.0.0.1")):
        deliver = {"to": "mbox", "path": "x"}
        files.write(name, {"url": f"pops://ada@{host}", "password_file": "s", "deliver": deliver})
    (tmp_path / "uidls").write_bytes(STATE)
    return files


def test_the_accounts_own_mailbox_is_meant(files: FetchFiles) -> None:
    assert "ada: 1 message taken over" in files.run("import", "mpop", str(files.base / "uidls"), "ada").stdout


def test_another_name_of_the_server_has_to_be_said(files: FetchFiles) -> None:
    state = str(files.base / "uidls")
    said = files.run("import", "mpop", state, "far", code=2).stderr
    assert "--host other.example.org --user ada" in said
    assert "far: 2 messages" in files.run("import", "mpop", state, "far", "--host", "other.example.org").stdout


def test_what_cannot_be_read(files: FetchFiles) -> None:
    assert "name a file that can be read" in files.run("import", "mpop", "/no/such", "ada", code=1).stderr
    (files.base / "uidls").write_text("Dear Ada\n")
    assert "name that file" in files.run("import", "mpop", str(files.base / "uidls"), "ada", code=1).stderr
    files.run("import", "sylpheed", "x", "ada", code=2)
