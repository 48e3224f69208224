"""Every way in, end to end: a real server, raw TLS sockets, our own client mechanisms, and what the log tells.

Each test comes from networks of its own in 127.0.0.0/8, so that the guard holds none's failures against another.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.wiring.ways import Client, Installation, encoded, scram

from pillarbox.auth.guard.interface import REASONS
from pillarbox.auth.mfa import Policy
from pillarbox.auth.totp import code_at, step_at
from pillarbox.events import Secret
from pillarbox.sasl import LoginClient, PlainClient
from pillarbox.testing.live import LiveServer

PASSWORD = "correct-canary-horse-7351"
WRONG = "wrong-canary-horse-9624"
MESSAGE = b"Subject: hello\r\n\r\nhello\r\n"
REVOKED_SECONDS = 5.0

PEOPLE = ("anna", "reader", "roamer", "stayer", "closed", "silent", "coded", "once", "strict", "canary")


@pytest.fixture(scope="module")
def here() -> Iterator[Installation]:
    with LiveServer(dict.fromkeys(PEOPLE, PASSWORD), settings={"guard": {"penalty": 0.0}}) as server:
        made = Installation(server)
        made.accounts.disable("closed")
        made.accounts.set_pop3("silent", False)
        made.accounts.set_mfa("strict", Policy.REQUIRED)
        yield made
        made.accounts.close()


WAYS: dict[str, Callable[[Client, str], bytes]] = {
    "USER/PASS": lambda client, text: client.user_pass("anna", text),
    "PLAIN": lambda client, text: client.auth(PlainClient("anna", Secret(text))),
    "LOGIN": lambda client, text: client.auth(LoginClient("anna", Secret(text))),
    "SCRAM-SHA-256": lambda client, text: client.auth(scram("anna", text)),
    "SCRAM-SHA-256-PLUS": lambda client, text: client.auth(scram("anna", text, client.tls)),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_app_password_opens_the_maildrop(here: Installation, way: str) -> None:
    """By each mechanism; one that was revoked opens nothing."""
    which, text = here.mint("anna")
    other_id, other = here.mint("anna")
    here.app_passwords.revoke("anna", other_id)
    with here.client("127.0.1.1") as client:
        assert WAYS[way](client, other).startswith(b"-ERR [AUTH]")
        assert WAYS[way](client, text).startswith(b"+OK")
        assert client.say("STAT") == b"+OK 0 0\r\n"
        assert client.say("QUIT").startswith(b"+OK")
    assert here.server.wait_for("LoginSucceeded", where=lambda event: event["mechanism"] == way)
    here.app_passwords.revoke("anna", which)


def test_an_app_password_may_be_typed_in_groups(here: Installation) -> None:
    which, text = here.mint("anna")
    with here.client("127.0.1.2") as client:
        assert client.user_pass("anna", "PBX_" + "-".join([text[4:12], text[12:20], text[20:]]).upper())[:3] == b"+OK"
    here.app_passwords.revoke("anna", which)


@pytest.mark.parametrize("way", ["USER/PASS", "SCRAM-SHA-256"])
def test_a_read_only_app_password_deletes_nothing(here: Installation, way: str) -> None:
    path = here.server.deliver("reader", MESSAGE)
    which, text = here.mint("reader", read_only=True)
    with here.client("127.0.2.1") as client:
        if way == "USER/PASS":
            assert client.user_pass("reader", text).startswith(b"+OK 1 ")
        else:
            assert client.auth(scram("reader", text)).startswith(b"+OK 1 ")
        assert client.say("DELE 1").startswith(b"-ERR [SYS/PERM]")
        assert client.say("STAT").startswith(b"+OK 1 ")
        assert client.say("QUIT").startswith(b"+OK")
    assert [kept.name.partition(":")[0] for kept in here.server.messages("reader")] == [path.name]
    path.unlink(missing_ok=True)
    for kept in here.server.messages("reader"):
        kept.unlink()
    here.app_passwords.revoke("reader", which)


def test_a_session_ends_soon_after_its_app_password_and_deletes_nothing(here: Installation) -> None:
    """It is told, and closed; sessions that something else let in go on."""
    here.server.deliver("roamer", MESSAGE)
    which, text = here.mint("roamer")
    _, stays = here.mint("stayer")
    with here.client("127.0.3.1") as client, here.client("127.0.3.1") as other:
        assert client.user_pass("roamer", text).startswith(b"+OK 1 ")
        assert other.user_pass("stayer", stays).startswith(b"+OK")
        assert client.say("DELE 1").startswith(b"+OK")
        begin = time.monotonic()
        here.app_passwords.revoke("roamer", which)
        told = client.line()
        assert (told[:4], client.line()) == (b"-ERR", b"")
        assert time.monotonic() - begin < REVOKED_SECONDS
        assert b"revoked" in told
        assert other.say("NOOP").startswith(b"+OK")
    assert len(here.server.messages("roamer")) == 1
    with here.client("127.0.3.1") as client:
        assert client.user_pass("roamer", text).startswith(b"-ERR [AUTH]")


def _mistyped(text: str) -> str:
    """With one slip of the finger in its secret."""
    return text[:20] + ("2" if text[20] != "2" else "3") + text[21:]


def test_every_refusal_reads_the_same(here: Installation) -> None:
    """P42: octet by octet, in every way in; what differs is told to the log alone."""
    here.enrol("coded")
    _, text = here.mint("anna")
    tried = {
        "wrong password": ("anna", WRONG),
        "unknown user": ("nobody", PASSWORD),
        "not a possible name": ("an/na", PASSWORD),
        "POP3 is off for this account": ("silent", PASSWORD),
        "disabled": ("closed", PASSWORD),
        "second factor missing": ("coded", PASSWORD),
        "wrong or used code": ("coded", f"{PASSWORD}000000"),
        "mistyped app password": ("anna", _mistyped(text)),
        "empty or over-long password": ("anna", "x" * 2000),
    }
    heard: set[tuple[bytes, ...]] = set()
    for number, (name, secret) in enumerate(tried.values()):
        with here.client(f"127.0.{40 + number}.1") as client:
            by_pass = client.say(f"USER {name}"), client.say(f"PASS {secret}")
            by_auth = client.auth(PlainClient(name, Secret(secret))), client.say("NOOP")
            heard.add((*by_pass, *by_auth))
    assert len(heard) == 1, heard
    ((_, by_pass_line, by_plain_line, _),) = heard
    assert by_pass_line.startswith(b"-ERR [AUTH] ")
    assert by_plain_line == by_pass_line
    for reason, (name, _) in tried.items():
        here.server.wait_for("LoginFailed", count=2, where=_failed(name, reason))


def _failed(name: str, reason: str) -> Callable[[dict[str, object]], bool]:
    return lambda event: (event["user"], event["reason"]) == (name, reason)


def test_scram_tells_nothing_about_names(here: Installation) -> None:
    """P42: the same dialogue for a known name and an unknown one, but for salt and nonce; the salt stays the same."""
    shapes: set[tuple[int, bytes]] = set()
    salts: dict[str, set[bytes]] = {"anna": set(), "nobody": set()}
    for name in ("anna", "nobody", "anna", "nobody"):
        with here.client("127.0.5.1") as client:
            mechanism = scram(name, WRONG)
            first = client.say(f"AUTH {mechanism.name} {encoded(mechanism.step(b''))}")
            told = base64.b64decode(first[2:])
            salts[name].add(told.split(b",")[1])
            shapes.add((len(told), client.say(encoded(mechanism.step(told)))))
    assert len(shapes) == 1
    assert [len(each) for each in salts.values()] == [1, 1]
    assert salts["anna"] != salts["nobody"]


def test_a_code_works_once(here: Installation) -> None:
    """RFC 6238 §5.2."""
    secret = here.enrol("once")
    both = PASSWORD + code_at(secret, step_at(time.time()))
    with here.client("127.0.6.1") as client:
        assert client.user_pass("once", PASSWORD).startswith(b"-ERR [AUTH]")
        assert client.user_pass("once", both).startswith(b"+OK")
        assert client.say("QUIT").startswith(b"+OK")
    for _ in range(2):
        with here.client("127.0.6.1") as client:
            assert client.user_pass("once", both).startswith(b"-ERR [AUTH]")


def test_where_a_second_factor_is_required_the_password_alone_opens_nothing(here: Installation) -> None:
    with here.client("127.0.7.1") as client:
        assert client.user_pass("strict", PASSWORD).startswith(b"-ERR [AUTH]")
        assert client.auth(PlainClient("strict", Secret(PASSWORD))).startswith(b"-ERR [AUTH]")
    which, text = here.mint("strict")  # minted after two factors
    with here.client("127.0.7.1") as client:
        assert client.user_pass("strict", text).startswith(b"+OK")
        assert client.say("QUIT").startswith(b"+OK")
    secret = here.enrol("strict")
    with here.client("127.0.7.1") as client:
        both = PASSWORD + code_at(secret, step_at(time.time()))
        assert client.auth(LoginClient("strict", Secret(both))).startswith(b"+OK")
    here.app_passwords.revoke("strict", which)


def test_no_secret_is_written_anywhere(here: Installation) -> None:
    """P60: through every way in, right and wrong, whole and broken."""
    secret = here.enrol("canary")
    code = code_at(secret, step_at(time.time()))
    _, text = here.mint("canary")
    given = [text, _mistyped(text), PASSWORD + code, WRONG, f"\N{LATIN SMALL LETTER E WITH ACUTE}{WRONG}"]
    for number, each in enumerate(given):
        for offset, way in enumerate(("USER/PASS", "PLAIN", "LOGIN", "SCRAM", "broken", "name")):
            with here.client(f"127.0.{80 + number}.{1 + offset}") as client:
                if way == "USER/PASS":
                    client.user_pass("canary", each)
                elif way == "PLAIN":
                    client.auth(PlainClient("canary", Secret(each)))
                elif way == "LOGIN":
                    client.auth(LoginClient("canary", Secret(each)))
                elif way == "SCRAM":
                    client.auth(scram("canary", each))
                elif way == "broken":
                    assert client.say(f"AUTH PLAIN !{encoded(each.encode())}").startswith(b"-ERR")
                    assert client.say(f"AUTH PLAIN {encoded(each.encode())}").startswith(b"-ERR")
                    assert client.say(f"PASS {each}").startswith(b"-ERR")
                else:
                    assert client.say(f"{each} USER").startswith(b"-ERR")
                assert client.say("QUIT").startswith(b"+OK")
    everything = {session for event in here.server.wait_for("SessionEnded", count=30) for session in [event["session"]]}
    assert len(everything) >= 30
    forms = [form for each in (*given, PASSWORD) for form in _forms(each)]
    for path in _files(here.server.directory):
        octets = path.read_bytes()
        assert not [form for form in forms if form in octets], path


def _forms(secret: str) -> Sequence[bytes]:
    """How a secret could be found: as it is, in base64, in hexadecimal."""
    octets = secret.encode()
    return octets, base64.b64encode(octets), octets.hex().encode(), base64.b64encode(b"\0canary\0" + octets)


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def test_the_guard_refuses_guesses_serves_app_passwords_and_survives_a_restart() -> None:
    """Ten guesses, then even the right password is refused from there, and from nowhere else."""
    attacker, elsewhere = "127.9.1.1", "127.8.1.1"
    with LiveServer({"carl": PASSWORD}, settings={"guard": {"penalty": 0.0}}) as server:
        there = Installation(server)
        _, text = there.mint("carl")

        def tried(address: str, secret: str) -> bytes:
            with there.client(address) as client:
                reply = client.user_pass("carl", secret)
                client.say("QUIT")
                return reply

        replies = {tried(attacker, f"{WRONG}-{number}") for number in range(10)}
        assert len(replies) == 1
        server.wait_for("SourceBlocked", where=lambda event: event["source"].startswith(attacker))
        assert tried(attacker, PASSWORD) in replies
        assert server.wait_for("LoginFailed", count=11)[-1]["reason"] in REASONS
        assert tried(elsewhere, PASSWORD).startswith(b"+OK")
        assert server.stop() == 0
        server.start()
        assert tried(attacker, PASSWORD) in replies
        assert server.wait_for("LoginFailed", count=12)[-1]["reason"] in REASONS
        assert tried(attacker, text).startswith(b"+OK")
        assert tried(elsewhere, PASSWORD).startswith(b"+OK")
        there.accounts.close()


def test_an_own_password_works_for_a_client_that_tries_scram_first(here: Installation) -> None:
    """However often: an owner is not locked out by what cannot be a guess."""
    for _ in range(60):
        with here.client("127.0.9.1") as client:
            assert client.auth(scram("roamer", PASSWORD, client.tls)).startswith(b"-ERR [AUTH]")
            assert client.auth(PlainClient("roamer", Secret(PASSWORD))).startswith(b"+OK")
