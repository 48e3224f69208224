"""The door through which credentials come in."""

import asyncio
import sqlite3
from collections.abc import Awaitable
from pathlib import Path

import pytest

from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.app_password_text import AppPasswordText, parse
from pillarbox.auth.app_passwords import AppPasswordStore, Grant
from pillarbox.auth.keys import KeyFile
from pillarbox.auth.mfa import Policy
from pillarbox.auth.passwords import Hasher
from pillarbox.auth.sources import AccountsSource, Credential, Source, SourceUnavailable
from pillarbox.auth.totp import TotpStore, code_at

FAST = Hasher(memory_kib=8, time_cost=1)


@pytest.fixture
def store(tmp_path: Path) -> AccountStore:
    store = AccountStore(tmp_path / "accounts.sqlite", clock=lambda: 3000.0, busy_seconds=0.01)
    store.create()
    store.add("alice", FAST.hash(b"correct horse"), read_only=True, maildir="/srv/alice")
    return store


def found(source: Source, name: str) -> Credential:
    answer = source.lookup(name)
    assert isinstance(answer, Credential)
    return answer


def test_accounts_become_credentials(store: AccountStore) -> None:
    source = AccountsSource(store, FAST)
    credential = found(source, "alice")
    assert (credential.account, credential.read_only, credential.maildir) == ("alice", True, "/srv/alice")
    assert credential.enabled
    assert credential.epoch == store.show("alice").epoch
    assert source.verify(credential, b"correct horse")
    assert not source.verify(credential, b"wrong horse")
    assert source.lookup("bob") is None
    store.disable("alice")
    assert not found(source, "alice").enabled


def test_a_credential_does_not_print_what_is_stored() -> None:
    """P60: the stored form may be the password itself."""
    assert "hunter2" not in repr(Credential("alice", "{PLAIN}hunter2"))


def test_unavailable_is_not_unknown(store: AccountStore, tmp_path: Path) -> None:
    """P44."""
    (tmp_path / "accounts.sqlite").unlink()
    with pytest.raises(SourceUnavailable, match="no accounts database"):
        AccountsSource(store, FAST).lookup("alice")


def test_a_busy_moment_is_waited_out_off_the_loop(store: AccountStore, tmp_path: Path) -> None:
    owner = sqlite3.connect(tmp_path / "accounts.sqlite", isolation_level=None)
    owner.execute("PRAGMA locking_mode = EXCLUSIVE")
    owner.execute("BEGIN IMMEDIATE")
    owner.execute("UPDATE counter SET epoch = epoch")

    async def scenario() -> Credential | None:
        answer = AccountsSource(store, FAST).lookup("alice")
        assert isinstance(answer, Awaitable)
        waiting = asyncio.ensure_future(answer)
        await asyncio.sleep(0.03)
        assert not waiting.done()
        owner.execute("COMMIT")
        owner.close()
        return await waiting

    credential = asyncio.run(scenario())
    assert credential is not None
    assert credential.account == "alice"


def test_only_weak_hashes_are_upgraded(store: AccountStore) -> None:
    source = AccountsSource(store, FAST)
    before = store.show("alice")
    source.upgrade(found(source, "alice"), b"correct horse")
    assert store.show("alice") == before
    stronger = Hasher(memory_kib=16, time_cost=1)
    source = AccountsSource(store, stronger)
    source.upgrade(found(source, "alice"), b"correct horse")
    after = store.show("alice")
    assert not stronger.needs_rehash(after.password_hash)
    assert after.epoch > before.epoch
    assert source.verify(found(source, "alice"), b"correct horse")


def test_an_upgrade_that_cannot_be_written_says_so(store: AccountStore, tmp_path: Path) -> None:
    source = AccountsSource(store, Hasher(memory_kib=16, time_cost=1))
    credential = found(source, "alice")
    (tmp_path / "accounts.sqlite").unlink()
    with pytest.raises(SourceUnavailable):
        source.upgrade(credential, b"correct horse")


def test_the_rules_of_an_account_come_along(store: AccountStore) -> None:
    store.set_mfa("alice", Policy.REQUIRED)
    store.set_pop3("alice", False)
    store.set_pop3_idle_days("alice", 9)
    store.set_primary_over_pop3("alice", True)
    credential, stored = found(AccountsSource(store, FAST), "alice"), store.show("alice")
    assert (credential.mfa, credential.pop3, credential.pop3_idle_days) == (Policy.REQUIRED, False, 9)
    assert (credential.primary_over_pop3, credential.totp, credential.last_login) == (True, False, None)
    assert credential.password_epoch == stored.password_epoch > 0


def test_app_passwords_and_codes_through_the_door(store: AccountStore, tmp_path: Path) -> None:
    """P44: what cannot be told is unavailable, never wrong."""
    keys = KeyFile(tmp_path / "secret.key")
    app_passwords, totp = AppPasswordStore(store, keys), TotpStore(store, keys, clock=lambda: 3000.0)
    source = AccountsSource(store, FAST, app_passwords=app_passwords, totp=totp)
    made, secret = app_passwords.add("alice", Grant("phone", "mfa"))
    text = parse(secret.reveal())
    assert isinstance(text, AppPasswordText)
    assert source.app_password("alice", text) == made
    assert source.app_password("bob", text) is None
    assert AccountsSource(store, FAST).app_password("alice", text) is None
    totp.enrol("alice", bytes(20), code_at(bytes(20), 99))
    assert found(source, "alice").totp
    assert source.use_code("alice", code_at(bytes(20), 100))
    assert not source.use_code("alice", code_at(bytes(20), 100))
    assert not AccountsSource(store, FAST).use_code("alice", code_at(bytes(20), 101))

    (tmp_path / "secret.key").unlink()
    keys = KeyFile(tmp_path / "secret.key")
    lost = AccountsSource(
        store, FAST, app_passwords=AppPasswordStore(store, keys), totp=TotpStore(store, keys, clock=lambda: 3000.0)
    )
    for question in (lambda: lost.app_password("alice", text), lambda: lost.use_code("alice", "000000")):
        with pytest.raises(SourceUnavailable, match="installation key is missing"):
            question()


def test_an_app_password_waits_out_a_busy_moment(store: AccountStore, tmp_path: Path) -> None:
    app_passwords = AppPasswordStore(store, KeyFile(tmp_path / "secret.key"))
    made, secret = app_passwords.add("alice", Grant("phone", "mfa"))
    text = parse(secret.reveal())
    assert isinstance(text, AppPasswordText)
    store.close()
    owner = sqlite3.connect(tmp_path / "accounts.sqlite", isolation_level=None)
    owner.execute("PRAGMA locking_mode = EXCLUSIVE")
    owner.execute("BEGIN IMMEDIATE")
    owner.execute("UPDATE counter SET epoch = epoch")
    answer = AccountsSource(store, FAST, app_passwords=app_passwords).app_password("alice", text)
    assert isinstance(answer, Awaitable)

    async def wait() -> object:
        owner.execute("COMMIT")
        owner.close()
        return await answer

    assert asyncio.run(wait()) == made
