"""App passwords: what is stored, what opens, and what does not."""

import hashlib
import hmac
import sqlite3
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from pillarbox.auth import app_password_text
from pillarbox.auth.accounts import AccountStore, NoSuchAccount
from pillarbox.auth.app_password_text import AppPasswordText, parse
from pillarbox.auth.app_passwords import (
    DAY,
    MAX_PER_ACCOUNT,
    SCRAM_ITERATIONS,
    AppPasswordStore,
    Grant,
    NoSuchAppPassword,
    TooManyAppPasswords,
)
from pillarbox.auth.keys import KeyFile, KeyMissing, KeyUnavailable

NOW = 1_800_000_000.0


class Here:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.accounts = AccountStore(base / "accounts.sqlite", clock=lambda: NOW)
        self.accounts.create()
        for name in ("alice", "bob"):
            self.accounts.add(name, "hash")
        self.store = self.fresh()

    def fresh(self) -> AppPasswordStore:
        """As another process sees it."""
        return AppPasswordStore(self.accounts, KeyFile(self.base / "secret.key"))

    def add(self, account: str = "alice") -> AppPasswordText:
        _, secret = self.store.add(account, Grant("phone", "mfa"))
        text = parse(secret.reveal())
        assert isinstance(text, AppPasswordText)
        return text


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    here = Here(tmp_path)
    yield here
    here.accounts.close()


def test_the_right_one_opens_and_no_other(here: Here) -> None:
    text = here.add()
    found = here.fresh().verify("alice", text)
    assert found is not None
    assert (found.id, found.account, found.name, found.after_mfa) == (text.id, "alice", "phone", True)
    assert here.store.verify("bob", text) is None
    other = app_password_text.generate(lambda octets: b"\x07" * octets)
    assert here.store.verify("alice", other) is None
    assert here.store.verify("alice", AppPasswordText(text.id, other.canonical)) is None
    assert here.store.verify("nobody", text) is None


def test_everything_that_it_may_is_kept(here: Here) -> None:
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    grant = Grant("printer", "unverified", True, networks, NOW + 5, 7, NOW - 100)
    made, secret = here.store.add("alice", grant)
    assert here.store.lookup("alice", made.id) == made
    assert here.store.list("alice") == [made]
    assert (made.read_only, made.networks, made.expires, made.idle_days, made.newer_than) == grant[2:]
    assert not made.after_mfa
    text = parse(secret.reveal())
    assert isinstance(text, AppPasswordText)
    assert here.store.verify("alice", text) == made


def test_when_and_where_it_may_be_used(here: Here) -> None:
    network = (ip_network("192.0.2.0/24"),)
    made, _ = here.store.add("alice", Grant("a", "mfa", networks=network, expires=NOW + 10, idle_days=2))
    assert made.refusal(NOW, "192.0.2.7") is None
    assert made.refusal(NOW, "192.0.3.7") == "app password not allowed from this address"
    assert made.refusal(NOW, "2001:db8::1") is not None
    assert made.refusal(NOW, "no address") is not None
    assert made.refusal(NOW + 10, "192.0.2.7") == "app password expired"
    lasting = made._replace(expires=None)
    assert lasting.ended(NOW + 2 * DAY - 1) is None
    assert lasting.ended(NOW + 2 * DAY) == "app password unused for too long"
    assert lasting._replace(last_used=NOW + DAY).ended(NOW + 2 * DAY) is None


def test_revoking_raises_the_epoch_of_the_account_alone(here: Here) -> None:
    text = here.add()
    before = here.accounts.show("alice").epoch, here.accounts.show("bob").epoch
    here.store.revoke("alice", text.id)
    assert here.store.verify("alice", text) is None
    assert here.accounts.show("alice").epoch > before[0]
    assert here.accounts.show("bob").epoch == before[1]
    with pytest.raises(NoSuchAppPassword):
        here.store.revoke("alice", text.id)
    with pytest.raises(NoSuchAccount):
        here.store.add("nobody", Grant("x", "mfa"))


