"""P31-P33, P39, P54: the fuzzer itself, bounded, in process and against a live server."""

import os
import random

import pytest
from fuzz.__main__ import main
from fuzz.inputs import BEFORE_LOGIN, MAIL, Source
from fuzz.memory import alive, resident

from fuzz import live, parsers
from pillarbox.wire import peer
from pillarbox.wire.lines import Line, LineBuffer


def test_the_parsers_say_the_same_however_they_are_fed() -> None:
    assert parsers.run(400, 30, seed=1) == 400


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: a parser that loses track of a line at a border is caught."""

    class Careless(LineBuffer):
        def next(self, limit: int) -> Line | None:
            line = super().next(limit)
            if line is None:
                self.clear()
            return line

    monkeypatch.setattr(peer, "LineBuffer", Careless)
    with pytest.raises(parsers.Failed, match="octet by octet"):
        parsers.run(400, 30, seed=1)


def test_the_same_seed_gives_the_same_lines() -> None:
    one, other = (Source(random.Random(7)).block(200, MAIL) for _ in range(2))
    assert one == other
    assert Source(random.Random(8)).block(200, MAIL) != one


def test_expensive_and_ending_lines_have_rates_of_their_own() -> None:
    source = Source(random.Random(1), costly=0.0, ending=0.0)
    block = source.block(5000, [line for line in BEFORE_LOGIN if not line.startswith(b"AUTH")])
    starts = {line.lstrip()[:4].upper() for line in block.replace(b"\r", b"\n").split(b"\n")}
    assert not starts & {b"PASS", b"STLS"}


def test_memory_is_measured() -> None:
    assert resident(os.getpid()) > 1_000_000
    assert alive(os.getpid())
    assert resident(2**22 + 1) == 0


@pytest.mark.slow
def test_twenty_thousand_lines_against_a_live_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "20000", "--streams", "1", "--seconds", "120", "--seed", "20260801"]) == 0
    assert "live: 20," in capsys.readouterr().out


class Lying:
    """A socket whose other end says what it is told to say."""

    def __init__(self, says: bytes) -> None:
        self.says = says

    def recv(self, octets: int) -> bytes:
        """Everything at once."""
        says, self.says = self.says, b""
        return says

    def sendall(self, data: bytes) -> None:
        """Into the void."""


@pytest.mark.parametrize(
    ("says", "complaint"),
    [
        (b"-ERR\r\n-ERR\r\n+OK unasked\r\n", "no sense"),
        (b"-ERR\r\njunk\r\n", "no sense"),
        (b"-ERR\r\n+OK\r\n", "broke the protocol"),
        (b"+OK\r\n+OK\r\n", "a login succeeded"),
        (b"-ERR " + live.MARK + b"\r\n", "mail was sent"),
    ],
)
def test_what_a_server_must_not_do_is_found(says: bytes, complaint: str) -> None:
    sock = Lying(b"+OK\r\n")
    line = live.Line(sock, may_read=False)
    assert line.settle()
    line.send(b"USER a\r\nPASS b\r\n")
    sock.says = says
    with pytest.raises(live.Failed, match=complaint):
        line.settle()
