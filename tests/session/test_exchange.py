"""P40, P44-P47, P54, P60: AUTH, mechanism by mechanism, and APOP."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from tests.mechanisms import ALL
from tests.session.talk import BINDINGS, CERTIFICATE, PASSWORD, TOKEN, Talk, World, plain

from pillarbox.events import CleartextLoginRefused, LoginFailed, LoginSucceeded, LoginUnavailable, Secret
from pillarbox.sasl import (
    Binding,
    ClientMechanism,
    CramMd5Client,
    DigestKind,
    ExternalClient,
    LoginClient,
    OAuthBearerClient,
    PlainClient,
    ScramClient,
    XOAuth2Client,
    digests,
)
from pillarbox.session.context import Door, Policy
from pillarbox.wire.states import State

REFUSED = "-ERR [AUTH] login failed\r\n"
BROKEN = "-ERR authentication exchange failed\r\n"
WELCOME = "+OK 3 messages (80 octets)\r\n"
END_POINT = Binding("tls-server-end-point", BINDINGS["tls-server-end-point"])


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def scram(user: str = "ada", password: bytes = PASSWORD, binding: Binding | None = None) -> ScramClient:
    return ScramClient(user, Secret(password), nonce="clientnonce", binding=binding)


def hold(talk: Talk, client: ClientMechanism, *, initial: bool = True) -> str:
    """The exchange as a client holds it; returns the last reply."""
    first = b64(client.step(b"")) if client.initial and initial else None
    answer = talk.say(f"AUTH {client.name}" + ("" if first is None else f" {first or '='}"))
    while answer.startswith("+ "):
        challenge = base64.b64decode(answer[2:-2], validate=True)
        answer = talk.say(b64(client.step(challenge)))
    return answer


CLIENTS: dict[str, Callable[[], ClientMechanism]] = {
    "PLAIN": lambda: PlainClient("ada", Secret(PASSWORD)),
    "LOGIN": lambda: LoginClient("ada", Secret(PASSWORD)),
    "SCRAM-SHA-256": scram,
    "SCRAM-SHA-256-PLUS": lambda: scram(binding=END_POINT),
    "EXTERNAL": lambda: ExternalClient(),
    "OAUTHBEARER": lambda: OAuthBearerClient("ada", Secret(TOKEN)),
    "XOAUTH2": lambda: XOAuth2Client("ada", Secret(TOKEN)),
    "CRAM-MD5": lambda: CramMd5Client("ada", Secret(PASSWORD)),
}


@pytest.mark.parametrize("initial", [True, False], ids=["initial response", "empty challenge"])
@pytest.mark.parametrize("name", CLIENTS)
def test_each_mechanism_lets_in(world: World, name: str, initial: bool) -> None:
    """P45, P47: with and without an initial response."""
    world.mechanisms = ALL
    talk = world.talk(certificate=CERTIFICATE)
    client = CLIENTS[name]()
    assert hold(talk, client, initial=initial) == WELCOME
    assert client.complete
    assert talk.state is State.TRANSACTION
    event = world.sink.of(LoginSucceeded)[0]
    assert (event.user, event.mechanism) == ("ada", name)


def test_what_is_offered_depends_on_the_connection(world: World) -> None:
    """P40: and what is not offered does not work."""
    world.mechanisms = ALL
    inside = tuple(name for name in ALL if name not in ("EXTERNAL", "APOP"))
    clear = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5")
    exception = Door(stls=True, cleartext_until="2099-01-01")
    for talk, names in (
        (world.talk(certificate=CERTIFICATE), ALL[:-1]),
        (world.talk(), inside),
        (world.talk(tls="", door=exception), clear),
    ):
        assert talk.say("AUTH") == "".join(f"{line}\r\n" for line in ("+OK mechanisms follow", *names, "."))
        assert f"\r\nSASL {' '.join(names)}\r\n" in talk.say("CAPA")
        for name in set(ALL) - set(names):
            assert talk.say(f"AUTH {name}") == "-ERR that mechanism is not available\r\n"
    assert "SASL" not in world.talk(tls="", door=Door(stls=True)).say("CAPA")
    world.mechanisms = ("APOP",)
    assert "SASL" not in world.talk().say("CAPA")


def test_tls_brings_the_mechanisms_that_need_it(world: World) -> None:
    """P40, P51: what was bound before TLS counts for nothing after it."""
    world.mechanisms = ALL
    talk = world.talk(tls="", door=Door(stls=True, cleartext_until="2099-01-01"))
    assert "PLUS" not in talk.say("CAPA")
    talk.say("STLS")
    talk.secure()
    assert "SCRAM-SHA-256-PLUS" in talk.say("CAPA")
    assert hold(talk, scram(binding=END_POINT)) == WELCOME


# ---- the exchange -------------------------------------------------------------------------------------------------


def test_auth_lists_its_mechanisms(world: World) -> None:
    """P45."""
    assert world.talk().say("AUTH") == "+OK mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n"
    assert world.talk().say("AUTH CRAM-MD5") == "-ERR that mechanism is not available\r\n"
    assert world.talk().say(b"AUTH \xff\xfe") == "-ERR that mechanism is not available\r\n"


def test_names_of_mechanisms_in_any_case(world: World) -> None:
    """P31."""
    assert world.talk().say(f"auth plain {plain('bob')}").startswith("+OK 0 messages")
    attempt = world.accounts.attempts[0]
    assert (attempt.mechanism, attempt.login, attempt.authzid) == ("PLAIN", "bob", "")


@pytest.mark.parametrize("line", ["!", "=", "QUIT", "DELE 1", "", "AGFkYQ", plain("ada")[:-2] + "!", b64(b"ada\0x")])
def test_a_broken_exchange_harms_nobody(world: World, line: str) -> None:
    """P45: no [AUTH], since nobody's credentials were refused; the next command is a command again."""
    talk = world.talk()
    assert talk.say("AUTH PLAIN") == "+ \r\n"
    assert talk.say(line) == BROKEN
    assert talk.state is State.AUTHORIZATION
    assert not world.accounts.attempts
    assert talk.say("CAPA").startswith("+OK")


