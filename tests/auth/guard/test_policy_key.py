import base64
import os
from pathlib import Path

import pytest

from pillarbox.auth.guard.policy_key import PolicyKey, PolicyKeyUnavailable, load, load_or_create

SECRET = "canary-key-0123456789"


def field(user: str, key: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{key}".encode())


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_it_is_shown_by_basic_authentication_as_wforce() -> None:
    """RFC 7617; Weakforced's user name."""
    key = PolicyKey(SECRET.encode())
    assert key.is_shown_by(field("wforce", SECRET))
    assert key.is_shown_by(b"basic  " + field("wforce", SECRET)[6:] + b" ")
    assert key.is_shown_by(key.reveal_field().encode())
    for wrong in (
        b"",
        b"Basic",
        b"Basic ",
        SECRET.encode(),
        b"Bearer " + field("wforce", SECRET)[6:],
        field("wforce", SECRET)[:-1],
        field("wforce", SECRET + "x"),
        field("wforce", ""),
        field("root", SECRET),
        "Basic é".encode("latin-1"),
    ):
        assert not key.is_shown_by(wrong), wrong


def test_it_never_prints() -> None:
    """P60."""
    key = PolicyKey(SECRET.encode())
    assert SECRET not in f"{key!r} {key} {[key]}"


def test_keys_of_other_uses_differ_and_last() -> None:
    key = PolicyKey(SECRET.encode())
    assert key.derived("one") == PolicyKey(SECRET.encode()).derived("one")
    assert len({key.derived("one"), key.derived("two"), PolicyKey(b"another-key-0123").derived("one")}) == 3


def test_one_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "policy-api.key"
    made = load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_uid == tmp_path.stat().st_uid
    assert len(path.read_text().strip()) >= 43
    assert load_or_create(path).reveal_field() == made.reveal_field() == load(path).reveal_field()
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("text", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n"])
def test_a_key_of_ones_own_is_taken(tmp_path: Path, text: str) -> None:
    assert load(write(tmp_path / "key", text)).is_shown_by(field("wforce", SECRET))


@pytest.mark.parametrize(
    "text", ["", "too-short", "a key with spaces 0123", "ü" * 20, "x" * 300, f"{SECRET}\n{SECRET}\n"]
)
def test_what_is_no_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(PolicyKeyUnavailable) as caught:
        load(write(tmp_path / "key", text))
    reason = caught.value.reason.removeprefix(str(tmp_path))
    assert "holds no key" in reason
    assert not text or text.strip() not in reason


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_none(tmp_path: Path, mode: int) -> None:
    with pytest.raises(PolicyKeyUnavailable, match="other users"):
        load(write(tmp_path / "key", SECRET, mode))


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(PolicyKeyUnavailable, match="pillarbox guard dovecot"):
        load(tmp_path / "key")
    (tmp_path / "directory").mkdir(mode=0o700)
    with pytest.raises(PolicyKeyUnavailable, match="not a file"):
        load(tmp_path / "directory")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(PolicyKeyUnavailable, match="not a file"):
        load(tmp_path / "pipe")
    with pytest.raises(PolicyKeyUnavailable, match="cannot be made"):
        load_or_create(write(tmp_path / "file", "") / "key")
