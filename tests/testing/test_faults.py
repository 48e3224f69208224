"""Faults as sentences and values."""

from __future__ import annotations

import pytest

from pillarbox.testing.faults import GREETING, Action, Fault, FaultError, Moment, Place

SENTENCES = {
    "drop at command 5": Fault(Action.DROP, Place(command=5)),
    "reset at octet 1000": Fault(Action.RESET, Place(octet=1000)),
    "fin at octet 0 of QUIT": Fault(Action.FIN, Place("QUIT", octet=0)),
    "stall at octet 10 of greeting": Fault(Action.STALL, Place("GREETING", octet=10)),
    "stall at TLS in session 2": Fault(Action.STALL, Place("TLS", session=2)),
    "slow 1 at 2nd RETR in session 1": Fault(Action.SLOW, Place("RETR", nth=2, session=1), number=1),
    "slow 1": Fault(Action.SLOW, number=1),
    'answer "-ERR [IN-USE] busy" at LOGIN once': Fault(Action.ANSWER, Place("LOGIN"), b"-ERR [IN-USE] busy", once=True),
    'suffix "+OK \\r\\n\\xff\\x22" at STLS': Fault(Action.SUFFIX, Place("STLS"), b'+OK \r\n\xff"'),
    "no body at RETR 3": Fault(Action.NO_BODY, Place("RETR", number=3)),
    "endless line at LIST": Fault(Action.ENDLESS_LINE, Place("LIST")),
    "drop at octet 7 of command 12": Fault(Action.DROP, Place(command=12, octet=7)),
    "bare LF": Fault(Action.BARE_LF),
    "pad 100000 at RETR 1": Fault(Action.PAD, Place("RETR", number=1), number=100_000),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_a_fault_and_a_fault_is_a_sentence(sentence: str) -> None:
    assert Fault.parse(sentence) == SENTENCES[sentence]
    assert str(SENTENCES[sentence]) == sentence
    assert Fault.parse(sentence.upper() if '"' not in sentence else sentence) == SENTENCES[sentence]


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("", "not understood"),
        ("explode at RETR", "a fault is one of"),
        ("drop", "needs a place: drop at command 5"),
        ("drop at XYZZY", "is no place"),
        ("drop 5 at RETR", "takes no argument"),
        ("slow at RETR", "takes a number"),
        ("slow 0", "octets a second"),
        ("answer at RETR", "takes a text in quotes"),
        ("pad 5 at octet 4 of RETR", "cannot happen at an octet"),
        ("call at RETR", "only be used from Python"),
        ("answer '\\N' at RETR", "understood in a text"),
    ],
)
def test_what_is_no_fault_is_told(sentence: str, told: str) -> None:
    with pytest.raises(FaultError, match=told):
        Fault.parse(sentence)


def test_places_fit_moments() -> None:
    third = Moment(session=2, verb="RETR", command=7, nth=3, number=9)
    for fits in (Place(), Place("RETR"), Place("RETR", nth=3), Place("RETR", number=9), Place(command=7, session=2)):
        assert fits.fits(third)
    for other in (Place("TOP"), Place("RETR", nth=2), Place("RETR", number=3), Place(command=3), Place(session=1)):
        assert not other.fits(third)
    assert Place("LOGIN").fits(Moment(1, "AUTH", 1))
    assert not Place("LOGIN").fits(Moment(1, "USER", 1))
    assert not Place(command=1).fits(Moment(1, GREETING))


def test_a_call_names_its_place_like_a_sentence() -> None:
    fault = Fault.call(lambda: None, "octet 100 of RETR 3 in session 2", once=True)
    assert fault.place == Place("RETR", number=3, octet=100, session=2)
    assert fault.once
