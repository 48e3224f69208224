"""Authentication put together: each setting reaches its part, and the parts agree with one another."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.app_password_text import generate
from pillarbox.auth.app_passwords import SCRAM_ITERATIONS, AppPasswordStore, Grant
from pillarbox.auth.attempt import Accepted, Attempt, Decision, Origin, Outcome, Password, Refused, Salt, Token
from pillarbox.auth.guard.interface import Reason
from pillarbox.auth.passwords import Hasher
from pillarbox.config import ConfigError
from pillarbox.config.load import parse
from pillarbox.config.schema import Settings
from pillarbox.events import MemorySink, Secret, Warned
from pillarbox.wiring.credentials import (
    Authentication,
    account_store,
    hasher,
    key_file,
    mechanisms,
    sources,
    token_verifier,
)

T = TypeVar("T")
TLS = '[tls]\ncertificate = "c.pem"\nkey = "c.key"\n'
FAST = "failure_delay = 0.0\nfailure_step = 0.01\nargon2_memory_kib = 19456\nargon2_time = 2\n"
HOME = "192.0.2.1"


def settings(base: Path, auth: str = "", more: str = "") -> Settings:
    """Settings whose state is in `base`; `auth` is more of the section of that name."""
    state = f'[server]\nstate_directory = "{base}/state"\n'
    return parse(f'{state}[auth]\n{FAST}{auth}\n{more}\n{TLS}[maildir]\npath = "{base}/{{user}}"\n', base=base)


def stored(made: Settings) -> AccountStore:
    """The accounts, with Anna among them."""
    store = account_store(made)
    if store.create():
        store.add("anna", hasher(made).hash(b"secret"))
    return store


def attempt(password: bytes, name: str = "anna") -> Attempt:
    return Attempt(name, Password(Secret(password)), "USER/PASS", "s1", Origin(HOME, 4000, "pop3s", "TLSv1.3"))


class Run:
    """One life of a worker's authentication."""

    def __init__(self, made: Settings) -> None:
        self.made = made
        self.sink = MemorySink()

    def decide(self, *attempts: Attempt) -> list[Decision]:
        async def decided() -> list[Decision]:
            authentication = Authentication(self.made, self.sink)
            try:
                return [await authentication.pipeline.decide(each) for each in attempts]
            finally:
                await authentication.close()

        return asyncio.run(decided())

    def salt(self, name: str) -> Salt | Refused:
        async def asked() -> Salt | Refused:
            authentication = Authentication(self.made, self.sink)
            try:
                return await authentication.pipeline.salt(name)
            finally:
                await authentication.close()

        return asyncio.run(asked())

    def warnings(self) -> list[str]:
        return [event.about for event in self.sink.events if isinstance(event, Warned)]


# ---- the parts


def test_the_mechanisms_are_those_that_can_work(tmp_path: Path) -> None:
    assert "OAUTHBEARER" not in mechanisms(settings(tmp_path))
    assert "SCRAM-SHA-256" in mechanisms(settings(tmp_path))
    assert mechanisms(settings(tmp_path, 'mechanisms = ["XOAUTH2", "PLAIN"]')) == ("PLAIN",)
    tokens = '[auth.tokens]\nenabled = true\njwks_file = "{}"\nissuer = "https://id.example"\naudience = ["pop"]\n'
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": []}')
    with_tokens = settings(tmp_path, 'mechanisms = ["PLAIN", "XOAUTH2"]', tokens.format(keys))
    assert mechanisms(with_tokens) == ("PLAIN", "XOAUTH2", "OAUTHBEARER")


def test_without_tokens_nobody_judges_them(tmp_path: Path) -> None:
    made = settings(tmp_path)
    stored(made).close()
    assert token_verifier(made, MemorySink()) is None
    token = attempt(b"")._replace(proof=Token(Secret("a.b.c")), mechanism="OAUTHBEARER")
    (decision,) = Run(made).decide(token)
    assert isinstance(decision, Refused)
    assert decision.outcome is Outcome.CREDENTIALS
    assert decision.challenge is not None


def test_a_scheme_that_is_none_is_a_problem_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("")
    file = f'[auth.passwd_file]\npath = "{tmp_path}/users"\ndefault_scheme = "NONSENSE"\n'
    with pytest.raises(ConfigError):
        sources(settings(tmp_path, 'sources = ["passwd-file"]', file), MemorySink())


