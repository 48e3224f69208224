"""P34, P35, P39, P42-P48, P52, P54: AUTHORIZATION."""

from __future__ import annotations

import base64

import pytest
from tests.session.talk import PASSWORD, World, plain

from pillarbox.auth.attempt import Password
from pillarbox.events import (
    CleartextLoginRefused,
    Event,
    LoginFailed,
    LoginSucceeded,
    LoginUnavailable,
    MaildropFailed,
    MaildropInUse,
    Secret,
)
from pillarbox.maildrop.errors import MaildropUnavailable
from pillarbox.maildrop.maildrop import Maildrop
from pillarbox.session.context import Door, Policy
from pillarbox.wire.states import State

REFUSED = "-ERR [AUTH] login failed\r\n"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_user_is_always_welcome_and_every_refusal_is_the_same(world: World) -> None:
    """P42, P44."""
    answers = set()
    for user, password in (
        ("ada", "wrong"),
        ("nobody", "x"),
        ("ada", ""),
        ("x" * 200, "x"),
        ("\u202eada", "x"),
        ("a%sb", "x"),
    ):
        talk = world.talk()
        assert talk.say(f"USER {user}") == "+OK send PASS\r\n"
        answers.add(talk.say(f"PASS {password}"))
        assert talk.state is State.AUTHORIZATION
    assert answers == {REFUSED}


def test_octets_that_are_no_utf8_are_an_unknown_name(world: World) -> None:
    """P42."""
    talk = world.talk()
    assert talk.say(b"USER \xff\xfe") == "+OK send PASS\r\n"
    assert talk.say(b"PASS \xff") == REFUSED


@pytest.mark.parametrize("line", ["USER {}", "USER {} "])
def test_an_app_password_in_the_place_of_the_name_is_not_written_down(world: World, line: str) -> None:
    """P60. A mistyped one as little; and P42: refused like any unknown name."""
    text = "pbx_8wg8jsgmpcmhjgq475ht8yvk9pndebe6ns3k"
    for given in (text, text[:-1] + "x"):
        talk = world.talk()
        assert talk.say(line.format(given)) == "+OK send PASS\r\n"
        assert talk.say("PASS x") == REFUSED
        assert talk.say("AUTH PLAIN " + b64(f"{given}\0{given}\0x".encode())) == REFUSED
    assert {event.user for event in world.sink.of(LoginFailed)} == {"(an app password)"}


def test_an_overlong_password_is_a_wrong_one(world: World) -> None:
    """P32, P42."""
    talk = world.talk()
    talk.say("USER ada")
    assert talk.say("PASS " + "x" * 300) == REFUSED
    assert world.sink.of(LoginFailed)[0].reason == "wrong password"


def test_spaces_belong_to_the_password(world: World) -> None:
    """P34."""
    talk = world.talk()
    talk.say("USER ada")
    talk.say("PASS  open sesame ")
    assert world.accounts.attempts[0].proof == Password(Secret(b" open sesame "))


def test_pass_needs_user_each_time_and_a_second_user_counts(world: World) -> None:
    """P43."""
    talk = world.talk()
    assert talk.say("PASS x") == "-ERR USER comes first\r\n"
    talk.say("USER nobody")
    assert talk.say("PASS x") == REFUSED
    assert talk.say("PASS x") == "-ERR USER comes first\r\n"
    talk.say("USER nobody")
    talk.say("CAPA")
    talk.say("USER ada")
    assert talk.say(b"PASS " + PASSWORD).startswith("+OK ")


def test_a_pipelined_login_runs_in_order(world: World) -> None:
    """P35."""
    talk = world.talk()
    lines = talk.say(b"USER ada\r\nPASS " + PASSWORD + b"\r\nSTAT\r\nDELE 1\r\nSTAT").splitlines()
    assert lines == ["+OK send PASS", "+OK 3 messages (80 octets)", "+OK 3 80", "+OK message deleted", "+OK 2 57"]
    talk = world.talk()
    lines = talk.say(f"AUTH PLAIN {plain('bob')}\r\nSTAT\r\nQUIT").splitlines()
    assert lines == ["+OK 0 messages (0 octets)", "+OK 0 0", "+OK bye"]


