"""The door through which credentials come in."""

import asyncio
import sqlite3
from collections.abc import Awaitable
from pathlib import Path

import pytest

from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.passwords import Hasher
from pillarbox.auth.sources import AccountsSource, Credential, Source, SourceUnavailable

FAST = Hasher(memory_kib=8, time_cost=1)


@pytest.fixture
def store(tmp_path: Path) -> AccountStore:
    store = AccountStore(tmp_path / "accounts.sqlite", clock=lambda: 0.0, busy_seconds=0.01)
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
