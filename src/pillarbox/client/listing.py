"""What a maildrop holds, by LIST and UIDL: read, judged, and made into entries.

Rules: a message number counts only as LIST has it; a line that makes no sense costs that line and no more, a unique-id
that cannot tell a message from others costs that message its unique-id; what is doubtful is said in fixed words.
Nothing is allocated by what STAT claims.
Serves RFC 1939 §5 (STAT, LIST) and §7 (UIDL).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from pillarbox.client.values import Entry, Stat

UNIQUE_ID = 255
"""Octets of a unique-id that is believed: RFC 1939 §7 has 70, some servers have more, none needs a line's length."""

LIST_LINE = 40
UIDL_LINE = 100
"""Octets a line of LIST and of UIDL has on average at most: a number, and a size or a unique-id of 70 octets."""

_DIGITS = rb"0*[1-9][0-9]{0,9}"
_LIST = re.compile(rb" *(%s)[ \t]+0*([0-9]{1,15})(?:[ \t].*)?\Z" % _DIGITS, re.DOTALL)
_UIDL = re.compile(rb" *(%s)[ \t]+(.*)\Z" % _DIGITS, re.DOTALL)
_STAT = re.compile(r"0*([0-9]{1,10})[ \t]+0*([0-9]{1,18})(?:[ \t].*)?\Z", re.DOTALL)
_USABLE = re.compile(rb"[^\x00-\x20\x7f]{1,%d}\Z" % UNIQUE_ID)


class Listing(NamedTuple):
    """What was made of STAT, LIST and UIDL.

    Attributes:
        doubts: what was wrong with them, in fixed words; empty for an honest server.
        unique_ids: the server gives unique-ids at all.
    """

    entries: tuple[Entry, ...]
    doubts: tuple[str, ...]
    unique_ids: bool


def stat(text: str) -> Stat | None:
    """What the reply to STAT says, or None when it is none."""
    found = _STAT.match(text)
    return Stat(int(found[1]), int(found[2])) if found is not None else None


def judge(claimed: Stat, sizes: Iterable[bytes], unique_ids: Iterable[bytes] | None) -> Listing:
    """The entries, in the order of their numbers.

    Args:
        claimed: by STAT.
        sizes: the lines of LIST.
        unique_ids: the lines of UIDL; None when it was refused.
    """
    doubts: dict[str, None] = {}
    listed = _sizes(sizes, doubts)
    ids = {} if unique_ids is None else _unique_ids(unique_ids, doubts)
    if len(listed) != claimed.messages:
        doubts["LIST has another number of messages than STAT"] = None
    elif sum(listed.values()) != claimed.octets:
        doubts["LIST has other sizes than STAT"] = None
    numbers = sorted(listed)
    if numbers and numbers[-1] != len(numbers):
        doubts["LIST leaves numbers out"] = None
    if unique_ids is not None:
        if ids.keys() - listed.keys():
            doubts["UIDL has messages that LIST has not"] = None
        if listed.keys() - ids.keys():
            doubts["UIDL leaves messages out"] = None
    times = Counter(ids.get(number, b"") for number in numbers)
    entries = []
    for number in numbers:
        given = ids.get(number, b"")
        usable = given
        if given and times[given] > 1:
            doubts["two messages have one unique-id"] = None
            usable = b""
        elif number in ids and _USABLE.match(given) is None:
            doubts["a unique-id is empty, too long or has odd octets"] = None
            usable = b""
        entries.append(Entry(number, listed[number], usable, given[:UNIQUE_ID]))
    return Listing(tuple(entries), tuple(doubts), unique_ids is not None)


def _sizes(lines: Iterable[bytes], doubts: dict[str, None]) -> dict[int, int]:
    listed: dict[int, int] = {}
    for line in lines:
        found = _LIST.match(line)
        if found is None:
            doubts["a line of LIST is not a number and a size"] = None
            continue
        number, size = int(found[1]), int(found[2])
        if number in listed:
            doubts["LIST has a number twice"] = None
            size = max(size, listed[number])
        listed[number] = size
    return listed


def _unique_ids(lines: Iterable[bytes], doubts: dict[str, None]) -> dict[int, bytes]:
    ids: dict[int, bytes] = {}
    for line in lines:
        found = _UIDL.match(line)
        if found is None:
            doubts["a line of UIDL is not a number and a unique-id"] = None
            continue
        # Spaces at the end are no part of it; some servers send them.
        number, unique_id = int(found[1]), found[2].rstrip(b" \t")
        if number in ids and ids[number] != unique_id:
            doubts["UIDL has a number twice"] = None
            unique_id = b""
        ids[number] = unique_id
    return ids
