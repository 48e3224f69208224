"""Which proofs are right, which factors they show, and what a wrong one costs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from tests.auth.counting import CountingHasher

from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.app_passwords import SCRAM_ITERATIONS, AppPassword, AppPasswordStore, Grant
from pillarbox.auth.attempt import Digest, DigestKind, Password, Refused, Scram
from pillarbox.auth.cache import VerificationCache
from pillarbox.auth.guard.interface import Lane
from pillarbox.auth.hashing import HashingPool, Turn
from pillarbox.auth.keys import KeyFile
from pillarbox.auth.mfa import Factor, Policy
from pillarbox.auth.proving import (
    IMPOSSIBLE_PASSWORD,
    MISTYPED,
    NO_CODE,
    NOT_OVER_POP3,
    WRONG_CODE,
    WRONG_PASSWORD,
    WRONG_PROOF,
    Prover,
    Shown,
)
from pillarbox.auth.rules import Rules
from pillarbox.auth.sources import AccountsSource, Credential, Source
from pillarbox.auth.totp import TotpStore, code_at, step_at
from pillarbox.events import Secret
from pillarbox.sasl import digests, scram

NOW = 1_900_000_000.0
HOME = "192.0.2.7"
PASSWORD = b"correct horse"
TOTP_SECRET = b"12345678901234567890"
RULES = Rules()


class OtherSource:
    """A source that is not our own."""

    name = "other"

    def lookup(self, account: str) -> Credential | None:
        return Credential(account, "")

    def verify(self, credential: Credential, password: bytes) -> bool:
        return password == credential.stored.encode()

    def upgrade(self, credential: Credential, password: bytes) -> None:
        raise AssertionError("nothing is upgraded here")


class Here:
    """Alice with her app passwords, and everything that judges them."""

    def __init__(self, base: Path) -> None:
        self.now = NOW
        self.keys = KeyFile(base / "secret.key")
        self.accounts = AccountStore(base / "accounts.sqlite", clock=lambda: NOW)
        self.accounts.create()
        self.hasher = CountingHasher()
        self.accounts.add("alice", self.hasher.hash(PASSWORD))
        self.accounts.add("bob", self.hasher.hash(PASSWORD))
        self.app_passwords = AppPasswordStore(self.accounts, self.keys)
        self.totp = TotpStore(self.accounts, self.keys, clock=lambda: self.now)
        self.source = AccountsSource(self.accounts, self.hasher, app_passwords=self.app_passwords, totp=self.totp)
        self.cache = VerificationCache(os.urandom(32), seconds=60, size=10, clock=lambda: self.now)
        self.upgraded: list[bytes] = []

    def mint(self, grant: Grant | None = None, *, recoverable: bool = False) -> tuple[AppPassword, Secret]:
        return self.app_passwords.add("alice", grant or Grant("phone", "mfa"), recoverable=recoverable)

    def credential(self, name: str = "alice") -> Credential:
        found = self.source.lookup(name)
        assert isinstance(found, Credential)
        return found

    def prove(self, ask: Callable[[Prover], Awaitable[Shown | Refused] | Shown | Refused]) -> Shown | Refused:
        async def asked() -> Shown | Refused:
            prover = Prover(
                hashing=HashingPool(2, 5.0),
                hasher=self.hasher,
                cache=self.cache,
                upgrade=lambda source, credential, password: self.upgraded.append(password),
                wall_clock=lambda: self.now,
            )
            answer = ask(prover)
            return answer if isinstance(answer, Shown | Refused) else await answer

        return asyncio.run(asked())

    def password(
        self,
        given: bytes,
        *,
        rules: Rules = RULES,
        name: str = "alice",
        address: str = HOME,
        source: Source | None = None,
    ) -> Shown | Refused:
        credential = self.credential(name)
        return self.prove(
            lambda prover: prover.password(
                Password(Secret(given)), source or self.source, credential, rules, Turn(Lane.UNFAMILIAR, address)
            )
        )

    def scram(self, proof: Scram, *, name: str = "alice", source: Source | None = None) -> Shown | Refused:
        credential = self.credential(name)
        return self.prove(lambda prover: prover.scram(proof, source or self.source, credential, HOME))


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def shown(answer: Shown | Refused) -> Shown:
    assert isinstance(answer, Shown), answer
    return answer


# ---- the account's own password


def test_the_own_password_is_one_factor(here: Here) -> None:
    answer = shown(here.password(PASSWORD))
    assert answer.factors == {Factor.PASSWORD}
    assert answer.which == str(here.credential().password_epoch)
    assert answer.app_password is None
    assert here.password(b"wrong") == WRONG_PASSWORD


def test_a_right_password_is_remembered_only_when_its_account_is_let_in(here: Here) -> None:
    answer = shown(here.password(PASSWORD))
    assert len(here.cache) == 0
    assert answer.remember is not None
    answer.remember()
    assert (len(here.cache), here.upgraded) == (1, [PASSWORD])
    here.hasher.paid.clear()
    assert shown(here.password(PASSWORD)).remember is None
    assert here.hasher.paid == []


@pytest.mark.parametrize("rules", [Rules(pop3=False), Rules(primary_over_pop3=False)])
def test_the_cache_makes_no_closed_account_faster(here: Here, rules: Rules) -> None:
    """P42."""
    here.cache.remember(here.cache.key(here.source.name, here.credential(), PASSWORD))
    here.hasher.paid.clear()
    here.password(PASSWORD, rules=rules)
    assert here.hasher.paid == ["verify"]


def test_the_own_password_may_be_kept_out_of_pop3(here: Here) -> None:
    assert here.password(PASSWORD, rules=Rules(primary_over_pop3=False)) == NOT_OVER_POP3
    assert here.password(b"wrong", rules=Rules(primary_over_pop3=False)) == WRONG_PASSWORD


@pytest.mark.parametrize("given", [b"", b"x" * 1025])
def test_an_impossible_password_costs_what_a_wrong_one_costs(here: Here, given: bytes) -> None:
    """P42."""
    here.hasher.paid.clear()
    assert here.password(given) == IMPOSSIBLE_PASSWORD
    assert here.hasher.paid == ["nobody"]


# ---- with a code behind it


def enrolled(here: Here) -> str:
    here.totp.enrol("alice", TOTP_SECRET, code_at(TOTP_SECRET, step_at(NOW) - 1))
    return code_at(TOTP_SECRET, step_at(NOW))


def test_password_and_code_are_two_factors_once(here: Here) -> None:
    both = PASSWORD + enrolled(here).encode()
    assert shown(here.password(both)).factors == {Factor.PASSWORD, Factor.TOTP}
    assert here.password(both) == WRONG_CODE


def test_a_code_behind_a_wrong_password_is_not_used_up(here: Here) -> None:
    code = enrolled(here).encode()
    assert here.password(b"wrong" + code) == WRONG_PASSWORD
    assert shown(here.password(PASSWORD + code)).factors == {Factor.PASSWORD, Factor.TOTP}


def test_a_remembered_password_still_needs_its_code(here: Here) -> None:
    remember = shown(here.password(PASSWORD + enrolled(here).encode())).remember
    assert remember is not None
    remember()
    assert here.upgraded == [PASSWORD]  # without the code
    assert here.password(PASSWORD + b"000000") == WRONG_CODE


def test_a_missing_code_costs_what_a_wrong_password_costs(here: Here) -> None:
    """P42."""
    enrolled(here)
    here.hasher.paid.clear()
    assert here.password(PASSWORD) == NO_CODE
    assert here.hasher.paid == ["nobody"]


def test_where_the_policy_is_off_no_code_is_expected(here: Here) -> None:
    enrolled(here)
    assert shown(here.password(PASSWORD, rules=Rules(mfa=Policy.OFF))).factors == {Factor.PASSWORD}


# ---- app passwords


@pytest.mark.parametrize(
    ("minted", "factor"), [("mfa", Factor.APP_PASSWORD_AFTER_MFA), ("unverified", Factor.APP_PASSWORD)]
)
def test_an_app_password_counts_as_it_was_minted(here: Here, minted: str, factor: Factor) -> None:
    made, secret = here.mint(Grant("phone", "mfa" if minted == "mfa" else "unverified"))
    here.hasher.paid.clear()
    answer = shown(here.password(secret.reveal()))
    assert (answer.factors, answer.which, answer.app_password) == (frozenset({factor}), made.id, made)
    assert here.hasher.paid == []  # one HMAC


def test_an_app_password_needs_no_code_nor_the_own_password_over_pop3(here: Here) -> None:
    _, secret = here.mint()
    enrolled(here)
    rules = Rules(mfa=Policy.REQUIRED, primary_over_pop3=False)
    assert shown(here.password(secret.reveal(), rules=rules)).factors == {Factor.APP_PASSWORD_AFTER_MFA}


def test_an_app_password_opens_its_own_account_alone(here: Here) -> None:
    _, secret = here.mint()
    assert here.password(secret.reveal(), name="bob") == WRONG_PASSWORD


def test_a_revoked_app_password_is_a_wrong_password(here: Here) -> None:
    made, secret = here.mint()
    here.app_passwords.revoke("alice", made.id)
    assert here.password(secret.reveal()) == WRONG_PASSWORD


def test_a_slip_is_told_from_a_guess(here: Here) -> None:
    _, secret = here.mint()
    text = secret.reveal()
    here.hasher.paid.clear()
    assert here.password(text[:-1] + (b"0" if text[-1:] != b"0" else b"1")) == MISTYPED
    assert here.hasher.paid == ["nobody"]


def test_an_app_password_obeys_its_limits(here: Here) -> None:
    network = ip_network("198.51.100.0/24")
    _, there = here.mint(Grant("there", "mfa", networks=(network,)))
    _, brief = here.mint(Grant("brief", "mfa", expires=NOW + 10))
    assert isinstance(here.password(there.reveal()), Refused)
    assert isinstance(here.password(there.reveal(), address="198.51.100.9"), Shown)
    assert isinstance(here.password(brief.reveal()), Shown)
    here.now = NOW + 10
    assert isinstance(here.password(brief.reveal()), Refused)


def test_elsewhere_the_form_of_an_app_password_means_nothing(here: Here) -> None:
    """Another source's password may look like one of ours."""
    _, secret = here.mint()
    text = secret.reveal()
    credential = Credential("alice", text.decode())
    proof, turn = Password(Secret(text)), Turn(Lane.UNFAMILIAR, HOME)
    answer = here.prove(lambda prover: prover.password(proof, OtherSource(), credential, RULES, turn))
    assert shown(answer).factors == {Factor.PASSWORD}