def test_the_own_accounts_share_one_database(tmp_path: Path) -> None:
    made = settings(tmp_path)
    assert made.accounts_file == tmp_path / "state" / "accounts.sqlite"
    assert key_file(made).path == str(tmp_path / "state" / "secret.key")


# ---- one worker's authentication


def test_passwords_and_app_passwords_let_in(tmp_path: Path) -> None:
    made = settings(tmp_path)
    store = stored(made)
    which, secret = AppPasswordStore(store, key_file(made)).add("anna", Grant("phone", "mfa", newer_than=77.0))
    store.close()
    run = Run(made)
    own, app, wrong = run.decide(attempt(b"secret"), attempt(secret.reveal()), attempt(b"wrong"))
    assert isinstance(own, Accepted)
    assert isinstance(app, Accepted)
    assert isinstance(wrong, Refused)
    assert own.account.maildrop == f"{tmp_path}/anna"
    assert (app.account.credential, app.account.only_newer_than) == (f"app-mfa:{which.id}", 77.0)
    assert "installation-key" not in run.warnings()


def test_uses_are_written(tmp_path: Path) -> None:
    made = settings(tmp_path)
    store = stored(made)
    app_passwords = AppPasswordStore(store, key_file(made))
    which, secret = app_passwords.add("anna", Grant("phone", "mfa"))
    begin = time.time()
    Run(made).decide(attempt(secret.reveal()))
    used = app_passwords.lookup("anna", which.id)
    assert used is not None
    assert used.last_used is not None
    assert (used.last_used >= begin, used.last_address, used.last_client) == (True, HOME, "USER/PASS, TLSv1.3")
    last_login = store.show("anna").last_login
    assert last_login is not None
    assert last_login >= begin - 3600
    store.close()


def test_the_rules_of_the_configuration_hold(tmp_path: Path) -> None:
    for more, reason in (
        ('[auth.mfa]\npolicy = "required"\n', "second factor missing"),
        ('[auth.pop3]\ndefault = "off"\n', "POP3 is off for this account"),
        ('[auth.pop3]\nprimary = "no"\n', "the account's own password does not work over POP3"),
    ):
        made = settings(tmp_path, more=more)
        stored(made).close()
        (decision,) = Run(made).decide(attempt(b"secret"))
        assert decision == Refused(Outcome.CREDENTIALS, reason)


def test_a_missing_database_is_no_wrong_password(tmp_path: Path) -> None:
    """P44."""
    (decision,) = Run(settings(tmp_path)).decide(attempt(b"secret"))
    assert isinstance(decision, Refused)
    assert decision.outcome is Outcome.TEMPORARY


# ---- the guard


def test_a_wrong_secret_counts_once_through_restarts_and_workers(tmp_path: Path) -> None:
    """All of them know it by the same tag, even where no app password has ever needed the installation's key."""
    made = settings(tmp_path, more="[guard]\nguesses_per_source = 2\npenalty = 0.0\n")
    stored(made).close()
    wrong = "wrong password"
    for _ in range(4):
        (decision,) = Run(made).decide(attempt(b"an old password"))
        assert decision == Refused(Outcome.CREDENTIALS, wrong)
    (second,) = Run(made).decide(attempt(b"another one"))
    assert second == Refused(Outcome.CREDENTIALS, wrong)
    (third,) = Run(made).decide(attempt(b"secret"))
    assert third == Refused(Outcome.CREDENTIALS, Reason.PAIR.value)


def test_the_guard_can_be_switched_off(tmp_path: Path) -> None:
    made = settings(tmp_path, more="[guard]\nenabled = false\nguesses_per_source = 1\npenalty = 0.0\n")
    stored(made).close()
    *_, last = Run(made).decide(*(attempt(b"wrong %d" % number) for number in range(3)), attempt(b"secret"))
    assert isinstance(last, Accepted)
    assert not made.guard_file.exists()


