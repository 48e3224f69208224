"""Ready-made oddities for `Behaviour`: unique-ids and listings that a client must not trip over, by name.

Rules: each departs from the truth in one way; all of them were chosen because servers, or people in the middle, have
been seen to do so, or could.
"""

from __future__ import annotations

from collections.abc import Mapping

from pillarbox.testing.behaviour import Lines, UniqueIds


def _empty(number: int, unique_id: bytes, session: int) -> bytes:
    return b""


def _duplicate(number: int, unique_id: bytes, session: int) -> bytes:
    return b"the-same-for-all"


def _long(number: int, unique_id: bytes, session: int) -> bytes:
    return unique_id.ljust(200, b"x")


def _huge(number: int, unique_id: bytes, session: int) -> bytes:
    return unique_id.ljust(100_000, b"x")


def _control(number: int, unique_id: bytes, session: int) -> bytes:
    return unique_id + b"\x1b]0;owned\x07\x00\x01"


def _eight_bit(number: int, unique_id: bytes, session: int) -> bytes:
    return unique_id + b"\xc3\xa4\xff"


def _spaces(number: int, unique_id: bytes, session: int) -> bytes:
    return unique_id + b" and more"


def _path(number: int, unique_id: bytes, session: int) -> bytes:
    return b"../../" + unique_id


def _changing(number: int, unique_id: bytes, session: int) -> bytes:
    return b"s%d-%s" % (session, unique_id)


UNIQUE_IDS: Mapping[str, UniqueIds] = {
    "empty": _empty,
    "duplicate": _duplicate,
    "long": _long,  # 200 octets; RFC 1939 §7 allows 70
    "huge": _huge,  # 100,000 octets
    "control": _control,  # what a terminal would obey, and NUL
    "8-bit": _eight_bit,
    "spaces": _spaces,
    "path": _path,  # leads out of a directory when it becomes a file name
    "changing": _changing,  # other ones in every session
}
"""Odd unique-ids by name."""


def _zero(lines: list[bytes]) -> list[bytes]:
    return [b"0 " + (lines[0].partition(b" ")[2] if lines else b"1"), *lines]


def _twice(lines: list[bytes]) -> list[bytes]:
    return [*lines, *lines[:1]]


def _gap(lines: list[bytes]) -> list[bytes]:
    return [line for at, line in enumerate(lines) if at != 1]


def _beyond(lines: list[bytes]) -> list[bytes]:
    return [*lines, b"%d 120" % (len(lines) + 7)]


def _negative(lines: list[bytes]) -> list[bytes]:
    return [b"-1 120", *lines]


def _enormous(lines: list[bytes]) -> list[bytes]:
    return [*lines, b"9" * 40 + b" 120"]


def _words(lines: list[bytes]) -> list[bytes]:
    return [*lines, b"one two"]


def _bare(lines: list[bytes]) -> list[bytes]:
    return [line.partition(b" ")[0] for line in lines]


def _none(lines: list[bytes]) -> list[bytes]:
    return []


LISTINGS: Mapping[str, Lines] = {
    "zero": _zero,  # message number 0
    "twice": _twice,  # the first message comes again at the end
    "gap": _gap,  # the second message is missing
    "beyond": _beyond,  # a number that STAT did not count
    "negative": _negative,
    "enormous": _enormous,  # a number of 40 digits
    "words": _words,  # a line without numbers
    "bare": _bare,  # numbers without anything behind them
    "none": _none,  # no line at all
}
"""Odd listings, for LIST and UIDL, by name."""
