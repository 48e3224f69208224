"""The account store: what it keeps. Processes, threads and crashes are in `test_accounts_database`."""

import pytest

from pillarbox.auth.accounts import (
    AccountExists,
    AccountStore,
    NoSuchAccount,
)
from pillarbox.auth.mfa import Policy


def test_an_account_is_kept(store: AccountStore) -> None:
    store.add("alice@example.org", "hash", read_only=True, maildir="/srv/{user}")
    found = store.lookup("alice@example.org")
    assert found == store.show("alice@example.org")
    assert found[:8] == ("alice@example.org", "hash", True, True, "/srv/{user}", 1, 1_800_000_000.0, 1_800_000_000.0)
    assert "hash" not in repr(found)
    assert store.lookup("alice") is None


def test_every_change_raises_the_epoch(store: AccountStore) -> None:
    epochs = []
    store.add("a", "1")
    for change in (store.disable, store.enable, lambda name: store.set_password(name, "2")):
        change("a")
        epochs.append(store.show("a").epoch)
    store.remove("a")
    store.add("a", "1")
    epochs.append(store.show("a").epoch)
    assert epochs == sorted(set(epochs))


def test_typed_errors(store: AccountStore) -> None:
    store.add("a", "1")
    with pytest.raises(AccountExists):
        store.add("a", "2")
    assert store.show("a").password_hash == "1"
    for change in (store.show, store.disable, store.enable, store.remove):
        with pytest.raises(NoSuchAccount):
            change("b")
    with pytest.raises(NoSuchAccount):
        store.set_password("b", "x")


def test_list_is_ordered(store: AccountStore) -> None:
    for name in ("c", "a", "b"):
        store.add(name, "x")
    assert [account.name for account in store.list()] == ["a", "b", "c"]


def test_a_stronger_hash_never_overwrites_a_new_password(store: AccountStore) -> None:
    store.add("a", "weak")
    store.set_password("a", "changed meanwhile")
    assert not store.replace_hash("a", "weak", "strong")
    assert store.show("a").password_hash == "changed meanwhile"
    assert store.replace_hash("a", "changed meanwhile", "stronger")
    assert store.show("a").password_hash == "stronger"


def test_the_rules_of_an_account(store: AccountStore) -> None:
    store.add("a", "x")
    found = store.show("a")
    assert (found.mfa, found.pop3, found.pop3_idle_days, found.primary_over_pop3) == (None, None, None, None)
    store.set_mfa("a", Policy.REQUIRED)
    store.set_pop3("a", False)
    store.set_pop3_idle_days("a", 30)
    store.set_primary_over_pop3("a", False)
    found = store.show("a")
    assert (found.mfa, found.pop3, found.pop3_idle_days, found.primary_over_pop3) == (Policy.REQUIRED, False, 30, False)
    assert found == store.lookup("a")
    for change in (store.set_mfa, store.set_pop3, store.set_pop3_idle_days, store.set_primary_over_pop3):
        before = store.show("a").epoch
        change("a", None)
        assert store.show("a").epoch > before
        with pytest.raises(NoSuchAccount):
            change("b", None)
    found = store.show("a")
    assert (found.mfa, found.pop3, found.pop3_idle_days, found.primary_over_pop3) == (None, None, None, None)


def test_the_password_has_an_epoch_of_its_own(store: AccountStore) -> None:
    store.add("a", "1")
    first = store.show("a").password_epoch
    store.disable("a")
    store.replace_hash("a", "1", "the same, stronger")
    assert store.show("a").password_epoch == first
    store.set_password("a", "2")
    assert store.show("a").password_epoch > first


def test_who_has_changed(store: AccountStore) -> None:
    for name in ("a", "b", "c"):
        store.add(name, "x")
    start, _ = store.changed_since(0)
    assert store.changed_since(start) == (start, frozenset())
    store.disable("a")
    store.remove("b")
    now, changed = store.changed_since(start)
    assert changed == {"a", "b"}
    store.add("b", "x")
    assert store.changed_since(now)[1] == {"b"}
    assert store.changed_since(start)[1] == {"a", "b"}


def test_idle_accounts_are_switched_off_only_while_they_are_idle(store: AccountStore) -> None:
    store.add("a", "x")
    assert not store.switch_off_idle("a", 1_800_000_000.0)  # made at that very moment
    assert store.switch_off_idle("a", 1_800_000_000.5)
    assert store.show("a").pop3 is False
    assert not store.switch_off_idle("nobody", 2e9)
