"""The one decision about factors: as a table, against a model, and along every path with the real stores."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pillarbox.auth import mfa, totp
from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.app_password_text import AppPasswordText, parse
from pillarbox.auth.app_passwords import AppPasswordStore, Grant, Minted
from pillarbox.auth.keys import KeyFile
from pillarbox.auth.live import LiveCredentials
from pillarbox.auth.mfa import Factor, Policy, Verdict, decide, identify, parts
from pillarbox.auth.rules import Rules

EVERY_SET = [frozenset(chosen) for count in range(len(Factor) + 1) for chosen in itertools.combinations(Factor, count)]
PASSWORD, CODE, APP, APP_MFA, CERTIFICATE, TOKEN, TOKEN_MFA = Factor


@pytest.mark.parametrize(
    ("factors", "required", "optional", "optional_enrolled", "off"),
    [
        (set(), 0, 0, 0, 0),
        ({CODE}, 0, 0, 0, 0),
        ({PASSWORD}, 0, 1, 0, 1),
        ({PASSWORD, CODE}, 1, 1, 1, 1),
        ({APP}, 0, 1, 1, 1),
        ({APP_MFA}, 1, 1, 1, 1),
        ({CERTIFICATE}, 0, 1, 1, 1),
        ({CERTIFICATE, CODE}, 0, 1, 1, 1),
        ({CERTIFICATE, PASSWORD}, 1, 1, 1, 1),
        ({CERTIFICATE, APP}, 1, 1, 1, 1),
        ({CERTIFICATE, TOKEN}, 1, 1, 1, 1),
        ({TOKEN}, 0, 1, 1, 1),
        ({TOKEN_MFA}, 1, 1, 1, 1),
        ({TOKEN, APP}, 0, 1, 1, 1),
    ],
)
def test_the_table(factors: set[Factor], required: int, optional: int, optional_enrolled: int, off: int) -> None:
    def passed(policy: Policy, *, enrolled: bool) -> int:
        return int(decide(policy, frozenset(factors), totp=enrolled) is Verdict.OK)

    assert passed(Policy.REQUIRED, enrolled=False) == passed(Policy.REQUIRED, enrolled=True) == required
    assert passed(Policy.OPTIONAL, enrolled=False) == optional
    assert passed(Policy.OPTIONAL, enrolled=True) == optional_enrolled
    assert passed(Policy.OFF, enrolled=False) == passed(Policy.OFF, enrolled=True) == off


# What each factor shows: something known, something held. Written apart from `mfa`, as the thing to compare with.
KINDS = {
    PASSWORD: {"known"},
    CODE: {"phone"},
    APP: {"known"},
    APP_MFA: {"known", "phone"},
    CERTIFICATE: {"key"},
    TOKEN: {"known"},
    TOKEN_MFA: {"known", "phone"},
}


@pytest.mark.parametrize("factors", EVERY_SET, ids=str)
def test_every_set_of_factors(factors: frozenset[Factor]) -> None:
    shown = set().union(*(KINDS[factor] for factor in factors)) if factors else set()
    for enrolled in (False, True):
        verdicts = [decide(policy, factors, totp=enrolled) is Verdict.OK for policy in Policy]
        required, optional, off = verdicts
        assert required <= optional <= off  # a stricter policy lets in nobody more
        if required:
            assert len(shown) >= 2
            assert "known" in shown
        if off:
            assert shown - {"phone"}
    for more in Factor:
        for policy in Policy:
            # Showing more never hurts.
            if decide(policy, factors, totp=True) is Verdict.OK:
                assert decide(policy, factors | {more}, totp=True) is Verdict.OK


@pytest.mark.parametrize("factors", [one for one in EVERY_SET if one], ids=str)
def test_the_id_of_a_credential(factors: frozenset[Factor]) -> None:
    assert parts(identify(factors, "k3v9:x")) == (factors, "k3v9:x")


@pytest.mark.parametrize("text", ["", "password", "nobody:1", "+:1", ":"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(ValueError):
        parts(text)


SECRET = b"12345678901234567890"
GOOD = b"right password"


class EveryPath(RuleBasedStateMachine):
    """Somebody tries every way in, while policies, TOTP and app passwords come and go.

    The stores are the real ones, put together as a login does it. The model beside them knows only what the person has
    really shown in this login, or had shown when the app password was made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        base = Path(self.directory.name)
        self.now = 1_800_000_000.0
        keys = KeyFile(base / "secret.key")
        self.accounts = AccountStore(base / "accounts.sqlite", clock=lambda: self.now)
        self.accounts.create()
        self.app_passwords = AppPasswordStore(self.accounts, keys)
        self.totp = totp.TotpStore(self.accounts, keys, clock=lambda: self.now)
        self.domain = Rules()
        self.live = LiveCredentials(
            self.accounts,
            self.app_passwords,
            lambda _: self.domain,
            clock=lambda: self.now,
            wall_clock=lambda: self.now,
        )
        self.texts: list[tuple[bytes, bool]] = []  # and whether two factors were shown when it was made
        self.used_codes: set[str] = set()
        self.sessions: list[tuple[str, bool]] = []  # credential ids, and whether two factors are behind them

    def teardown(self) -> None:
        self.accounts.close()
        self.directory.cleanup()

    @initialize()
    def begin(self) -> None:
        self.accounts.add("alice", "hash")
        self.accounts.set_mfa("alice", Policy.REQUIRED)
        self.live.ended([])

    # ---- what changes ------------------------------------------------------------------------------------------

    @rule(policy=st.sampled_from([Policy.REQUIRED, Policy.REQUIRED, *Policy, None]))
    def set_policy(self, policy: Policy | None) -> None:
        self.accounts.set_mfa("alice", policy)

    @rule(seconds=st.sampled_from([1, 29, 30, 61]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @precondition(lambda self: not self.accounts.show("alice").totp)
    @rule()
    def enrol(self) -> None:
        self.used_codes = {self.code()}
        self.totp.enrol("alice", SECRET, self.code())

    @precondition(lambda self: self.accounts.show("alice").totp)
    @rule()
    def forget_totp(self) -> None:
        self.totp.remove("alice")
        self.used_codes = set()

    @rule(minted=st.sampled_from(["mfa", "administrator", "unverified"]))
    def mint(self, minted: Minted) -> None:
        if len(self.texts) < 5:
            _, secret = self.app_passwords.add("alice", Grant("x", minted))
            self.texts.append((secret.reveal(), minted != "unverified"))

    @precondition(lambda self: self.texts)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        text, _ = self.texts.pop(data.draw(st.integers(0, len(self.texts) - 1)))
        found = parse(text)
        assert isinstance(found, AppPasswordText)
        self.app_passwords.revoke("alice", found.id)
        assert self.log_in(text) is None

    @rule()
    def change_password(self) -> None:
        self.accounts.set_password("alice", "hash")

    # ---- the ways in -------------------------------------------------------------------------------------------

    @rule(certificate=st.booleans())
    def the_password_alone(self, certificate: bool) -> None:
        self.enter(GOOD, certificate, two=certificate)

    @rule(certificate=st.booleans(), away=st.sampled_from([0, 0, 0, 1, -1, 2, -2]))
    def password_and_code(self, certificate: bool, away: int) -> None:
        code = self.code(away)
        stored = self.accounts.show("alice")
        policy = self.domain.of(stored).mfa
        opened = self.enter(GOOD + code.encode(), certificate, two=True)
        if opened and policy is not Policy.OFF:
            assert stored.totp
            assert abs(away) <= 1
            assert code not in self.used_codes  # each once
            self.used_codes.add(code)

    @rule(
        wrong=st.sampled_from([b"", b"wrong", b"wrong123456", b"123456", GOOD + b"000000"]), certificate=st.booleans()
    )
    def something_wrong(self, wrong: bytes, certificate: bool) -> None:
        assert self.log_in(wrong, certificate) is None

    @precondition(lambda self: self.texts)
    @rule(data=st.data(), certificate=st.booleans())
    def an_app_password(self, data: st.DataObject, certificate: bool) -> None:
        text, two = data.draw(st.sampled_from(self.texts))
        opened = self.enter(text, certificate, two=two or certificate)
        assert opened or self.domain.of(self.accounts.show("alice")).mfa is Policy.REQUIRED

    @rule()
    def a_certificate_alone(self) -> None:
        self.enter(None, True, two=False)

    @rule(verified=st.booleans())
    def a_token(self, verified: bool) -> None:
        factor = Factor.TOKEN_AFTER_MFA if verified else Factor.TOKEN
        credential = self.judged(frozenset({factor}), "token")
        if credential:
            self.sessions.append((credential, verified))

    # ---- what must hold ----------------------------------------------------------------------------------------

    @invariant()
    def no_session_lives_without_a_second_factor_where_one_is_required(self) -> None:
        if not self.accounts.lookup("alice"):
            return
        ended = set(self.live.ended([("alice", credential) for credential, _ in self.sessions]))
        self.sessions = [session for session in self.sessions if ("alice", session[0]) not in ended]
        if self.domain.of(self.accounts.show("alice")).mfa is Policy.REQUIRED:
            assert all(two for _, two in self.sessions)

    # ---- a login -----------------------------------------------------------------------------------------------

    def code(self, away: int = 0) -> str:
        return totp.code_at(SECRET, totp.step_at(self.now) + away)

    def enter(self, given: bytes | None, certificate: bool, *, two: bool) -> bool:
        credential = self.log_in(given, certificate)
        if credential is None:
            return False
        self.sessions.append((credential, two))
        return True

    def log_in(self, given: bytes | None, certificate: bool = False) -> str | None:
        """The id of the credential that let somebody in, or None: what every login does, in its order."""
        stored = self.accounts.show("alice")
        beside = frozenset({Factor.CERTIFICATE}) if certificate else frozenset()
        if given is None:
            return self.judged(beside, "cafe")
        text = parse(given)
        if isinstance(text, AppPasswordText):
            found = self.app_passwords.verify("alice", text)
            if found is None or found.refusal(self.now, "192.0.2.1"):
                return None
            factor = Factor.APP_PASSWORD_AFTER_MFA if found.after_mfa else Factor.APP_PASSWORD
            return self.judged(beside | {factor}, found.id)
        factors = beside | {Factor.PASSWORD}
        password, code = given, None
        if stored.totp and self.domain.of(stored).mfa is not Policy.OFF and (both := totp.split(given)):
            password, code = both
        if password != GOOD:
            return None
        if code is not None:
            if not self.totp.use_code("alice", code):
                return None
            factors |= {Factor.TOTP}
        return self.judged(factors, stored.password_epoch)

    def judged(self, factors: frozenset[Factor], which: str | int) -> str | None:
        stored = self.accounts.show("alice")
        verdict = mfa.decide(self.domain.of(stored).mfa, factors, totp=stored.totp)
        return mfa.identify(factors, which) if verdict is Verdict.OK else None


EveryPath.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestEveryPath = EveryPath.TestCase