@pytest.mark.parametrize("initial", ["=", "!", "AGFkYQ", "*", plain("ada") + " x"])
def test_a_broken_initial_response(world: World, initial: str) -> None:
    """P45: "=" is the empty response, which is no message of PLAIN."""
    talk = world.talk()
    assert talk.say(f"AUTH PLAIN {initial}") == BROKEN
    assert talk.state is State.AUTHORIZATION
    talk.login()


def test_an_overlong_response_ends_the_exchange(world: World) -> None:
    """P32, P45."""
    talk = world.talk()
    talk.say("AUTH PLAIN")
    assert talk.say("A" * 20_000) == BROKEN
    assert talk.say("CAPA").startswith("+OK")


@pytest.mark.parametrize("name", [name for name in CLIENTS if name != "PLAIN"])
@pytest.mark.parametrize("line", ["!", "A" * 20_000, b64(b"\xff\xfe\0"), b64(b"\x01x"), b64(b",,,,")])
def test_no_mechanism_trips_over_nonsense(world: World, name: str, line: str) -> None:
    """P45: whatever the mechanism."""
    world.mechanisms = ALL
    world.policy = Policy(login_failures=99, bad_commands_before_login=99)
    talk = world.talk(certificate=CERTIFICATE)
    answer = talk.say(f"AUTH {name}")
    assert answer.startswith("+ ")
    for _ in range(3):
        answer = talk.say(line if answer.startswith("+ ") else "CAPA")
        if answer == WELCOME:
            pytest.fail("nonsense let somebody in")
    assert hold(talk, CLIENTS[name]()) == WELCOME


# ---- SCRAM --------------------------------------------------------------------------------------------------------


def test_the_last_word_wants_an_empty_line(world: World) -> None:
    """P46: and no maildrop is opened before it came."""
    world.mechanisms = ALL
    talk, client = world.talk(), scram()
    first = talk.say(f"AUTH SCRAM-SHA-256 {b64(client.step(b''))}")
    final = talk.say(b64(client.step(base64.b64decode(first[2:]))))
    assert base64.b64decode(final[2:]).startswith(b"v=")
    assert not world.sink.of(LoginSucceeded)
    assert not world.admitted
    assert talk.say(b64(client.step(base64.b64decode(final[2:])))) == WELCOME
    assert client.complete


@pytest.mark.parametrize("line", ["*", "QUIT", "AA==", "x" * 20_000])
def test_anything_but_the_empty_line_takes_the_login_back(world: World, line: str) -> None:
    """P46."""
    world.mechanisms = ALL
    talk, client = world.talk(), scram()
    first = talk.say(f"AUTH SCRAM-SHA-256 {b64(client.step(b''))}")
    talk.say(b64(client.step(base64.b64decode(first[2:]))))
    assert talk.say(line).startswith("-ERR ")
    assert talk.state is State.AUTHORIZATION
    assert not world.admitted
    world.talk(user="ada")  # no lock was taken


