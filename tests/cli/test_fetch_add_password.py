import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest
import typer
from keyring.backend import KeyringBackend

from pillarbox.cli.fetch_add_ask import Asker
from pillarbox.cli.fetch_add_password import Kept, password_place


class Memory(KeyringBackend):
    """A keyring in memory."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as the library has it
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture
def memory() -> Iterator[Memory]:
    before, found = keyring.get_keyring(), Memory()
    keyring.set_keyring(found)
    yield found
    keyring.set_keyring(before)


def place(account: dict[str, Any], tmp_path: Path, command: str = "", **given: str) -> Kept | None:
    return password_place(Asker(yes=True), account, "ada", tmp_path / "f.toml", given, command, from_stdin=True)


def test_a_private_file_is_made_and_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "made" / "secret"
    kept = Kept(file, None, "first")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("first\n", 0o600)
    kept.keep("x")
    assert file.read_text() == "x\n"
    kept.remove()
    assert not file.exists()


def test_a_command(tmp_path: Path) -> None:
    account: dict[str, Any] = {}
    assert place(account, tmp_path, "pass show 'my mail'") is None
    assert account == {"password_command": ["pass", "show", "my mail"]}


def test_the_keyring_is_asked_before_anybody_is(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.kept["mail", "ada@example.org"] = "there"
    account: dict[str, Any] = {"url": "pops://h", "user": "ada@example.org"}
    assert place(account, tmp_path, password_keyring="mail") is None
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(typer.Exit):
        place({"url": "pops://bob@h"}, tmp_path, password_keyring="mail")
    kept = Kept(None, ("mail", "bob"), "new")
    assert memory.kept["mail", "bob"] == "new"
    kept.remove()


def test_one_place_only(tmp_path: Path) -> None:
    with pytest.raises(typer.Exit):
        place({}, tmp_path, "x", password_credential="y")