def test_pipelined_behind_a_refused_login_nothing_happens(world: World) -> None:
    """P35."""
    talk = world.talk()
    lines = talk.say("USER ada\r\nPASS wrong\r\nDELE 1\r\nQUIT").splitlines()
    assert lines == ["+OK send PASS", REFUSED.strip(), "-ERR log in first", "+OK bye"]
    assert world.messages() == 3


@pytest.mark.parametrize("line", ["NOOP", "STAT", "LIST", "UIDL", "RSET", "RETR 1", "TOP 1 0", "DELE 1"])
def test_mail_commands_before_login(world: World, line: str) -> None:
    """P39."""
    assert world.talk().say(line) == "-ERR log in first\r\n"


def test_capa_and_quit_in_both_states(world: World) -> None:
    """P39."""
    for talk in (world.talk(), world.talk(user="ada")):
        assert talk.say("CAPA").startswith("+OK ")
        assert talk.say("QUIT now") == "-ERR QUIT takes no argument\r\n"
        assert talk.say("QUIT") == "+OK bye\r\n"
        assert talk.state is State.CLOSED
        talk.end()


@pytest.mark.parametrize("line", ["USER ada", "PASS x", "AUTH PLAIN", "APOP a b", "STLS", "UTF8"])
def test_login_commands_after_login(world: World, line: str) -> None:
    """P52."""
    assert world.talk(user="ada").say(line).startswith("-ERR ")


@pytest.mark.parametrize(
    ("user", "text", "event"),
    [
        ("down", "-ERR [SYS/TEMP] login is not possible now, please try again later\r\n", LoginUnavailable),
        ("broken", "-ERR [SYS/PERM] this account cannot be used, please ask your administrator\r\n", LoginFailed),
        ("hasty", "-ERR [LOGIN-DELAY] too soon after the last login, please wait\r\n", LoginFailed),
        ("nobody", REFUSED, LoginFailed),
    ],
)
def test_each_outcome_has_its_code(world: World, user: str, text: str, event: type[Event]) -> None:
    """P44: and the reason is for the log only."""
    assert world.talk().say(f"USER {user}\r\nPASS x").split("\r\n", 1)[1] == text
    assert world.talk().say(f"AUTH PLAIN {plain(user)}") == text
    assert len(world.sink.of(event)) == 2


def test_a_defect_of_the_backend_is_no_wrong_password(world: World) -> None:
    """P44, P60: and shows neither its text nor a password."""
    talk = world.talk()
    assert talk.say("USER defect\r\nPASS x").endswith("-ERR [SYS/TEMP] internal error\r\n")
    assert talk.state is State.CLOSED
    assert "secret text" not in repr(world.sink.events)


def test_too_many_refusals_close(world: World) -> None:
    world.policy = Policy(login_failures=2)
    talk = world.talk()
    assert talk.say("USER a\r\nPASS x").endswith(REFUSED)
    assert talk.say("CAPA").startswith("+OK")
    assert talk.say(f"AUTH PLAIN {plain('a')}") == REFUSED
    assert talk.state is State.CLOSED


# ---- the lease ----------------------------------------------------------------------------------------------------


def test_a_second_session_is_in_use_and_may_try_again(world: World) -> None:
    """P44, P48: the lock is taken before +OK; state AUTHORIZATION; it ends with its holder."""
    first = world.talk(user="ada")
    second = world.talk()
    answer = second.say(b"USER ada\r\nPASS " + PASSWORD).splitlines()[1]
    assert answer == "-ERR [IN-USE] your maildrop is in use by another session"
    assert second.state is State.AUTHORIZATION
    assert world.sink.of(MaildropInUse)[0].user == "ada"
    assert world.admitted == ["ada"]
    first.say("QUIT")
    second.login()