@pytest.mark.parametrize(("user", "password"), [("ada", b"wrong"), ("nobody", PASSWORD), ("nobody", b"wrong")])
def test_scram_refuses_the_known_and_the_unknown_alike(world: World, user: str, password: bytes) -> None:
    """P42, P46: the same steps, the same octets, and no last word."""
    world.mechanisms = ALL
    talk = world.talk()
    assert hold(talk, scram(user, password)) == REFUSED
    assert talk.state is State.AUTHORIZATION
    assert world.sink.of(LoginFailed)[0].user == user


def test_scram_tells_when_nobody_knows_the_salt(world: World) -> None:
    """P44."""
    world.mechanisms = ALL
    talk = world.talk()
    assert hold(talk, scram("down")).startswith("-ERR [SYS/TEMP] ")
    assert world.sink.of(LoginUnavailable)[0].user == "down"
    assert hold(talk, scram()) == WELCOME


def test_another_channel_is_refused_before_the_proof_is_looked_at(world: World) -> None:
    """Somebody in between, with a certificate of their own: RFC 5802 §6."""
    world.mechanisms = ALL
    talk = world.talk()
    assert hold(talk, scram(binding=Binding("tls-server-end-point", b"another certificate"))) == BROKEN
    assert hold(talk, scram(binding=Binding("tls-exporter", BINDINGS["tls-server-end-point"]))) == BROKEN
    assert not world.accounts.attempts
    assert "channel binding" in world.sink.of(LoginFailed)[0].reason


def test_a_hidden_offer_of_channel_binding_is_found_out(world: World) -> None:
    """RFC 5802 §6: "y" where -PLUS is offered."""
    world.mechanisms = ALL
    client = ScramClient("ada", Secret(PASSWORD), nonce="n", could_bind=True)
    assert hold(world.talk(), client) == BROKEN
    assert "hidden" in world.sink.of(LoginFailed)[0].reason
    world.mechanisms = ("SCRAM-SHA-256",)
    assert hold(world.talk(), ScramClient("ada", Secret(PASSWORD), nonce="n", could_bind=True)) == WELCOME


# ---- tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("initial", [True, False], ids=["initial response", "empty challenge"])
@pytest.mark.parametrize(
    ("client", "answer"),
    [
        (OAuthBearerClient("ada", Secret(b"expired")), b"\x01"),
        (OAuthBearerClient("bob", Secret(TOKEN)), b"\x01"),
        (XOAuth2Client("ada", Secret(b"expired")), b""),
        (XOAuth2Client("nobody", Secret(TOKEN)), b""),
    ],
)
def test_a_refused_token_is_explained_before_the_err(
    world: World, client: OAuthBearerClient | XOAuth2Client, answer: bytes, initial: bool
) -> None:
    """P47."""
    world.mechanisms = ALL
    client = type(client)("ada", Secret(b"expired"))
    talk = world.talk()
    first = b64(client.step(b""))
    said = talk.say(f"AUTH {client.name} {first}") if initial else talk.say(f"AUTH {client.name}\r\n{first}")
    challenge = base64.b64decode(said.splitlines()[-1][2:])
    assert challenge == b'{"status":"invalid_token","scope":"mail"}'
    assert client.step(challenge) == answer
    assert client.error == challenge
    assert talk.say(b64(answer)) == REFUSED
    assert talk.state is State.AUTHORIZATION
    talk.login()


@pytest.mark.parametrize("line", ["!", "QUIT", "", "x" * 20_000])
def test_whatever_answers_the_error_the_refusal_stands(world: World, line: str) -> None:
    """P47: and it counts once."""
    world.mechanisms = ALL
    talk = world.talk()
    talk.say(f"AUTH XOAUTH2 {b64(XOAuth2Client('ada', Secret(b'expired')).step(b''))}")
    assert talk.say(line) == REFUSED
    assert len(world.sink.of(LoginFailed)) == talk.session.failures == 1
    assert talk.say("CAPA").startswith("+OK")


def test_too_many_refused_tokens_close(world: World) -> None:
    """P47: after the client's answer, not before."""
    world.mechanisms = ALL
    world.policy = Policy(login_failures=1)
    talk = world.talk()
    assert talk.say(f"AUTH XOAUTH2 {b64(XOAuth2Client('ada', Secret(b'expired')).step(b''))}").startswith("+ ")
    assert talk.say("") == REFUSED
    assert talk.state is State.CLOSED


def test_oauthbearer_may_leave_the_name_to_the_token(world: World) -> None:
    world.mechanisms = ALL
    assert hold(world.talk(), OAuthBearerClient("", Secret(TOKEN))) == WELCOME
    assert world.accounts.attempts[0].login == ""


