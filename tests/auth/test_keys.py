"""The installation key: made once, kept private, and told from another."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.keys import InstallationKey, KeyFile, KeyMissing, KeyUnavailable


def test_the_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "secret.key"
    before = os.umask(0)
    try:
        first = KeyFile(path).load_or_create(in_use=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["secret.key"]
    again = KeyFile(path).load_or_create(in_use=True)
    assert (again.id, again.derived("x")) == (first.id, first.derived("x"))


def test_many_processes_make_one_key(tmp_path: Path) -> None:
    path = tmp_path / "state" / "secret.key"
    code = (
        "import sys\nfrom pathlib import Path\nfrom pillarbox.auth.keys import KeyFile\n"
        "print(KeyFile(Path(sys.argv[1])).load_or_create(in_use=False).id)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in processes}) == 1
    assert os.listdir(path.parent) == ["secret.key"]


def test_a_missing_key_is_not_replaced_while_it_is_in_use(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "secret.key")
    with pytest.raises(KeyMissing, match="restore it from a backup"):
        keys.load()
    with pytest.raises(KeyMissing):
        keys.load_or_create(in_use=True)
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize("content", [b"", b"pillarbox-secret-key-1 abc\n", os.urandom(100), b"x" * 5000])
def test_a_damaged_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyUnavailable, match="damaged"):
        KeyFile(path).load_or_create(in_use=False)
    assert path.read_bytes() == content


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    KeyFile(path).load_or_create(in_use=False)
    path.chmod(0o640)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        KeyFile(path).load()


def test_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret.key").mkdir(mode=0o700)
    with pytest.raises(KeyUnavailable, match="not a file"):
        KeyFile(tmp_path / "secret.key").load()
    (tmp_path / "file").touch()
    with pytest.raises(KeyUnavailable, match="Not a directory"):
        KeyFile(tmp_path / "file" / "secret.key").load_or_create(in_use=False)


def test_another_key_is_noticed(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "secret.key")
    key = keys.load_or_create(in_use=False)
    assert keys.check(key.id) is key
    with pytest.raises(KeyUnavailable, match="not the key with which"):
        keys.check("0" * 16)


def test_new_secrets_want_the_key_of_the_old_ones(tmp_path: Path) -> None:
    store = AccountStore(tmp_path / "accounts.sqlite", clock=lambda: 0.0)
    store.create()
    keys = KeyFile(tmp_path / "secret.key")
    with store.transaction() as connection:
        key = keys.for_storing(connection)
        connection.execute("INSERT INTO totp VALUES ('a', x'00', ?, 0, 0)", (key.id,))
    with store.transaction() as connection:
        assert KeyFile(tmp_path / "secret.key").for_storing(connection).id == key.id
        (tmp_path / "secret.key").unlink()
        with pytest.raises(KeyMissing):
            KeyFile(tmp_path / "secret.key").for_storing(connection)
        KeyFile(tmp_path / "secret.key").load_or_create(in_use=False)
        with pytest.raises(KeyUnavailable, match="not the key"):
            KeyFile(tmp_path / "secret.key").for_storing(connection)


def test_every_use_and_every_key_differ() -> None:
    one, two = InstallationKey(bytes(32)), InstallationKey(bytes(31) + b"\x01")
    assert one.derived("a") not in {one.derived("b"), two.derived("a")}
    assert one.id != two.id
    assert one.scram_salt("a") == one.scram_salt("a")
    assert len({one.scram_salt("a"), one.scram_salt("b"), two.scram_salt("a")}) == 3
    assert len(one.scram_salt("nobody")) == 16
    with pytest.raises(ValueError):
        InstallationKey(b"short")


def test_sealing() -> None:
    key = InstallationKey(bytes(32))
    sealed = key.seal(b"secret", "here")
    assert b"secret" not in sealed
    assert sealed != key.seal(b"secret", "here")
    assert key.open(sealed, "here") == b"secret"
    for broken, place in ((sealed, "there"), (sealed[:-1] + bytes([sealed[-1] ^ 1]), "here"), (b"", "here")):
        with pytest.raises(KeyUnavailable):
            key.open(broken, place)
    with pytest.raises(KeyUnavailable):
        InstallationKey(b"\x01" * 32).open(sealed, "here")


def test_a_key_prints_nothing() -> None:
    """P60."""
    key = InstallationKey(b"\xab" * 32)
    assert "ab" * 8 not in repr(key)
    assert repr(key) == f"InstallationKey({key.id})"
