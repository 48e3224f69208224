"""Many log-ins at once that fail, each from an address of its own, and how long each answer took.

Rules: one thread and one epoll, which does nothing but wait, so that a time is the server's and not ours; the moment of
an answer is read before anything is done with it; a trial starts at its own moment, whatever became of the others, so
that slow answers do not thin out the load. Every octet the server said is kept: two kinds must not differ in one.
"""

from __future__ import annotations

import base64
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Answer", "Trial", "run"]

_PATIENCE = 60.0  # seconds after the last start


class Trial(NamedTuple):
    """One log-in to be tried. `way` is "USER/PASS" or "PLAIN"."""

    kind: str
    way: str
    name: bytes
    secret: bytes
    address: str


class Answer(NamedTuple):
    """What came of it.

    `sent` is when the line with the secret left and `seconds` how long its answer took, by CLOCK_MONOTONIC, which is
    the server's clock, too; `said` is all that the server said on the connection.
    """

    trial: Trial
    sent: float
    seconds: float
    said: bytes


@dataclass(slots=True)
class _Under:
    """A trial under way: the lines still to be said, each when the server has answered the one before."""

    trial: Trial
    sock: socket.socket
    lines: Iterator[bytes]
    said: bytearray = field(default_factory=bytearray)
    answered: int = 0
    sent: float = 0.0
    left: int = 0  # lines still to be said


def _lines(trial: Trial) -> list[bytes]:
    if trial.way == "USER/PASS":
        return [b"USER " + trial.name + b"\r\n", b"PASS " + trial.secret + b"\r\n"]
    # Not as an initial response: RFC 5034 §4 allows a command line no more than 255 octets.
    return [b"AUTH PLAIN\r\n", base64.b64encode(b"\0" + trial.name + b"\0" + trial.secret) + b"\r\n"]


def run(port: int, trials: Sequence[Trial], starts: Sequence[float]) -> list[Answer]:
    """Try them, each so many seconds after the beginning (ascending), and return the answers.

    Raises:
        OSError: a connection cannot be made.
        TimeoutError: answers are missing a minute after the last start.
    """
    poll = select.epoll()
    under: dict[int, _Under] = {}
    answers: list[Answer] = []
    begun = time.monotonic()
    upcoming = iter(zip(starts, trials, strict=True))
    following = next(upcoming, None)
    try:
        while following is not None or under:
            now = time.monotonic() - begun
            while following is not None and following[0] <= now:
                one = _start(port, following[1])
                under[one.sock.fileno()] = one
                poll.register(one.sock, select.EPOLLIN)
                following = next(upcoming, None)
            if following is None and now > starts[-1] + _PATIENCE:
                raise TimeoutError(f"{len(under)} log-ins have no answer")
            wait = 1.0 if following is None else max(0.0, following[0] - (time.monotonic() - begun))
            events = poll.poll(wait)
            moment = time.monotonic()
            for fd, _ in events:
                answer = _advance(under[fd], moment)
                if answer is not None:
                    answers.append(answer)
                    under.pop(fd).sock.close()
    finally:
        poll.close()
        for one in under.values():
            one.sock.close()
    return answers


def _start(port: int, trial: Trial) -> _Under:
    sock = socket.socket()
    sock.bind((trial.address, 0))
    sock.connect(("127.0.0.1", port))  # loopback: the kernel answers at once
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = _lines(trial)
    return _Under(trial, sock, iter(lines), left=len(lines))


def _advance(one: _Under, moment: float) -> Answer | None:
    """Take what the server said, and say the next line; the answer, if that was the last."""
    data = b""
    with suppress(BlockingIOError):
        data = one.sock.recv(65_536)
    one.said += data
    if data and not one.said.endswith(b"\r\n"):
        return None
    if one.left and data:
        one.left -= 1
        line = next(one.lines)
        one.sent = time.monotonic()
        one.sock.sendall(line)
        return None
    return Answer(one.trial, one.sent, moment - one.sent, bytes(one.said) + (b"" if data else b"(closed)"))