# ---- certificates -------------------------------------------------------------------------------------------------


def test_external_wants_the_certificates_own_account(world: World) -> None:
    world.mechanisms = ALL
    talk = world.talk(certificate=CERTIFICATE)
    assert hold(talk, ExternalClient("bob")) == REFUSED
    assert hold(talk, ExternalClient("ada")) == WELCOME
    assert hold(world.talk(certificate=b"another"), ExternalClient()) == REFUSED
    assert [event.user for event in world.sink.of(LoginFailed)] == ["bob", ""]


def test_external_with_an_equals_sign(world: World) -> None:
    """P45: the empty initial response."""
    world.mechanisms = ALL
    assert world.talk(certificate=CERTIFICATE).say("AUTH EXTERNAL =") == WELCOME


# ---- APOP ---------------------------------------------------------------------------------------------------------


def test_an_asterisk_cancels_and_is_no_failure(world: World) -> None:
    """P45: however often."""
    talk = world.talk()
    for _ in range(10):
        assert talk.say("AUTH PLAIN") == "+ \r\n"
        assert talk.say("*") == "-ERR exchange cancelled\r\n"
    assert talk.say(f"AUTH PLAIN {plain('ada')}").startswith("+OK")


def test_a_secret_sent_in_clear_is_reported_with_its_owner(world: World) -> None:
    """P54: so that somebody can change it; the secret itself is nowhere."""
    talk = world.talk(tls="")
    assert talk.say(f"AUTH PLAIN {plain('ada')}").startswith("-ERR TLS")
    (event,) = world.sink.of(CleartextLoginRefused)
    assert (event.user, event.secret_seen) == ("ada", True)


def test_apop_is_off_by_default(world: World) -> None:
    talk = world.talk()
    assert talk.session.greeting("ready") == "ready"
    assert talk.say("APOP ada 0123") == "-ERR APOP is not available\r\n"


def test_apop_with_the_greetings_timestamp(world: World) -> None:
    """RFC 1939 §7."""
    world.mechanisms = ("APOP",)
    world.policy = Policy(login_failures=4)
    talk = world.talk()
    found = re.fullmatch(r"ready (<[^<>@ ]{16,}@pop\.example\.org>)", talk.session.greeting("ready"))
    assert found
    stamp = found[1].encode()
    assert stamp.decode() not in world.talk().session.greeting("ready")
    wrong = digests.compute(DigestKind.APOP, stamp, Secret(b"wrong")).hex()
    right = digests.compute(DigestKind.APOP, stamp, Secret(PASSWORD)).hex()
    assert talk.say("APOP ada") == BROKEN
    assert talk.say(f"APOP ada {wrong}") == REFUSED
    assert talk.say(f"APOP nobody {right}") == REFUSED
    assert talk.say(f"APOP ada {right}") == WELCOME
    assert world.sink.of(LoginSucceeded)[0].mechanism == "APOP"


def test_apop_waits_for_tls(world: World) -> None:
    """P54."""
    world.mechanisms = ("APOP",)
    talk = world.talk(tls="", door=Door(stls=True))
    assert talk.say("APOP ada " + "0" * 32).startswith("-ERR TLS is needed first")
    assert world.sink.of(CleartextLoginRefused)[0].command == "APOP"


# ---- secrets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "burnt"), [("PLAIN", True), ("SCRAM-SHA-256", False), ("X-OWN", True)])
def test_an_initial_response_in_clear_is_burnt_where_it_tells_a_secret(world: World, name: str, burnt: bool) -> None:
    """P54."""
    world.mechanisms = ALL
    assert world.talk(tls="", door=Door(stls=True)).say(f"AUTH {name} AAAA").startswith("-ERR TLS is needed first")
    assert world.sink.of(CleartextLoginRefused)[0].secret_seen is burnt


def test_nothing_of_an_exchange_is_in_any_event_or_repr(world: World) -> None:
    """P60."""
    world.mechanisms = ALL
    for name, client in CLIENTS.items():
        talk = world.talk(certificate=CERTIFICATE)
        assert hold(talk, client()) == WELCOME, name
        talk.end()
    hold(world.talk(), scram(password=b"hidden phrase"))
    hold(world.talk(), XOAuth2Client("ada", Secret(b"hidden.token")))
    shown = repr(world.sink.events) + repr(world.accounts.attempts)
    for secret in ("sesame", "hidden", "token.of", "clientnonce", "v=", "p="):
        assert secret not in shown