def test_they_go_with_their_account(here: Here) -> None:
    text = here.add()
    here.accounts.remove("alice")
    here.accounts.add("alice", "new")
    assert here.store.verify("alice", text) is None
    assert here.store.list("alice") == []


def test_there_are_not_too_many(here: Here) -> None:
    for _ in range(MAX_PER_ACCOUNT):
        with here.accounts.transaction() as connection:
            connection.execute(
                "INSERT INTO app_password (account, id, tag, key_id, stored_key, server_key, name, read_only, networks,"
                " minted, created) VALUES ('alice', hex(randomblob(4)), x'', 'k', x'', x'', '', 0, '', 'mfa', 0)"
            )
    with pytest.raises(TooManyAppPasswords):
        here.add()


def test_a_stolen_database_gives_nothing_away(here: Here) -> None:
    """P60: neither the secret nor its plain hash is in the files; another account's row opens nothing."""
    text = here.add()
    octets = b"".join(file.read_bytes() for file in here.base.glob("accounts.sqlite*"))
    for form in (text.canonical, text.canonical[12:], hashlib.sha256(text.canonical).digest()):
        assert form not in octets
        assert form.upper() not in octets
    with here.accounts.transaction() as connection:
        connection.execute("UPDATE app_password SET account = 'bob'")
    assert here.store.verify("bob", text) is None


def test_scram_keys_are_those_of_the_rfc(here: Here) -> None:
    """RFC 5802 §3: a client that knows the text makes a proof that the stored keys accept."""
    text = here.add()
    here.add("bob")
    key = KeyFile(here.base / "secret.key").load()
    (keys,) = here.store.scram_keys("alice")
    salted = hashlib.pbkdf2_hmac("sha256", text.canonical, key.scram_salt("alice"), SCRAM_ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    proof = bytes(
        a ^ b for a, b in zip(client_key, hmac.digest(keys.stored_key, b"auth message", "sha256"), strict=True)
    )
    recovered = bytes(
        a ^ b for a, b in zip(proof, hmac.digest(keys.stored_key, b"auth message", "sha256"), strict=True)
    )
    assert hashlib.sha256(recovered).digest() == keys.stored_key
    assert keys.server_key == hmac.digest(salted, b"Server Key", "sha256")
    assert keys.id == text.id
    assert here.store.scram_keys("nobody") == ()
    assert keys.stored_key.hex() not in repr(keys)


def test_the_text_is_kept_only_for_digests_and_sealed(here: Here) -> None:
    plain = here.add()
    made, secret = here.store.add("alice", Grant("old client", "mfa"), recoverable=True)
    assert here.store.recoverable("alice") == ((made.id, secret),)
    (rows,) = sqlite3.connect(here.base / "accounts.sqlite").execute(
        "SELECT sealed FROM app_password WHERE id = ?", (plain.id,)
    )
    assert rows == (None,)


def test_a_lost_key_is_not_a_wrong_password(here: Here) -> None:
    """P44."""
    text = here.add()
    (here.base / "secret.key").unlink()
    with pytest.raises(KeyMissing):
        here.fresh().verify("alice", text)
    with pytest.raises(KeyMissing):
        AppPasswordStore(here.accounts, KeyFile(here.base / "secret.key")).add("bob", Grant("x", "mfa"))
    KeyFile(here.base / "secret.key").load_or_create(in_use=False)
    with pytest.raises(KeyUnavailable, match="not the key"):
        here.fresh().verify("alice", text)
    with pytest.raises(KeyUnavailable, match="not the key"):
        here.fresh().scram_keys("alice")
    assert here.fresh().verify("bob", text) is None  # no row: no key is needed
    # The way out: what the lost key made is revoked, and then there is a new beginning.
    here.fresh().revoke("alice", text.id)
    here.store = here.fresh()
    assert here.store.verify("alice", here.add())
