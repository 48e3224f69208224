"""Sessions that must end, and those that must not."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pillarbox.auth import mfa
from pillarbox.auth.accounts import AccountsMissing, AccountStore
from pillarbox.auth.app_passwords import AppPasswordStore, Grant
from pillarbox.auth.keys import KeyFile
from pillarbox.auth.live import LiveCredentials
from pillarbox.auth.mfa import Factor, Policy
from pillarbox.auth.rules import Rules
from pillarbox.auth.totp import TotpStore, code_at, step_at

NOW = 1_800_000_000.0
SECRET = b"12345678901234567890"


class Here:
    def __init__(self, base: Path) -> None:
        self.now = NOW
        self.rules = Rules()
        keys = KeyFile(base / "secret.key")
        self.accounts = AccountStore(base / "accounts.sqlite", clock=lambda: self.now)
        self.accounts.create()
        for name in ("alice", "bob"):
            self.accounts.add(name, "hash")
        self.app_passwords = AppPasswordStore(self.accounts, keys)
        self.totp = TotpStore(self.accounts, keys, clock=lambda: self.now)
        self.app = self.app_passwords.add("alice", Grant("phone", "unverified", expires=NOW + 1000))[0].id
        self.verified = self.app_passwords.add("alice", Grant("tablet", "mfa"))[0].id
        self.live = self.watcher()

    def watcher(self) -> LiveCredentials:
        live = LiveCredentials(
            self.accounts, self.app_passwords, lambda _: self.rules, clock=lambda: self.now, wall_clock=lambda: self.now
        )
        assert live.ended(self.sessions) == []  # begins to watch
        return live

    def password(self, account: str = "alice", *more: Factor) -> tuple[str, str]:
        return account, mfa.identify({Factor.PASSWORD, *more}, self.accounts.show(account).password_epoch)

    @property
    def sessions(self) -> list[tuple[str, str]]:
        return [
            self.password(),
            self.password("alice", Factor.TOTP),
            ("alice", mfa.identify({Factor.APP_PASSWORD}, self.app)),
            ("alice", mfa.identify({Factor.APP_PASSWORD_AFTER_MFA}, self.verified)),
            ("alice", mfa.identify({Factor.CERTIFICATE}, "cafe")),
            ("bob", mfa.identify({Factor.PASSWORD}, self.accounts.show("bob").password_epoch)),
        ]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    here = Here(tmp_path)
    yield here
    here.accounts.close()


CHANGES: list[tuple[Callable[[Here], object], set[int]]] = [
    (lambda here: None, set()),
    (lambda here: here.app_passwords.revoke("alice", here.app), {2}),
    (lambda here: here.app_passwords.revoke("alice", here.verified), {3}),
    (lambda here: here.accounts.set_password("alice", "new"), {0, 1}),
    (lambda here: here.accounts.replace_hash("alice", "hash", "stronger"), set()),
    (lambda here: here.accounts.disable("alice"), {0, 1, 2, 3, 4}),
    (lambda here: here.accounts.remove("alice"), {0, 1, 2, 3, 4}),
    (lambda here: here.accounts.set_pop3("alice", False), {0, 1, 2, 3, 4}),
    (lambda here: here.accounts.set_primary_over_pop3("alice", False), {0, 1}),
    (lambda here: here.accounts.set_mfa("alice", Policy.REQUIRED), {0, 2, 4}),
    (lambda here: here.totp.enrol("alice", SECRET, code_at(SECRET, step_at(NOW))), {0}),
    (lambda here: here.app_passwords.add("alice", Grant("new", "mfa")), set()),
    (lambda here: here.accounts.set_password("bob", "new"), {5}),
]


@pytest.mark.parametrize(("change", "ended"), CHANGES)
def test_what_a_change_ends(here: Here, change: Callable[[Here], object], ended: set[int]) -> None:
    sessions = here.sessions
    change(here)
    here.now += 2
    assert here.live.ended(sessions) == [sessions[number] for number in sorted(ended)]


def test_a_removed_and_new_account_is_another(here: Here) -> None:
    sessions = here.sessions
    here.accounts.remove("alice")
    here.accounts.add("alice", "hash")
    # A certificate is bound to the name.
    assert here.live.ended(sessions) == sessions[:4]


def test_a_session_that_was_listed_late_is_found(here: Here) -> None:
    """Its login began before the change and took some seconds; the change was seen before it was listed."""
    late = here.password()
    here.accounts.set_password("alice", "new")
    here.now += 1
    assert here.live.ended([]) == []
    here.now += 8
    assert here.live.ended([late]) == [late]


def test_old_changes_are_forgotten(here: Here) -> None:
    here.accounts.set_password("alice", "new")
    for _ in range(40):
        here.now += 2
        here.live.ended([])
    assert len(here.live._seen) == 1
    assert here.live.ended([("alice", "nonsense")]) == []  # nobody asks any more
    assert here.live.ended([("bob", "nonsense")]) == []


def test_while_nothing_changes_no_session_costs_anything(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = AccountStore.row

    def noted(store: AccountStore, question: str, values: Sequence[object]) -> tuple[object, ...] | None:
        asked.append(question)
        return ask(store, question, values)

    monkeypatch.setattr(AccountStore, "row", noted)
    monkeypatch.setattr(AccountStore, "rows", None)
    assert here.live.ended([("alice", "password:1")] * 10_000) == []
    assert asked == ["SELECT epoch FROM counter"]


def test_a_session_ends_when_its_app_password_expires(here: Here) -> None:
    sessions = here.sessions
    here.now = NOW + 990
    assert here.live.ended(sessions) == []
    here.now = NOW + 1000
    assert here.live.ended(sessions) == [sessions[2]]
    here.now += 10  # one whose login began just before is listed late
    assert here.live.ended([sessions[2]]) == [sessions[2]]
    for _ in range(2):
        here.now += 60
        assert here.live.ended([]) == []
    assert here.live._next_expiry is None


def test_an_expiry_is_noticed_though_the_clock_leaps_over_it(here: Here) -> None:
    here.app_passwords.add("bob", Grant("second", "mfa", expires=NOW + 1005))
    sessions = here.sessions
    assert here.live.ended(sessions) == []
    here.now = NOW + 86_400
    assert here.live.ended(sessions) == [sessions[2]]


@pytest.mark.parametrize("nonsense", ["", "password", "nobody:1", "totp:1", ":1"])
def test_what_is_no_credential_is_not_valid(here: Here, nonsense: str) -> None:
    assert not here.live.valid("alice", nonsense)


def test_an_expired_app_password_is_not_valid(here: Here) -> None:
    credential = mfa.identify({Factor.APP_PASSWORD}, here.app)
    assert here.live.valid("alice", credential)
    assert not here.live.valid("bob", credential)
    here.now += 1000
    assert not here.live.valid("alice", credential)


def test_nobody_can_tell(here: Here, tmp_path: Path) -> None:
    """P44: the caller keeps the sessions."""
    (tmp_path / "accounts.sqlite").rename(tmp_path / "away")
    with pytest.raises(AccountsMissing):
        here.live.ended([])
