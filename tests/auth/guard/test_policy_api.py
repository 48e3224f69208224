"""What another server asks, against a real guard on a virtual clock; HTTP is tested at `server.policy_api`."""

import hashlib
import json
import random
from typing import Any

import pytest

from pillarbox.auth.guard import explain
from pillarbox.auth.guard.engine import GuardEngine
from pillarbox.auth.guard.policy_api import OK, PolicyApi
from pillarbox.auth.guard.state import LocalJournal
from pillarbox.config.schema_guard import Guard
from pillarbox.events import GuardReleased, InternalError, MemorySink, PolicyRefused, SourceBlocked

START = 1_767_571_200.0
HOME, ATTACKER = "192.0.2.9", "203.0.113.7"


def pwhash(login: str, password: str, bits: int = 16) -> str:
    """As Dovecot makes it: the leading bits of H(nonce || login || NUL || password)."""
    digest = hashlib.sha256(f"nonce{login}\0{password}".encode()).digest()
    return f"{int.from_bytes(digest[:2]) >> (16 - bits):04x}"


class Asked:
    """A policy API, and another server that asks it as Dovecot does."""

    def __init__(self, tarpit: int = 3, bits: int = 16, **settings: object) -> None:
        self.now = START
        self.bits = bits
        self.sink = MemorySink()
        below = random.Random(1).randrange
        self.guard = GuardEngine(Guard.model_validate(settings), LocalJournal(), below=below, sink=self.sink)
        self.api = PolicyApi(
            self.guard,
            tag_key=b"k" * 32,
            default_domain="example.org",
            tarpit=tarpit,
            clock=lambda: self.now,
            sink=self.sink,
        )

    def post(self, command: str, body: object, status: int = 200) -> dict[str, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.api.answer("POST", command, data)
        assert answer.status == status, answer
        told = json.loads(answer.body)
        assert isinstance(told, dict)
        assert (told["status"] == "failure") == (status != 200)
        return told

    def body(self, login: str, password: str, remote: str, **more: object) -> dict[str, object]:
        """What Dovecot sends."""
        sent = {"login": login, "remote": remote, "pwhash": pwhash(login, password, self.bits), "device_id": ""}
        return {**sent, "protocol": "imap", "session_id": "s1", "tls": True, **more}

    def allow(self, login: str, password: str, remote: str, **more: object) -> int:
        answer = self.post("allow", self.body(login, password, remote, **more))
        assert answer["msg"] == ""
        assert isinstance(answer["status"], int)
        return answer["status"]

    def log_in(self, login: str, password: str, remote: str, *, right: bool = False, **more: object) -> int:
        """One log-in: asked before, reported after; the answer."""
        status = self.allow(login, password, remote, **more)
        ended = {"success": right and status >= 0, "policy_reject": status < 0}
        assert self.post("report", self.body(login, password, remote, **{**ended, **more})) == {"status": "ok"}
        self.now += 1
        return status


def test_a_guesser_is_stopped_and_the_owner_is_not() -> None:
    asked = Asked()
    asked.log_in("bob", "right", HOME, right=True)
    answers = [asked.log_in("bob", f"guess{number}", ATTACKER) for number in range(30)]
    assert sum(status >= 0 for status in answers) <= 10
    assert answers[-1] == -1
    assert asked.log_in("bob", "right", ATTACKER) == -1
    assert asked.log_in("bob", "right", HOME, right=True) == 0
    assert len(asked.sink.of(SourceBlocked)) == 1
    refused = asked.sink.of(PolicyRefused)[0]
    assert (refused.user, refused.peer, refused.protocol, refused.session) == (
        "bob@example.org",
        ATTACKER,
        "imap",
        "s1",
    )
    assert refused.reason.startswith("guard: ")


def test_the_answer_has_weakforceds_shape_and_nothing_for_the_peer() -> None:
    """P42: Dovecot shows "msg" to whoever logs in."""
    asked = Asked()
    assert asked.post("allow", asked.body("bob", "x", ATTACKER)) == {"status": 0, "msg": "", "r_attrs": {}}
    for number in range(20):
        asked.log_in("bob", f"guess{number}", ATTACKER)
    refused = asked.post("allow", asked.body("bob", "x", ATTACKER))
    assert refused == {"status": -1, "msg": "", "r_attrs": {"reason": "guard: address blocked"}}


def test_the_same_wrong_password_again_is_one_guess() -> None:
    """A phone with an old password, with Dovecot's default of 12 bits."""
    asked = Asked(bits=12)
    assert {asked.log_in("bob", "old", HOME) for _ in range(288)} == {0}
    assert explain.user(asked.guard.known, "bob@example.org", asked.now).secrets == 1


def test_one_account_from_many_addresses() -> None:
    asked = Asked(guesses_per_account=50)
    passed = sum(asked.log_in("bob", f"guess{n}", f"10.{n // 250}.{n % 250}.1") >= 0 for n in range(500))
    assert passed <= 52  # tags of 16 bits: some guesses look like earlier ones
    assert explain.user(asked.guard.known, "bob@example.org", asked.now).secrets == 50


def test_a_spray_is_refused_by_its_address() -> None:
    asked = Asked()
    answers = [asked.log_in(f"user{number}", "Summer2026", ATTACKER) for number in range(40)]
    assert sum(status >= 0 for status in answers) <= 20


def test_popularity_over_accounts_cannot_be_seen() -> None:
    """The login is in Dovecot's hash: a limit that is documented. No secret becomes popular by what it reports."""
    asked = Asked()
    for number in range(300):
        asked.log_in(f"user{number}", "123456", f"10.0.{number % 250}.{number // 250 + 1}")
    assert all(not source.popular for source in asked.guard.known.memory.sources.values())


@pytest.mark.parametrize(("tarpit", "expected"), [(0, {0}), (1, {0, 1}), (3, {0, 1, 2})])
def test_the_penalty_is_a_wait_before_the_check(tarpit: int, expected: set[int]) -> None:
    asked = Asked(tarpit=tarpit)
    answers = [asked.log_in("bob", f"guess{number}", ATTACKER) for number in range(20)]
    checked = [status for status in answers if status >= 0]
    assert set(checked) == expected
    assert checked == sorted(checked)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "cram-md5"])
