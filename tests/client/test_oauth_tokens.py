"""The token file: private, whole, locked; and what is not one."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from pillarbox.client.oauth_errors import TokenFileError
from pillarbox.client.oauth_tokens import MAX_FILE, TokenFile, Tokens
from pillarbox.events import Secret

TOKENS = Tokens("client", "https://login.example.org/token", Secret("access"), Secret("refresh"), 12.5, "a b")


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "ada.tokens", lock_wait=0.2)


def test_what_is_saved_is_loaded(file: TokenFile) -> None:
    assert file.load() is None
    for _ in range(2):
        file.save(TOKENS)
        assert file.load() == TOKENS
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in file.path.parent.iterdir()) == ["ada.tokens", "ada.tokens.lock"]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real/ada.tokens")
    TokenFile(link).save(TOKENS)
    assert link.is_symlink()
    assert TokenFile(tmp_path / "real" / "ada.tokens").load() == TOKENS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_is_open_to_others_is_not_read(file: TokenFile, mode: int) -> None:
    file.save(TOKENS)
    file.path.chmod(mode)
    with pytest.raises(TokenFileError, match="chmod 600"):
        file.load()


def good(**changes: object) -> bytes:
    return json.dumps({**json.loads(TOKENS.encoded()), **changes}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        TOKENS.encoded()[:-10],
        good(version=2),
        good(access_token="a b"),
        good(access_token="a\n"),
        good(access_token="ä"),
        good(refresh_token=""),
        good(refresh_token="a\r\nb"),
        good(refresh_token=7),
        good(expires_at="soon"),
        good(expires_at=None),
        good(client_id=None),
        good(scope="x" * MAX_FILE),
    ],
)
def test_what_is_no_token_file_is_refused(file: TokenFile, data: bytes) -> None:
    file.path.write_bytes(data)
    file.path.chmod(0o600)
    with pytest.raises(TokenFileError, match="log in again"):
        file.load()


def test_a_directory_a_pipe_and_a_missing_directory(file: TokenFile, tmp_path: Path) -> None:
    file.path.mkdir()
    with pytest.raises(TokenFileError, match="is not a file"):
        file.load()
    file.path.rmdir()
    os.mkfifo(file.path, 0o600)
    with pytest.raises(TokenFileError, match="is not a file"):
        file.load()
    nowhere = TokenFile(tmp_path / "none" / "ada.tokens")
    assert nowhere.load() is None
    with pytest.raises(TokenFileError, match=r"ada\.tokens\.lock cannot be made"):
        nowhere.save(TOKENS)


def test_a_lock_is_waited_for_and_not_for_ever(file: TokenFile) -> None:
    patient = TokenFile(file.path, lock_wait=20)
    waiting = threading.Thread(target=patient.save, args=(TOKENS,))
    with file.locked():
        waiting.start()
        with pytest.raises(TokenFileError, match="another process"):
            TokenFile(file.path, lock_wait=0.1).save(TOKENS)
        assert file.load() is None
    waiting.join()
    assert file.load() == TOKENS


def test_room_is_taken_before_and_given_back(file: TokenFile) -> None:
    file.save(TOKENS)
    new = file.path.with_name("ada.tokens.new")
    with file.locked(), file.reserved():
        assert new.stat().st_size == MAX_FILE
        assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert not new.exists()
    assert file.load() == TOKENS


def test_what_a_killed_process_left_is_no_trouble(file: TokenFile) -> None:
    new = file.path.with_name("ada.tokens.new")
    new.write_bytes(b"half a fi")
    new.chmod(0o644)
    file.save(TOKENS)
    assert file.load() == TOKENS
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert not new.exists()


def test_no_room_on_the_disk(file: TokenFile) -> None:
    """A full device stands for a full disk: the file that was there is still there."""
    file.save(TOKENS)
    file.path.with_name("ada.tokens.new").symlink_to("/dev/full")
    with pytest.raises(TokenFileError, match="cannot be written"):
        file.save(TOKENS)
    assert file.load() == TOKENS


@pytest.mark.parametrize("token", ["", "a b", "a\n", "=", "ä", "x" * MAX_FILE])
def test_what_cannot_be_a_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="not a token"):
        Tokens("c", "u", Secret(token), Secret("r"), 0.0)


def test_tokens_do_not_print() -> None:
    assert "access'" not in repr(TOKENS)
    assert "Secret(…)" in repr(TOKENS)
