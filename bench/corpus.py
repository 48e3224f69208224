"""The mail of the benchmark: seeded messages, maildrops of them, and deliveries.

Every maildrop holds the same multiset of sizes (the quantiles of a log-normal distribution, as mail has it: many
small, few large) in an order of its own. So every session moves the same number of octets, and a server that is
slower, and gets fewer users done in a slice, is not measured on other work than a faster one.

Messages are stored with bare LF, as Postfix delivers them into a Maildir.
"""

from __future__ import annotations

import base64
import math
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

__all__ = [
    "MEAN_OCTETS",
    "SEED",
    "Owner",
    "Writer",
    "deliver",
    "fill_large",
    "fill_small",
    "maildrop_sizes",
    "make_maildrop",
    "user_name",
]

SEED = 1939
"""Of everything that is made by chance."""

MEAN_OCTETS = 26_200  # 100 maildrops of 50 messages are 131 MB
_SIGMA = 1.5  # of the logarithm of the size
_SMALLEST = 600
_DOMAIN = "example.com"
_EPOCH = 1_750_000_000  # the deliveries' time in file names: fixed, so that the corpus is the same every time
_WORDS = """
the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one you
were her all she there would their we him been has when who will more no if out so said what up its about into than
them can only other new some could time these two may then do first any my now such like our over man me even most made
after also did many before must through years where much your way well down should
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """The user and group the files of a maildrop belong to."""

    user: int
    group: int

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Create files as this owner while the block runs; does nothing when we are that user already."""
        before = os.geteuid(), os.getegid()
        if before == (self.user, self.group):
            yield
            return
        os.setegid(self.group)
        os.seteuid(self.user)
        try:
            yield
        finally:
            os.seteuid(before[0])
            os.setegid(before[1])


def user_name(number: int, prefix: str = "u") -> str:
    """The login name of a user, as popload makes it."""
    return f"{prefix}{number}@{_DOMAIN}"


def maildrop_sizes(count: int) -> list[int]:
    """The sizes of a maildrop's messages in octets, smallest first: log-normal quantiles with mean MEAN_OCTETS."""
    normal = NormalDist()
    shape = [math.exp(_SIGMA * normal.inv_cdf((index + 0.5) / count)) for index in range(count)]
    scale = MEAN_OCTETS * count / sum(shape)
    return [max(_SMALLEST, round(scale * part)) for part in shape]


class Writer:
    """Makes messages from a seed: the same seed and the same calls give the same octets."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._words = _WORDS.split()
        lines = [self._text_line() for _ in range(4000)]
        self._text = "".join(lines).encode()
        self._base64 = base64.encodebytes(self._random.randbytes(1 << 20))

    def message(self, number: int, octets: int) -> bytes:
        """A message of exactly `octets` octets with LF line ends; from 40,000 octets on mostly an attachment."""
        head = (
            f"Return-Path: <sender{number % 97}@example.org>\n"
            f"Received: from mx.example.org (mx.example.org [192.0.2.{number % 250 + 1}])\n"
            f"\tby mail.example.com (Postfix) with ESMTPS id {number:010X}\n"
            f"\tfor <reader@example.com>; Sun, 15 Jun 2025 12:00:00 +0000 (UTC)\n"
            f"From: Sender {number % 97} <sender{number % 97}@example.org>\n"
            f"To: <reader@example.com>\nSubject: Message {number} of the benchmark\n"
            f"Date: Sun, 15 Jun 2025 12:00:00 +0000\nMessage-ID: <{number}.bench@example.org>\n\n"
        ).encode()
        pool = self._base64 if octets >= 40_000 else self._text
        start = pool.index(b"\n", self._random.randrange(len(pool) // 2)) + 1
        body = pool[start:] + pool * (octets // len(pool) + 1)
        return head + body[: octets - len(head) - 1] + b"\n"

    def order(self, sizes: list[int]) -> list[int]:
        """The same sizes in another order."""
        return self._random.sample(sizes, len(sizes))

    def _text_line(self) -> str:
        words, width = [], self._random.randint(40, 72)
        while width > 0:
            words.append(self._random.choice(self._words))
            width -= len(words[-1]) + 1
        dot = "." if self._random.random() < 0.002 else ""  # a line the server must stuff
        return f"{dot}{' '.join(words)}\n"


def fill_small(mail: Path, owner: Owner, users: int, messages: int) -> int:
    """Write the maildrops of users 0 to `users` - 1, all their messages in new/. Returns the octets written."""
    writer, sizes, total = Writer(SEED), maildrop_sizes(messages), 0
    with owner.acting():
        for user in range(users):
            maildrop = make_maildrop(mail / user_name(user))
            for index, octets in enumerate(writer.order(sizes)):
                number = user * messages + index
                total += octets
                (maildrop / "new" / _file_name(number)).write_bytes(writer.message(number, octets))
    return total


def fill_large(maildrop: Path, owner: Owner, messages: int, hinted: bool) -> None:
    """Write a maildrop of many tiny messages that were seen before (cur/), with ,S=,W= in their names if `hinted`."""
    text = b"Subject: tiny\n\nA line.\n"
    hint = f",S={len(text)},W={len(text) + text.count(10)}" if hinted else ""
    with owner.acting():
        directory = os.fspath(make_maildrop(maildrop) / "cur")
        for number in range(messages):
            path = f"{directory}/{_file_name(number)}{hint}:2,S"
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(file, text)
            os.close(file)


def deliver(maildrop: Path, owner: Owner, number: int) -> None:
    """Deliver one message the way the Maildir format asks: written under tmp/, then renamed into new/."""
    name = _file_name(10_000_000 + number)
    with owner.acting():
        waiting = maildrop / "tmp" / name
        waiting.write_bytes(b"Subject: one more\n\nJust arrived.\n")
        waiting.rename(maildrop / "new" / name)


def make_maildrop(maildrop: Path) -> Path:
    """Make an empty Maildir; returns its path."""
    for part in ("new", "cur", "tmp"):
        (maildrop / part).mkdir(mode=0o700, parents=True)
    return maildrop


def _file_name(number: int) -> str:
    """A name as Postfix gives: seconds, device and inode, microseconds, host."""
    return f"{_EPOCH + number}.Vfe01I{number:x}M{number * 7919 % 1_000_000}.mail"