# ---- SCRAM and digests


def scram_proof(here: Here, secret: Secret, message: bytes = b"n=alice,r=1,what both sides sign") -> Scram:
    salt = here.keys.load().scram_salt("alice")
    salted = scram.salted(secret, salt, SCRAM_ITERATIONS)
    return Scram("SCRAM-SHA-256", message, scram.client_proof(salted, message), salt, SCRAM_ITERATIONS)


def test_scram_finds_the_app_password_it_was_made_with(here: Here) -> None:
    here.mint()
    made, secret = here.mint(Grant("tablet", "unverified", read_only=True))
    here.mint()
    proof = scram_proof(here, secret)
    answer = shown(here.scram(proof))
    assert (answer.which, answer.app_password, answer.factors) == (made.id, made, frozenset({Factor.APP_PASSWORD}))
    salted = scram.salted(secret, proof.salt, SCRAM_ITERATIONS)
    assert answer.final == b"v=" + scram.encode64(scram.signature(salted, proof.auth_message)).encode()


def test_scram_with_anything_else_is_wrong(here: Here) -> None:
    """The account's own password among it: nothing is stored of it that SCRAM could use."""
    made, secret = here.mint()
    good = scram_proof(here, secret)
    flipped = Scram(good.mechanism, good.auth_message, bytes(32), good.salt, good.iterations)
    for proof in (scram_proof(here, Secret(PASSWORD)), flipped):
        assert here.scram(proof) == WRONG_PROOF
    assert here.scram(good, name="bob") == WRONG_PROOF
    assert here.scram(good, source=OtherSource()) == WRONG_PROOF
    assert isinstance(here.scram(good), Shown)
    here.app_passwords.revoke("alice", made.id)
    assert here.scram(good) == WRONG_PROOF


