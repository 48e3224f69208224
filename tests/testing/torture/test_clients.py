"""Descriptions of clients: data from TOML, filled in for a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pillarbox.testing.torture.clients import ClientError, built_in, read

TEXT = """
[mine]
command = ["{python}", "{home}/run.py", "{url}", "{ whatever }"]
modes.implicit = { url = "pops://{host}:{port}" }
note = "a note"
[mine.files]
"sub/config" = "password {password} { kept }"
"""


def test_the_built_in_ones_are_complete() -> None:
    clients = built_in()
    assert {"pillarbox", "pillarbox fetch", "mpop", "fetchmail", "getmail6", "curl", "poplib"} <= set(clients)
    assert [name for name, client in clients.items() if client.own] == ["pillarbox fetch", "pillarbox"]
    for client in clients.values():
        assert "implicit" in client.modes
    assert clients["poplib"].available()
    assert clients["poplib"].told_version().startswith("3.")


def test_files_and_command_are_filled_in_and_other_braces_stay(tmp_path: Path) -> None:
    (client,) = read(TEXT).values()
    values = {"host": "localhost", "port": "995", "password": "p"}
    command = client.prepare(tmp_path, values, stls=False)
    assert command == [sys.executable, f"{tmp_path}/run.py", "pops://localhost:995", "{ whatever }"]
    config = tmp_path / "sub" / "config"
    assert config.read_text() == "password p { kept }"
    assert config.stat().st_mode & 0o077 == 0
    with pytest.raises(ClientError, match="mine cannot do stls"):
        client.prepare(tmp_path, values, stls=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[x", "not TOML"),
        ("[x]\n", "needs a command"),
        ("[x]\ncommand = []\nmodes.implicit = {}", "needs a command"),
        ("[x]\ncommand = ['a']\nmodes.other = {}", "needs a command"),
    ],
)
def test_what_cannot_be_used_is_told(text: str, told: str) -> None:
    with pytest.raises(ClientError, match=told):
        read(text)


def test_a_program_that_is_not_here() -> None:
    (client,) = read("[x]\ncommand = ['no-such-program-anywhere']\nmodes.implicit = {}").values()
    assert not client.available()
    assert client.told_version() == ""
