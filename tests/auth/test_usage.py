"""When something was last used: what is written, how often, and what is not disturbed by it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.auth.accounts import AccountsMissing, AccountStore
from pillarbox.auth.app_passwords import AppPassword, AppPasswordStore, Grant
from pillarbox.auth.keys import KeyFile
from pillarbox.auth.usage import UsageLog

NOW = 1_800_000_000.0


class Here:
    def __init__(self, base: Path) -> None:
        self.path = base / "accounts.sqlite"
        self.accounts = AccountStore(self.path, clock=lambda: NOW)
        self.accounts.create()
        self.accounts.add("alice", "hash")
        self.app_passwords = AppPasswordStore(self.accounts, KeyFile(base / "secret.key"))
        self.id = self.app_passwords.add("alice", Grant("phone", "mfa"))[0].id
        self.log = UsageLog(self.accounts)

    @property
    def app_password(self) -> AppPassword:
        found = self.app_passwords.lookup("alice", self.id)
        assert found is not None
        return found

    def use(self, now: float, address: str = "192.0.2.1", client: str = "") -> tuple[float | None, str, str]:
        self.log.note_app_password(self.app_password, now, address, client)
        self.log.write()
        return self.app_password[-3:]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    here = Here(tmp_path)
    yield here
    here.accounts.close()


def test_an_app_password_is_written_once_a_minute_or_when_the_place_changes(here: Here) -> None:
    assert here.use(NOW) == (NOW, "192.0.2.1", "")
    assert here.use(NOW + 59) == (NOW, "192.0.2.1", "")
    assert here.use(NOW + 60) == (NOW + 60, "192.0.2.1", "")
    assert here.use(NOW + 61, "192.0.2.2") == (NOW + 61, "192.0.2.2", "")
    assert here.use(NOW + 62, "192.0.2.2", "x" * 1000) == (NOW + 62, "192.0.2.2", "x" * 80)
    assert here.use(NOW - 500, "192.0.2.9")[0] == NOW + 62  # a clock that goes back


def test_an_account_is_written_once_an_hour(here: Here) -> None:
    for now in (NOW, NOW + 3599, NOW + 3600):
        here.log.note_login("alice", here.accounts.show("alice").last_login, now)
        here.log.write()
    assert here.accounts.show("alice").last_login == NOW + 3600
    here.log.note_login("alice", NOW, NOW + 3599)
    assert not here.log._accounts


def test_use_is_no_change(here: Here) -> None:
    """Neither the verification cache nor a running session is disturbed."""
    before = here.accounts.changed_since(0)
    epoch = here.accounts.show("alice").epoch
    here.log.note_login("alice", None, NOW)
    here.use(NOW)
    assert here.accounts.changed_since(0) == before
    assert here.accounts.show("alice").epoch == epoch


def test_nothing_noted_writes_nothing(here: Here) -> None:
    here.path.rename(here.path.with_name("away"))
    here.log.write()


def test_what_cannot_be_written_is_kept_for_the_next_time(here: Here) -> None:
    here.log.note_login("alice", None, NOW)
    here.log.note_app_password(here.app_password, NOW, "192.0.2.1", "PLAIN, TLSv1.3")
    away = here.path.with_name("away")
    here.path.rename(away)
    with pytest.raises(AccountsMissing):
        here.log.write()
    here.log.note_login("bob", None, NOW)
    away.rename(here.path)
    here.log.write()
    assert here.accounts.show("alice").last_login == NOW
    assert here.app_password.last_used == NOW


def test_the_used_password_lives_on(here: Here) -> None:
    made = here.app_password._replace(idle_days=1)
    assert made.ended(NOW + 86_400) is not None
    here.use(NOW + 86_000)
    assert here.app_password._replace(idle_days=1).ended(NOW + 86_400) is None