def test_proofs_without_a_password_are_counted_one_by_one(mechanism: str) -> None:
    """Dovecot hashes the name alone then: the same pwhash each time."""
    asked = Asked()
    answers = [asked.log_in("bob", "", ATTACKER, mech=mechanism) for _ in range(20)]
    assert answers[-1] == -1


def test_tokens_are_never_refused() -> None:
    asked = Asked()
    for number in range(20):
        asked.log_in("bob", f"guess{number}", ATTACKER, mech="PLAIN")
    assert asked.allow("bob", "token", ATTACKER, mech="XOAUTH2") >= 0
    assert asked.allow("bob", "guess", ATTACKER, mech="PLAIN") == -1


def test_what_dovecot_2_4_says_of_a_failure() -> None:
    asked = Asked()
    for number in range(40):
        assert asked.log_in("bob", f"x{number}", ATTACKER, fail_type="internal") == 0
    assert not asked.guard.known.memory.sources
    answers = [asked.log_in(f"user{number}", "x", ATTACKER, fail_type="account") for number in range(9)]
    assert sum(status >= 0 for status in answers) == 5  # unknown users weigh double
    assert asked.post("report", asked.body("bob", "x", HOME, success=False, fail_type="policy")) == {"status": "ok"}
    assert "bob@example.org" not in asked.guard.known.memory.accounts


def test_names_and_addresses_are_those_of_our_own_server() -> None:
    asked = Asked()
    asked.log_in("BOB", "a", f"::ffff:{ATTACKER}")
    asked.log_in("bob@EXAMPLE.org", "b", ATTACKER)
    asked.log_in("bad name/", "c", ATTACKER)
    facts = explain.address(asked.guard.known, ATTACKER, asked.now)
    assert facts.tried == {"bob@example.org": 2, "bad name/": 1}
    asked.log_in("bob", "d", "2001:db8::1%eth0")
    assert explain.address(asked.guard.known, "2001:db8::2", asked.now).tried == {"bob@example.org": 1}


def test_reset_releases_an_address() -> None:
    asked = Asked()
    for number in range(30):
        asked.log_in("bob", f"guess{number}", ATTACKER)
    assert asked.allow("carol", "x", ATTACKER) == -1
    assert asked.post("reset", {"ip": ATTACKER}) == {"status": "ok"}
    assert asked.allow("carol", "x", ATTACKER) == 0
    assert [event.what for event in asked.sink.of(GuardReleased)] == [ATTACKER]


