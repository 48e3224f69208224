"""The list of cases: each can be told from the others, and does something."""

from __future__ import annotations

from pillarbox.testing.behaviour import Behaviour
from pillarbox.testing.certificates import Quality
from pillarbox.testing.faults import Fault
from pillarbox.testing.torture import post
from pillarbox.testing.torture.cases import HOSTILE, Family, cuts, kills


def test_every_case_has_a_name_of_its_own_and_a_promise() -> None:
    cases = [*HOSTILE, *cuts(5, [10, 20]), *kills([1, 2], [10, 20])]
    assert len({case.name for case in cases}) == len(cases)
    assert all(case.promise for case in cases)
    assert {case.family for case in cases} == set(Family)


def test_every_case_does_something() -> None:
    for case in HOSTILE:
        for sentence in case.faults:
            Fault.parse(sentence)
        odd_mail = case.family is Family.SENDER
        assert case.faults or case.behaviour != Behaviour() or case.certificate is not Quality.VALID or odd_mail, case


def test_mail_that_a_case_changes_keeps_its_tokens() -> None:
    for case in HOSTILE:
        if case.mail is not post.messages:
            assert [post.token(octets) for octets in case.mail()] == list(range(1, 11)), case.name
        assert all(post.token(octets) == token for token, octets in case.also.items())


def test_cuts_are_at_every_command_and_kills_at_once_or_later() -> None:
    assert [case.faults[0] for case in cuts(3, [5, 9])][:5] == [
        "drop at command 1", "drop at command 2", "drop at command 3", "reset at octet 5", "drop at octet 9",
    ]  # fmt: skip
    chosen = kills([4, 6], [100])
    assert [(case.kill, case.pause > 0) for case in chosen] == [
        ("command 4", False), ("command 6", True), ("octet 100", False),
        ("octet 0 of QUIT", False), ("octet 0 of QUIT", True),
    ]  # fmt: skip
