"""The suite finds what is wrong with clients that are wrong on purpose, and nothing with one that is right."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pillarbox.testing.torture.cases import HOSTILE, Case, Family
from pillarbox.testing.torture.clients import ClientError, Description, built_in
from pillarbox.testing.torture.judge import Fault
from pillarbox.testing.torture.run import Bounds
from pillarbox.testing.torture.suite import Plan, Suite

PLAN = Plan(cut_octets=2, kill_octets=2, kill_commands=2, bounds=Bounds(seconds=20.0), jobs=1)

BY_NAME = {case.name: case for case in HOSTILE}


def broken(text: str) -> Description:
    """A program in place of poplib's loop: `text` is what it does once `box` is logged in."""
    client = built_in()["poplib"]
    program = (
        "import os, poplib, ssl, sys\n"
        "mode, host, port, user, ca, home, maildir, timeout = sys.argv[1:]\n"
        "context = ssl.create_default_context(cafile=ca)\n"
        f"{text}\n"
    )
    command = ("{python}", "-S", "{home}/broken.py", *client.command[3:])
    return dataclasses.replace(
        client, name="broken", command=command, files={**client.files, "broken.py": program}, own=False
    )


LOGIN = (
    "box = poplib.POP3_SSL(host, int(port), context=context, timeout=5)\n"
    "box.user(user); box.pass_(open(home + '/password').read())\n"
)
LOOP = (
    "for n in range(1, len(box.list()[1]) + 1):\n"
    "    lines = box.retr(n)[1]\n"
    "    open(maildir + '/new/' + os.urandom(8).hex(), 'wb').write(b'\\n'.join(lines))\n"
    "    box.dele(n)\n"
    "box.quit()\n"
)


def kinds(client: Description, case: Case, directory: Path) -> set[Fault]:
    return {failure.fault for failure in Suite(client, PLAN, directory).torture(case).failures}


def test_a_plain_loop_passes_what_a_plain_loop_can(tmp_path: Path) -> None:
    client = built_in()["poplib"]
    for name in (
        "a message refused",
        "certificate: expired",
        "STLS refused",
        "QUIT refused",
        "no CAPA, input thrown away",
    ):
        wanted = {Fault.DUPLICATE} if name in ("a message refused", "QUIT refused") else set()  # it remembers nothing
        assert kinds(client, BY_NAME[name], tmp_path) == wanted, name


def test_cuts_and_kills_find_duplicates_but_no_loss(tmp_path: Path) -> None:
    suite = Suite(built_in()["poplib"], PLAN, tmp_path)
    cases = suite.cases([Family.CUT, Family.KILL])
    assert len([case for case in cases if case.name.startswith("cut at command")]) == 24  # USER, PASS, LIST, 20, QUIT
    by_name = {case.name: case for case in cases}
    found = suite.torture(by_name["cut at command 12"])
    assert (found.lost, found.duplicates) == (0, 4)
    killed = next(case for case in cases if case.kill and case.pause)
    result = suite.torture(killed)
    assert result.runs[0].killed
    assert result.lost == 0
    assert {failure.fault for failure in result.failures} <= {Fault.DUPLICATE}
    assert [case.name for case in Suite(built_in()["poplib"], PLAN, tmp_path).cases()] == [
        case.name for case in suite.cases()
    ]


def test_a_client_that_deletes_first_loses_mail(tmp_path: Path) -> None:
    case = Case("cut", Family.CUT, "", ("drop at RETR 5",))
    program = LOGIN + LOOP.replace("    box.dele(n)\n", "").replace(
        "    lines", "    box.dele(n)\n    box.quit() if n == 4 else None\n    lines"
    )
    with pytest.raises(ClientError, match="does not work with an honest server"):
        Suite(broken(program), PLAN, tmp_path).torture(case)
    hasty = LOGIN + "count = len(box.list()[1])\nall = [box.retr(n)[1] for n in range(1, count + 1)]\n"
    hasty += "for n in range(1, count + 1): box.dele(n)\nbox.quit()\n"
    hasty += "for lines in all: open(maildir + '/new/' + os.urandom(8).hex(), 'wb').write(b'\\n'.join(lines))\n"
    lost = Case("killed behind QUIT", Family.KILL, "", kill="octet 0 of QUIT", pause=0.1)
    assert kinds(broken(hasty), lost, tmp_path) == {Fault.DELETED, Fault.LOST}


def test_a_client_that_verifies_nothing_leaks(tmp_path: Path) -> None:
    blind = broken("context = ssl._create_unverified_context()\n" + LOGIN + LOOP)
    assert kinds(blind, BY_NAME["certificate: self-signed"], tmp_path) == {Fault.LEAK}


def test_a_client_without_a_time_out_hangs(tmp_path: Path) -> None:
    patient = broken(LOGIN.replace("timeout=5", "timeout=None") + LOOP)
    plan = dataclasses.replace(PLAN, bounds=Bounds(seconds=5.0))
    result = Suite(patient, plan, tmp_path).torture(BY_NAME["silence at LIST"])
    assert result.runs[0].exceeded == "time"
    assert result.failures[0].fault is Fault.TIME


def test_a_client_that_prints_what_it_is_told(tmp_path: Path) -> None:
    chatty = LOGIN.replace("box.pass_(", "try: box.pass_(").replace(
        ".read())\n", ".read())\nexcept poplib.error_proto as error: os.write(1, error.args[0]); sys.exit(1)\n"
    )
    chatty = chatty.replace("box.user(user); ", "box.user(user)\n")
    assert kinds(broken(chatty + LOOP), BY_NAME["terminal codes at login"], tmp_path) == {Fault.TERMINAL}


def test_a_client_that_only_retrieves_is_only_watched(tmp_path: Path) -> None:
    looking = dataclasses.replace(broken(LOGIN + "box.retr(3)\n"), delivers=False)
    suite = Suite(looking, PLAN, tmp_path)
    assert not suite.cases([Family.CUT, Family.KILL])
    told: list[str] = []
    results = suite.results(suite.cases([Family.FRAMING])[:2], lambda result: told.append(result.case.name))
    assert [result.passed for result in results] == [True, True]
    assert told == [result.case.name for result in results]
    assert all(len(result.runs) == 1 for result in results)