def test_reset_releases_an_account() -> None:
    asked = Asked(source_limit=100)
    for number in range(30):
        asked.log_in("bob", f"guess{number}", ATTACKER)
    assert asked.post("reset", {"ip": ATTACKER}) == {"status": "ok"}
    assert asked.allow("bob", "x", ATTACKER) == -1
    assert asked.post("reset", {"login": "BOB"}) == {"status": "ok"}
    assert asked.allow("bob", "x", ATTACKER) == 0


def test_reset_of_both() -> None:
    asked = Asked()
    assert asked.post("reset", {"login": "bob", "ip": "2001:db8::1"}) == {"status": "ok"}
    assert [event.what for event in asked.sink.of(GuardReleased)] == ["2001:db8::1", "bob@example.org"]


def test_ping() -> None:
    asked = Asked()
    assert asked.api.answer("GET", "ping", b"") == asked.api.answer("POST", "ping", b"whatever") == OK
    assert json.loads(OK.body) == {"status": "ok"}


@pytest.mark.parametrize("command", ["", "stats", "ALLOW", "allow\0", "getDBStats", "addBLEntry", "__class__"])
def test_other_commands_are_not_found(command: str) -> None:
    asked = Asked()
    asked.post(command, {}, status=404)
    assert asked.api.answer("GET", command, b"").status == 404


@pytest.mark.parametrize("command", ["allow", "report", "reset"])
def test_questions_are_posted(command: str) -> None:
    assert Asked().api.answer("GET", command, b"{}").status == 405


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("allow", b""),
        ("allow", b"{"),
        ("allow", b"\xff"),
        ("allow", b'{"login":"\\ud800","remote":"1.2.3.4"}'),
        ("allow", b"[]"),
        ("allow", b"[" * 100_000),
        ("allow", {}),
        ("allow", {"login": "bob"}),
        ("allow", {"remote": ATTACKER}),
        ("allow", {"login": 7, "remote": ATTACKER}),
        ("allow", {"login": None, "remote": ATTACKER}),
        ("allow", {"login": "bob", "remote": "not an address"}),
        ("allow", {"login": "bob", "remote": "1.2.3.4/24"}),
        ("allow", {"login": "bob", "remote": ATTACKER, "pwhash": ["x"]}),
        ("report", {"login": "bob", "remote": ATTACKER}),
        ("report", {"login": "bob", "remote": ATTACKER, "success": "perhaps"}),
        ("reset", {}),
        ("reset", {"ip": "somewhere"}),
        ("reset", {"ip": "10.0.0.0/8"}),
    ],
)
def test_what_is_malformed_is_told_and_changes_nothing(command: str, body: object) -> None:
    asked = Asked()
    told = asked.post(command, body, status=400)
    assert told["status"] == "failure"
    assert told["reason"]
    assert not asked.guard.known.memory.accounts
    assert not asked.sink.of(InternalError)


def test_no_answer_repeats_what_was_sent() -> None:
    asked = Asked()
    sent = {"login": ["canary"], "remote": ATTACKER}
    assert "canary" not in asked.post("allow", sent, status=400)["reason"]


def test_what_comes_from_nowhere_is_let_through_and_not_counted() -> None:
    """`doveadm auth test` has no address."""
    asked = Asked()
    assert {asked.log_in("bob", f"x{number}", "") for number in range(100)} == {0}
    assert not asked.guard.known.memory.accounts


def test_unknown_fields_and_weakforceds_own_examples() -> None:
    """Its README sends "success" as text, and attributes of one or many values."""
    asked = Asked()
    attempt = {"login": "ahu", "remote": "127.0.0.1", "pwhash": "1234", "attrs": {"attr1": "v", "attr2": ["v", "w"]}}
    for number in range(101):
        asked.post("report", {**attempt, "pwhash": f"1234{number}", "success": "false"})
    assert asked.post("allow", attempt)["status"] == -1


def test_a_long_name_is_shortened() -> None:
    asked = Asked()
    for number in range(12):
        asked.log_in("b" * 10_000, f"x{number}", ATTACKER)
    assert max(len(name) for name in asked.guard.known.memory.accounts) <= 320
    assert len(asked.sink.of(PolicyRefused)[0].user) <= 320


def test_the_tag_is_not_the_hash_that_was_sent() -> None:
    """A copy of the state file must not be comparable with what goes over the wire."""
    asked = Asked()
    asked.log_in("bob", "x", ATTACKER)
    [tag] = asked.guard.known.memory.accounts["bob@example.org"].tally.tags
    assert tag != int(pwhash("bob", "x"), 16)
    assert 0 <= tag < 65_536