def test_scram_obeys_the_limits_of_the_app_password(here: Here) -> None:
    _, secret = here.mint(Grant("brief", "mfa", expires=NOW + 10))
    proof = scram_proof(here, secret)
    here.now = NOW + 11
    answer = here.scram(proof)
    assert isinstance(answer, Refused)
    assert answer != WRONG_PROOF


@pytest.mark.parametrize("kind", DigestKind)
def test_digests_work_with_what_was_minted_for_them(here: Here, kind: DigestKind) -> None:
    challenge = b"<1.2@localhost>"
    made, secret = here.mint(recoverable=True)
    _, plain = here.mint()

    def judged(secret: Secret, source: Source | None = None) -> Shown | Refused:
        proof = Digest(kind, challenge, digests.compute(kind, challenge, secret))
        return here.prove(lambda prover: prover.digest(proof, source or here.source, here.credential(), HOME))

    answer = shown(judged(secret))
    assert (answer.which, answer.factors) == (made.id, frozenset({Factor.APP_PASSWORD_AFTER_MFA}))
    assert judged(plain) == WRONG_PROOF
    assert judged(Secret(PASSWORD)) == WRONG_PROOF
    assert judged(secret, OtherSource()) == WRONG_PROOF


def test_what_was_shown_prints_no_secret(here: Here) -> None:
    """P60."""
    _, secret = here.mint()
    text = repr(here.password(secret.reveal())) + repr(here.password(PASSWORD))
    assert secret.reveal().decode() not in text
    assert PASSWORD.decode() not in text
