"""A behaviour departs from the truth only where it is told to."""

from __future__ import annotations

from pillarbox.testing.behaviour import Behaviour, as_counted, as_listed, as_named, as_sized

HONEST = [b"TOP", b"UIDL", b"USER", b"SASL PLAIN LOGIN", b"PIPELINING"]


def test_the_default_is_the_truth() -> None:
    assert Behaviour().capabilities(HONEST) == HONEST
    assert as_listed([b"1 2"]) == [b"1 2"]
    assert as_named(1, b"u", 2) == b"u"
    assert as_counted(1, 2) == (1, 2)
    assert as_sized(1, 2) == 2


def test_capabilities_can_be_left_out_replaced_and_invented() -> None:
    shown = Behaviour(
        capa_without=frozenset({"TOP"}),
        capa_with=("SASL XOAUTH2", "EXPIRE 0"),
        refused=frozenset({"UIDL"}),
        user_pass=False,
        pipelining=False,
    ).capabilities(HONEST)
    assert shown == [b"SASL XOAUTH2", b"EXPIRE 0"]


def test_a_lie_about_pipelining() -> None:
    """A server may claim what it does not do."""
    assert b"PIPELINING" in Behaviour(pipelining=False, capa_with=("PIPELINING",)).capabilities(HONEST)