@pytest.mark.parametrize("names", [["accounts"], ["accounts", "passwd-file"]])
def test_guesses_of_app_passwords_cannot_be_made_a_flood_of_hashing(
    tmp_path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """P42, P50: the guard does not limit what cannot be guessed, so for unknown names it costs no hashing either.

    Where another source would check it as any password, it costs as much as there, and the guard limits it.
    """
    users = tmp_path / "users"
    users.write_text("bert:{PLAIN}from the file\n")
    listed = ", ".join(f'"{name}"' for name in names)
    more = f'[auth.passwd_file]\npath = "{users}"\n[guard]\nguesses_per_source = 3\npenalty = 0.0\n'
    made = settings(tmp_path, f"sources = [{listed}]", more)
    stored(made).close()
    hashed: list[Hasher] = []

    def counted(self: Hasher) -> bool:
        hashed.append(self)
        return False

    monkeypatch.setattr(Hasher, "verify_nobody", counted)
    texts = [generate(os.urandom).canonical for _ in range(10)]
    decisions = Run(made).decide(*(attempt(text, "nobody") for text in texts))
    reasons = {decision.reason for decision in decisions if isinstance(decision, Refused)}
    if names == ["accounts"]:
        assert (len(hashed), reasons) == (0, {"unknown user"})
    else:
        assert (len(hashed), reasons) == (3, {"unknown user", Reason.PAIR.value})
    hashed.clear()
    Run(made).decide(*(attempt(text) for text in texts))
    assert hashed == []


# ---- the installation's key


def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    """A new one would not fit what is stored; what needs none goes on."""
    made = settings(tmp_path)
    store = stored(made)
    _, secret = AppPasswordStore(store, key_file(made)).add("anna", Grant("phone", "mfa"))
    store.close()
    os.unlink(key_file(made).path)
    run = Run(made)
    own, app = run.decide(attempt(b"secret"), attempt(secret.reveal()))
    assert isinstance(own, Accepted)
    assert isinstance(app, Refused)
    assert app.outcome is Outcome.TEMPORARY
    assert not Path(key_file(made).path).exists()
    assert run.warnings().count("installation-key") == 1


def test_salts_stay_the_same_through_restarts(tmp_path: Path) -> None:
    """P42: for a name that is known and for one that is not."""
    made = settings(tmp_path)
    stored(made).close()
    known, unknown = Run(made).salt("anna"), Run(made).salt("nobody")
    assert isinstance(known, Salt)
    assert isinstance(unknown, Salt)
    assert (len(known.salt), known.iterations) == (len(unknown.salt), SCRAM_ITERATIONS)
    assert known.salt != unknown.salt
    assert (Run(made).salt("anna"), Run(made).salt("nobody")) == (known, unknown)


def test_with_a_damaged_key_nobody_can_tell_a_salt(tmp_path: Path) -> None:
    """P42: neither for a known name nor for an unknown one."""
    made = settings(tmp_path)
    stored(made).close()
    key = Path(key_file(made).path)
    key.write_bytes(b"damaged")
    key.chmod(0o600)
    known, unknown = Run(made).salt("anna"), Run(made).salt("nobody")
    assert known == unknown
    assert isinstance(known, Refused)
    assert known.outcome is Outcome.TEMPORARY


# ---- running sessions


def watched(made: Settings, change: Callable[[AccountStore], T], sessions: list[tuple[str, str]]) -> list[list[object]]:
    """What has ended before and after a change."""

    async def looked() -> list[list[object]]:
        authentication = Authentication(made, MemorySink())
        store = account_store(made)
        try:
            authentication.ended(())
            before = authentication.ended(sessions)
            change(store)
            return [list(before), list(authentication.ended(sessions))]
        finally:
            store.close()
            await authentication.close()

    return asyncio.run(looked())


def test_a_change_ends_the_sessions_of_its_account(tmp_path: Path) -> None:
    made = settings(tmp_path)
    store = stored(made)
    store.add("bert", hasher(made).hash(b"secret"))
    sessions = [(name, f"password:{store.show(name).password_epoch}") for name in ("anna", "bert")]
    store.close()
    assert watched(made, lambda changed: changed.disable("anna"), sessions) == [[], [sessions[0]]]


def test_when_nobody_can_tell_every_session_goes_on(tmp_path: Path) -> None:
    made = settings(tmp_path)
    store = stored(made)
    sessions = [("anna", f"password:{store.show('anna').password_epoch}")]
    store.close()
    assert watched(made, lambda _: made.accounts_file.unlink(), sessions) == [[], []]
