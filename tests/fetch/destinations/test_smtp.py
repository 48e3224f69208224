"""SMTP and LMTP: every octet arrives, refusals are told apart, and a lost answer is counted."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fetch.destinations.smtp_server import Inbox, scripted, serving
from tests.fetch.destinations.staging import AWKWARD, message, stage

from pillarbox.fetch.destination import Delivered, DestinationError, Failed, LineEnds, Sure
from pillarbox.fetch.destinations.mail_server import MailServer, Security
from pillarbox.fetch.destinations.smtp import Lmtp, Smtp

TO = "ada@example.org"


def plain(port: int) -> MailServer:
    return MailServer("127.0.0.1", port, Security.NONE, timeout=5.0)


def failed(answer: Delivered | Failed) -> Failed:
    assert isinstance(answer, Failed)
    return answer


@pytest.mark.parametrize("lmtp", [False, True])
def test_every_octet_arrives(lmtp: bool, tmp_path: Path) -> None:
    octets = [
        b"Return-Path: <bob@example.org>\r\n" + message(1),
        message(2, 300_000),
        b".\r\n..\r\n.x\r\n\r\n.\r\n",
        b"8-bit: \xe9\xff\r\n\r\n" + b"x" * 990 + b"\r\n",
    ]
    inbox = Inbox()
    with serving(inbox, lmtp=lmtp) as port:
        kind = Lmtp if lmtp else Smtp
        destination = kind(plain(port), TO, name="here")
        assert destination.sure is Sure.AT_LEAST_ONCE
        assert destination.line_ends is LineEnds.CRLF
        destination.open()
        batch = [stage(tmp_path, one, number) for number, one in enumerate(octets)]
        answers = destination.deliver(batch[:2]) + destination.deliver(batch[2:])
        destination.close()
        destination.close()
    assert all(isinstance(answer, Delivered) for answer in answers)
    assert [answer.staged for answer in answers] == batch
    assert [content for _, _, content in inbox.messages] == octets
    assert [sender for sender, _, _ in inbox.messages] == ["bob@example.org", "<>", "<>", "<>"]
    assert {recipient for _, recipient, _ in inbox.messages} == {TO}
    assert inbox.options[0] == [f"SIZE={len(octets[0])}", "BODY=8BITMIME"]


def test_bare_line_ends_cannot_smuggle_commands(tmp_path: Path) -> None:
    """RFC 5321 §2.3.8: neither CR nor LF alone. Every dot behind one is doubled, and each becomes a line end."""
    evil = b"A: b\r\n\r\nx\n.\nMAIL FROM:<evil@x>\r\n\r.\r\r\n.\r\n"
    inbox = Inbox()
    with serving(inbox) as port:
        smtp = Smtp(plain(port), TO)
        smtp.open()
        smtp.deliver([stage(tmp_path, evil, 1), stage(tmp_path, AWKWARD, 2)])
        smtp.close()
    assert [content for _, _, content in inbox.messages] == [
        re.sub(rb"\r\n|\r|\n", b"\r\n", evil),
        AWKWARD + b"\r\n",
    ]


def test_a_refused_message_does_not_stop_the_others(tmp_path: Path) -> None:
    answers = {b"number 1\r\n": "554 5.7.1 not \x1b[31mwanted", b"number 2\r\n": "451 4.3.0 later"}
    inbox = Inbox(answer=lambda _, content: next((one for text, one in answers.items() if text in content), "250 ok"))
    with serving(inbox) as port:
        smtp = Smtp(plain(port), TO, sender="me@example.org")
        got = smtp.deliver([stage(tmp_path, message(number), number) for number in range(4)])
        smtp.close()
    assert [type(one) for one in got] == [Delivered, Failed, Failed, Delivered]
    bad, later = failed(got[1]), failed(got[2])
    assert (bad.temporary, bad.message_is_bad) == (False, True)
    assert "refused the message: 554 5.7.1 not " in bad.reason
    assert "\x1b" not in bad.reason
    assert (later.temporary, later.message_is_bad) == (True, False)
    assert {sender for sender, _, _ in inbox.messages} == {"me@example.org"}


def test_a_recipient_that_is_not_there_is_no_fault_of_the_message(tmp_path: Path) -> None:
    inbox = Inbox()
    with serving(inbox) as port:
        smtp = Smtp(plain(port), "nobody@example.org")
        answer = failed(smtp.deliver([stage(tmp_path, message(1))])[0])
        smtp.close()
    assert (answer.temporary, answer.message_is_bad) == (False, False)
    assert "550 5.1.1 no such user: look whether nobody@example.org exists there" in answer.reason


def test_a_message_that_is_too_large_is_not_sent(tmp_path: Path) -> None:
    inbox = Inbox()
    with serving(inbox, limit=1000) as port:
        smtp = Smtp(plain(port), TO)
        answer = failed(smtp.deliver([stage(tmp_path, message(1, 5000))])[0])
        smtp.close()
    assert answer.message_is_bad
    assert "the server takes 1000 octets" in answer.reason


Lines = Iterator[bytes]
HELLO = b"220 hi\r\n"


def greet(peer: socket.socket, lines: Lines, features: bytes = b"250 ok\r\n") -> None:
    peer.sendall(HELLO)
    next(lines)
    peer.sendall(features)


def take(peer: socket.socket, lines: Lines) -> bytes:
    """Up to the whole message, without an answer to it."""
    for answer in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        next(lines)
        peer.sendall(answer)
    return b"".join(iter(lambda: next(lines), b".\r\n"))


def test_a_lost_answer_is_counted_and_the_message_comes_again(tmp_path: Path) -> None:
    def loses(peer: socket.socket, lines: Lines) -> None:
        greet(peer, lines)
        take(peer, lines)

    def works(peer: socket.socket, lines: Lines) -> None:
        greet(peer, lines)
        take(peer, lines)
        peer.sendall(b"250 stored\r\n")
        next(lines)

    with scripted(loses, works) as port:
        smtp = Smtp(plain(port), TO)
        first, second = smtp.deliver([stage(tmp_path, message(n), n) for n in range(2)])
        smtp.close()
    assert failed(first).temporary
    assert "may then be there twice" in failed(first).reason
    assert isinstance(second, Delivered)
    assert smtp.uncertain == 1


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_connection_that_breaks_before_the_end_is_made_anew(cut: int, tmp_path: Path) -> None:
    """It may have waited too long between two batches; nothing was delivered, so nothing is counted."""

    def breaks(peer: socket.socket, lines: Lines) -> None:
        greet(peer, lines)
        take(peer, lines)
        peer.sendall(b"250 stored\r\n")
        for _ in range(cut - 1):
            next(lines)
            peer.sendall(b"250 ok\r\n")

    def works(peer: socket.socket, lines: Lines) -> None:
        greet(peer, lines)
        take(peer, lines)
        peer.sendall(b"250 stored\r\n")
        next(lines)

    with scripted(breaks, works) as port:
        smtp = Smtp(plain(port), TO)
        answers = smtp.deliver([stage(tmp_path, message(1), 1), stage(tmp_path, message(2), 2)])
        smtp.close()
    assert [type(answer) for answer in answers] == [Delivered, Delivered]
    assert smtp.uncertain == 0


def test_after_a_delivery_the_rest_of_a_batch_fails_softly(tmp_path: Path) -> None:
    def once(peer: socket.socket, lines: Lines) -> None:
        greet(peer, lines)
        take(peer, lines)
        peer.sendall(b"250 stored\r\n")

    with scripted(once, close_after=True) as port:
        smtp = Smtp(plain(port), TO)
        batch = [stage(tmp_path, message(number), number) for number in range(3)]
        answers = smtp.deliver(batch)
    assert [type(answer) for answer in answers] == [Delivered, Failed, Failed]
    assert all("nothing listens there: start the server" in failed(answer).reason for answer in answers[1:])
    assert all(failed(answer).temporary for answer in answers[1:])
    with pytest.raises(DestinationError, match="nothing listens there"):
        smtp.deliver(batch[1:])


def test_pipelined_commands_are_answered_one_by_one(tmp_path: Path) -> None:
    """RFC 2920 §3.1: a server that says 354 although the recipient was refused gets an empty message."""
    seen: list[bytes] = []

    def pipelines(peer: socket.socket, lines: Lines) -> None:
        greet(peer, lines, b"250-test\r\n250-PIPELINING\r\n250 SIZE\r\n")
        seen.extend(next(lines) for _ in range(3))
        peer.sendall(b"250 ok\r\n550 no\r\n354 go\r\n")
        seen.append(next(lines))
        peer.sendall(b"554 no recipients\r\n")
        seen.append(next(lines))
        peer.sendall(b"250 ok\r\n")
        seen.extend(next(lines) for _ in range(3))
        peer.sendall(b"250 ok\r\n250 ok\r\n354 go\r\n")
        seen.append(b"".join(iter(lambda: next(lines), b".\r\n")))
        peer.sendall(b"250 ok\r\n")

    with scripted(pipelines) as port:
        smtp = Smtp(plain(port), TO)
        first, second = smtp.deliver([stage(tmp_path, b"A: b\r\n", 1), stage(tmp_path, b"C: d\r\n", 2)])
        smtp.close()
    assert "refused the RCPT: 550 no" in failed(first).reason
    assert isinstance(second, Delivered)
    assert seen[0] == b"MAIL FROM:<> SIZE=6\r\n"
    assert seen[3:5] == [b".\r\n", b"RSET\r\n"]
    assert seen[-1] == b"C: d\r\n"


@pytest.mark.parametrize(
    ("say", "text", "temporary"),
    [
        (b"554 no service\r\n", "refused our greeting: 554 no service", False),
        (b"421 busy\r\n", "refused our greeting: 421 busy", True),
        (b"junk\r\n", "refused our greeting", True),
        (b"", "the connection broke", True),
        (b"220 " + b"x" * 100_000 + b"\r\n", "refused our greeting", True),
    ],
)
def test_a_server_that_does_not_greet_is_told(say: bytes, text: str, temporary: bool) -> None:
    with scripted(lambda peer, lines: peer.sendall(say)) as port, pytest.raises(DestinationError) as caught:
        Smtp(plain(port), TO).open()
    assert text in caught.value.text
    assert len(caught.value.text) < 400


def test_nobody_there_and_no_answer_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(DestinationError, match=r"no answer in time|the connection broke"):
            Smtp(MailServer("127.0.0.1", port, Security.NONE, timeout=0.3), TO).open()
    with pytest.raises(DestinationError, match="nothing listens there"):
        Smtp(plain(port), TO).open()
    with pytest.raises(DestinationError, match=r"/no/such/socket: it does not exist"):
        Lmtp(MailServer("/no/such/socket", 0, Security.NONE), TO).open()


def test_what_is_no_address_is_refused_at_once() -> None:
    for wrong in ("", "a b@x", "a@x>\r\nRCPT TO:<b@x"):
        with pytest.raises(ValueError, match="no plain address"):
            Smtp(plain(1), wrong)
        if wrong:
            with pytest.raises(ValueError, match="no plain address"):
                Smtp(plain(1), TO, sender=wrong)
