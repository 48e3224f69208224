"""Where passwords come from, and that nothing else shows them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend

from pillarbox.fetch import secrets
from pillarbox.fetch.schema_deliver import SecretPlace
from pillarbox.fetch.secrets import SecretUnavailable, secret_source

CANARY = "canary-7f3a"


def got(**place: Any) -> bytes:
    source = secret_source(SecretPlace(**place), "ada")
    assert source is not None
    return source().reveal()


def refused(**place: Any) -> str:
    with pytest.raises(SecretUnavailable) as caught:
        got(**place)
    assert CANARY not in str(caught.value) + repr(caught.value)
    return str(caught.value)


def test_nowhere() -> None:
    assert secret_source(SecretPlace(), "ada") is None


def test_a_command_and_its_first_line() -> None:
    assert got(password_command=("printf", "pass word \\r\\nmore\\n")) == b"pass word "


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("sh", "-c", f"echo {CANARY}; exit 3"), "status 3"),
        (("sh", "-c", f"echo {CANARY}; kill -9 $$"), "signal 9"),
        (("sh", "-c", f"echo; echo {CANARY}"), "empty"),
        (("/no/such/program",), "name a program that exists"),
    ],
)
def test_a_command_that_fails_is_told(command: tuple[str, ...], words: str) -> None:
    assert words in refused(password_command=command)


def test_a_command_that_waits_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 0.2)
    assert "run it by hand" in refused(password_command=("sleep", "60"))


def test_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("pw\nsecond\n")
    path.chmod(0o600)
    assert got(password_file=path) == b"pw"
    path.write_text("new\n")
    assert got(password_file=path) == b"new"


def test_a_file_that_cannot_be_trusted(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(CANARY)
    path.chmod(0o640)
    assert f"chmod 600 {path}" in refused(password_file=path)
    assert "No such file" in refused(password_file=tmp_path / "missing")
    assert "irectory" in refused(password_file=tmp_path)


def test_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "LoadCredential=ada" in refused(password_credential="ada")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "ada").write_text("from systemd\n")
    assert got(password_credential="ada") == b"from systemd"
    assert "LoadCredential=bob" in refused(password_credential="bob")
    assert "slash" in refused(password_credential="../ada")


class OneKeyring(KeyringBackend):
    """A keyring with one entry."""

    priority = 1.0

    def get_password(self, service: str, username: str) -> str | None:
        return "from the keyring" if (service, username) == ("mail", "ada") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


def test_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(OneKeyring())  # type: ignore[no-untyped-call]  # as the library has it
    try:
        assert got(password_keyring="mail") == b"from the keyring"
        assert "keyring set other ada" in refused(password_keyring="other")
    finally:
        keyring.set_keyring(before)
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "pillarbox[keyring]" in refused(password_keyring="mail")
