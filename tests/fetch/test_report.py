"""The report in place of a large message: harmless, whatever the header says."""

from __future__ import annotations

import email
import email.policy

import pytest

from pillarbox.fetch.report import report

EVIL = [
    b"",
    b"\r\n",
    b"Subject: x\r\n y\r\n\tz\r\n",
    b"Subject: a\rX-Evil: 1\nX-Worse: 2\r\n",
    b"From: =?utf-8?q?a=0AX-Evil:_1?= <a@example.org>\r\n",
    b"Subject: " + b"x" * 100_000 + b"\r\n",
    b"Date: \xff\xfe\x00\r\nTo: \x1b[2J\r\n",
    b"\xff" * 3000,
]


def test_it_says_what_is_there() -> None:
    header = b"From: ada@example.org\r\nSubject: photos\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n"
    octets = report(header, 30 * 1024 * 1024, 25 * 1024 * 1024, "ada")
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert message["Subject"] == "[too large: 30.0 MiB] photos"
    assert message["From"] == "ada@example.org"
    assert "larger than 25.0 MiB" in message.get_content()


@pytest.mark.parametrize("header", EVIL, ids=range(len(EVIL)))
def test_nothing_in_a_header_becomes_a_field_of_its_own(header: bytes) -> None:
    octets = report(header, 1000, 100, "ada\r\nX-Evil: 1")
    head, _, body = octets.partition(b"\r\n\r\n")
    names = {line.partition(b":")[0] for line in head.split(b"\r\n")}
    assert b"X-Evil" not in names
    assert b"X-Worse" not in names
    lines = octets.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert octets.count(b"\n") == octets.count(b"\r") == len(lines) - 1
    assert b"\x1b" not in octets
    assert body
