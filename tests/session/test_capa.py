"""P40: CAPA says exactly what is done, in this state and on this connection."""

from __future__ import annotations

from tests.session.talk import Talk, World

from pillarbox.session.context import Door, Policy
from pillarbox.wire.capabilities import Capabilities


def capabilities(talk: Talk) -> Capabilities:
    status, *lines, end = talk.say("CAPA").splitlines()
    assert status == "+OK capabilities follow"
    assert end == "."
    return Capabilities.parse([line.encode() for line in lines])


BASE = {"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"}
LOGIN = {"USER", "SASL", "UTF8", "LANG"}


def test_inside_tls(world: World) -> None:
    talk = world.talk()
    before = capabilities(talk)
    assert {name for name, _ in before} == BASE | LOGIN
    assert before["SASL"] == ("PLAIN", "LOGIN")
    assert before["UTF8"] == ("USER",)
    talk.login()
    assert {name for name, _ in capabilities(talk)} == BASE | LOGIN


def test_in_clear_no_login_is_offered(world: World) -> None:
    talk = world.talk(tls="", door=Door(stls=True))
    assert {name for name, _ in capabilities(talk)} == BASE | {"STLS"}
    talk.say("STLS")
    talk.secure()
    assert {name for name, _ in capabilities(talk)} == BASE | LOGIN


def test_a_dated_exception_offers_both(world: World) -> None:
    talk = world.talk(tls="", door=Door(stls=True, cleartext_until="2027-01-31"))
    assert {name for name, _ in capabilities(talk)} == BASE | LOGIN | {"STLS"}
    talk.login()
    assert "STLS" not in capabilities(talk)


def test_policy_is_announced_where_it_is_enforced(world: World) -> None:
    world.policy = Policy(login_delay=60, implementation="Pillarbox-1.0")
    talk = world.talk()
    before = capabilities(talk)
    assert before["LOGIN-DELAY"] == ("60",)
    assert "IMPLEMENTATION" not in before
    assert "EXPIRE" not in before
    talk.login()
    assert capabilities(talk)["IMPLEMENTATION"] == ("Pillarbox-1.0",)


def test_everything_announced_works(world: World) -> None:
    """Each capability's command is answered with +OK where it is announced."""
    world.policy = Policy(bad_commands=99)
    talk = world.talk()
    assert talk.say("UTF8").startswith("+OK")
    assert talk.say("LANG").startswith("+OK")
    assert talk.say("AUTH").startswith("+OK")
    talk.login()
    for line in ("TOP 1 0", "UIDL", "LANG en"):
        assert talk.say(line).startswith("+OK")
