"""Transcripts: readable, harmless for a terminal, and without secrets (P60)."""

from __future__ import annotations

import pytest

from pillarbox.testing.transcript import Transcript
from pillarbox.wire.commands import Malformed, SaslResponse
from pillarbox.wire.errors import BadCommand
from pillarbox.wire.grammar import parse


def client(line: bytes) -> str:
    transcript = Transcript()
    try:
        received = parse(line)
    except BadCommand as error:
        transcript.client(line, Malformed(str(error)))
    else:
        transcript.client(line, received)
    return str(transcript)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"USER ada", "C: USER ada\n"),
        (b"PASS sesame", "C: PASS *\n"),
        (b"pass \0sesame", "C: PASS *\n"),
        (b" PASS sesame", "C: PASS *\n"),
        (b"APOP ada 0123", "C: APOP *\n"),
        (b"AUTH PLAIN c2VzYW1l", "C: AUTH PLAIN *\n"),
        (b"RETR 3", "C: RETR 3\n"),
        (b"TOP 3 0", "C: TOP 3 0\n"),
        (b"\x1b[2J", "C: \\x1b[2J\n"),
    ],
)
def test_lines_of_a_client(line: bytes, shown: str) -> None:
    assert client(line) == shown


def test_the_rest() -> None:
    transcript = Transcript()
    transcript.client(b"c2VzYW1l", SaslResponse(b"c2VzYW1l"))
    transcript.server(b"+ c2VzYW1l\r\n")
    transcript.server(b"+OK " + b"x" * 500 + b"\r\n")
    transcript.body(b"1 2\r\n2 3\r\n", 10, message=False)
    transcript.body(b"Subject: x\r\n", 12, message=True)
    transcript.note("quit")
    lines = str(transcript).splitlines()
    assert lines[:2] == ["C: *", "S: + *"]
    assert lines[2].endswith("x…")
    assert lines[3:] == ["S: 1 2", "S: 2 3", "S: (12 octets)", "*: quit"]