@pytest.mark.parametrize(("permanent", "code"), [(False, "SYS/TEMP"), (True, "SYS/PERM")])
def test_a_maildrop_that_cannot_be_opened(
    world: World, monkeypatch: pytest.MonkeyPatch, permanent: bool, code: str
) -> None:
    """P44."""

    async def open_(maildrop: str, session: str, *, utf8: bool = False, read_only: bool = False) -> Maildrop:
        raise MaildropUnavailable("no such directory: /var/mail/ada", permanent=permanent)

    monkeypatch.setattr(world.store, "open", open_)
    talk = world.talk()
    answer = talk.say(b"USER ada\r\nPASS " + PASSWORD).splitlines()[1]
    assert answer == f"-ERR [{code}] your maildrop cannot be opened"
    assert talk.state is State.AUTHORIZATION
    assert world.sink.of(MaildropFailed)[0].permanent is permanent
    assert not world.admitted


def test_the_limit_of_sessions_of_an_account(world: World) -> None:
    """P44."""
    world.limit = "limits.sessions_per_account"
    answer = world.talk().say(b"USER ada\r\nPASS " + PASSWORD).splitlines()[1]
    assert answer == "-ERR [SYS/TEMP] too many sessions of this account"
    assert "limits.sessions_per_account" in world.sink.of(LoginUnavailable)[0].reason


# ---- TLS ----------------------------------------------------------------------------------------------------------


def test_before_tls_nothing_but_capa_stls_and_quit(world: World) -> None:
    """P54: refused at USER, before the password is sent; nothing reaches the authenticator."""
    world.policy = Policy(bad_commands_before_login=99)
    talk = world.talk(tls="", door=Door(stls=True))
    tls_first = "-ERR TLS is needed first: use STLS, or connect to the TLS port\r\n"
    for line in ("USER ada", "AUTH PLAIN", f"AUTH PLAIN {plain('ada')}", "AUTH", "LANG", "LANG de", "UTF8"):
        assert talk.say(line) == tls_first
    assert talk.say(b"PASS " + PASSWORD) == "-ERR USER comes first\r\n"
    assert not world.accounts.attempts
    seen = [(event.command, event.secret_seen) for event in world.sink.of(CleartextLoginRefused)]
    assert seen == [("USER", False), ("AUTH", False), ("AUTH", True), ("PASS", True)]
    assert "sesame" not in repr(world.sink.events)
    assert talk.say("CAPA").startswith("+OK")
    assert talk.say("QUIT") == "+OK bye\r\n"


def test_stls_leads_to_a_fresh_session(world: World) -> None:
    """P51, P54."""
    talk = world.talk(tls="", door=Door(stls=True))
    talk.say("USER evil")
    assert talk.say("STLS") == "+OK begin TLS now\r\n"
    assert talk.state is State.TLS
    talk.secure()
    assert talk.say("PASS x") == "-ERR USER comes first\r\n"
    assert talk.session.name == ""
    talk.login()
    assert world.sink.of(LoginSucceeded)[0].tls == "TLSv1.3"


def test_stls_where_it_does_not_belong(world: World) -> None:
    """P52."""
    assert world.talk().say("STLS") == "-ERR TLS is active already\r\n"
    assert world.talk(tls="", door=Door(stls=False)).say("STLS") == "-ERR TLS is not available here\r\n"
    assert world.talk(tls="", door=Door(stls=True)).say("STLS now") == "-ERR STLS takes no argument\r\n"
    assert world.talk(user="ada").say("STLS") == "-ERR not possible after login\r\n"


def test_a_dated_exception_lets_a_login_in_clear_happen_and_tells(world: World) -> None:
    """P54."""
    world.talk(tls="", door=Door(stls=True, cleartext_until="2027-01-31"), user="ada")
    assert world.sink.of(LoginSucceeded)[0].tls == "cleartext until 2027-01-31"


def test_no_event_of_a_login_holds_a_secret(world: World) -> None:
    """P60: also with spaces in it, also in lines of an exchange."""
    world.talk(user="ada").end()
    world.talk().say(f"AUTH PLAIN\r\n{plain('ada')}")
    world.talk().say("USER ada\r\nPASS another secret phrase")
    shown = repr(world.sink.events)
    for secret in ("sesame", "another", "phrase", plain("ada")):
        assert secret not in shown
