"""Verdicts: each kind of failure is found, and a good client is not blamed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.testing.client import Raw

from pillarbox.testing import Behaviour, ScriptedServer
from pillarbox.testing.torture import judge, post
from pillarbox.testing.torture.cases import Case, Family
from pillarbox.testing.torture.judge import Fault
from pillarbox.testing.torture.run import Ran

CASE = Case("case", Family.CUT, "promise")
SENT = post.messages(3)


def delivered(maildir: Path, *files: bytes) -> Path:
    for part in ("tmp", "new", "cur"):
        (maildir / part).mkdir(parents=True)
    for at, octets in enumerate(files):
        (maildir / "new" / str(at)).write_bytes(octets)
    return maildir


def kinds(found: list[judge.Failure]) -> set[Fault]:
    return {failure.fault for failure in found}


@pytest.mark.parametrize(
    ("deleted", "files", "expected"),
    [
        ((1, 2, 3), SENT, set()),
        ((), SENT, set()),  # it keeps mail on the server: nothing wrong with that
        ((1, 2, 3), SENT[:2], {Fault.LOST}),
        ((), SENT[:2], {Fault.LEFT}),
        ((1, 2, 3), [*SENT, SENT[0]], {Fault.DUPLICATE}),
        ((1, 2, 3), [*SENT, SENT[0][:-9]], {Fault.DAMAGED}),
        ((1, 2, 3), [*SENT[1:], SENT[0][:-9]], {Fault.DAMAGED, Fault.LOST}),
        ((1, 2, 3), [*SENT, b"what is this"], {Fault.DAMAGED}),
    ],
)
def test_what_became_of_the_mail(
    tmp_path: Path, deleted: tuple[int, ...], files: list[bytes], expected: set[Fault]
) -> None:
    with ScriptedServer(SENT) as server:
        with Raw(server) as client:
            client.login()
            for number in deleted:
                client.say(f"DELE {number}")
            client.say("QUIT")
        found, lost, twice = judge.mail(CASE, SENT, server, delivered(tmp_path / "m", *files))
        assert kinds(found) == expected
        assert (lost > 0, twice > 0) == (Fault.LOST in expected, Fault.DUPLICATE in expected)


def test_mail_deleted_before_it_arrived(tmp_path: Path) -> None:
    maildir = delivered(tmp_path / "m", SENT[0])
    with ScriptedServer(SENT) as server:
        for number, early in ((1, set()), (2, {Fault.DELETED})):
            with Raw(server) as client:
                client.login().say(f"DELE {number}")
                client.say("QUIT")
            assert kinds(judge.premature(CASE, SENT, server, maildir)) == early


@pytest.mark.parametrize(
    ("talk", "leaked"),
    [
        (lambda client: client.say("CAPA"), False),
        (lambda client: client.say("USER ada"), False),
        (lambda client: client.say("PASS open sesame"), True),
        (lambda client: client.say("AUTH PLAIN AGFkYQBvcGVuIHNlc2FtZQ=="), True),
        (lambda client: (client.say("AUTH PLAIN"), client.say("AGFkYQ==")), True),
        (lambda client: (client.say("AUTH PLAIN"), client.say("*")), True),
        (lambda client: client.say("APOP ada 00112233445566778899aabbccddeeff"), True),
    ],
)
def test_a_password_that_was_sent(talk: Callable[[Raw], object], leaked: bool) -> None:
    with ScriptedServer() as server, Raw(server) as client:
        talk(client)
        assert kinds(judge.silent(server, 1)) == ({Fault.LEAK} if leaked else set())


def test_what_the_kernel_says() -> None:
    def fine(**changes: object) -> Ran:
        return Ran(**{"seconds": 1.0, "status": 0, "memory": 1, "disk": 1, "output": b"", **changes})  # type: ignore[arg-type]

    assert kinds(judge.measured([fine(), fine(status=7)])) == set()
    assert kinds(judge.measured([fine(status=-9, killed=True)])) == set()
    assert kinds(judge.measured([fine(status=-13)])) == set()
    assert kinds(judge.measured([fine(status=-11)])) == {Fault.CRASH}
    for exceeded, fault in (("time", Fault.TIME), ("memory", Fault.MEMORY), ("disk", Fault.DISK)):
        assert kinds(judge.measured([fine(exceeded=exceeded, status=-9)])) == {fault}


def test_an_endless_reply_that_was_endured() -> None:
    behaviour = Behaviour(endless_octets=200_000)
    with ScriptedServer(behaviour=behaviour, faults=["endless at greeting"]) as server:
        with Raw(server, greeted=False) as client:
            client.sock.recv(100)
        server.wait_for_sessions(1)
        with Raw(server, greeted=False) as client, contextlib.suppress(OSError):
            client.rest()
        server.wait_for_sessions(2)
        assert kinds(judge.endured(server)) == {Fault.TIME}


def test_terminal_codes() -> None:
    for output, bad in ((b"plain \xc3\xa4 \\x1b", False), (b"\x1b[31m", True), (b"\x9b31m", True)):
        assert bool(judge.calm(Ran(1, 0, 1, 1, output))) is bad
