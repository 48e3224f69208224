"""Unique-ids of the server a Maildir was served by before, so that no client downloads everything again (P29).

Rules: read once, never written; a line that cannot be understood is left out, and its message gets an id of our own.
Two messages never get the same id. What is found is kept by `unique_ids`.

Formats: Dovecot's `dovecot-uidlist` (versions 1 and 3) with its `pop3_uidl_format`, and Courier's
`courierpop3dsizelist` (versions 1 to 3).
"""

from __future__ import annotations

import enum
import errno
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.maildrop.stores.maildir.unique_ids import is_allowed

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LIST_LIMIT = 256 << 20  # octets: more than a million messages
_COURIER_SPECIAL = b"'\"+"
_VARIABLE = re.compile(r"%(?:([1-9][0-9]*)\.)?(0?)([0-9]*)([A-Z]*)([a-z%])")


class Source(enum.Enum):
    """Whose unique-ids to take over. The value is what a configuration says."""

    DOVECOT = "dovecot"
    COURIER = "courier"

    @property
    def file(self) -> str:
        """The list's name in the Maildir."""
        return "dovecot-uidlist" if self is Source.DOVECOT else "courierpop3dsizelist"


@dataclass(frozen=True, slots=True)
class _Entry:
    """What Dovecot knows of one message."""

    uid: int
    validity: int
    base: bytes
    guid: bytes


def read_list(root: int, source: Source, dovecot_format: str) -> dict[bytes, bytes]:
    """The unique-ids of another server by base name; empty when it left no list.

    Args:
        root: descriptor of the Maildir.
        source: whose list.
        dovecot_format: Dovecot's `pop3_uidl_format`, for messages whose unique-id it did not store.

    Raises:
        OSError: the list is there and cannot be read.
    """
    try:
        descriptor = os.open(source.file, _READ_FLAGS, dir_fd=root)
    except FileNotFoundError:
        return {}
    with open(descriptor, "rb") as file:
        if os.fstat(descriptor).st_size > _LIST_LIMIT:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        lines = file.read().splitlines()
    found = _dovecot(lines, dovecot_format) if source is Source.DOVECOT else _courier(lines)
    ids: dict[bytes, bytes] = {}
    taken: set[bytes] = set()
    for base, unique_id in found:
        if base and b"\0" not in base and is_allowed(unique_id) and unique_id not in taken and base not in ids:
            ids[base] = unique_id
            taken.add(unique_id)
    return ids


def check_dovecot_format(text: str) -> None:
    """Check a `pop3_uidl_format`.

    Raises:
        ValueError: it has a variable or a modifier that is not known here; the text says which.
    """
    _expand(text, _Entry(1, 1, b"name", b"guid"))


def _dovecot(lines: list[bytes], form: str) -> Iterator[tuple[bytes, bytes]]:
    """Base names and unique-ids from a `dovecot-uidlist`."""
    head = lines[0].split() if lines else []
    if len(head) > 1 and head[0] == b"1" and head[1].isdigit():  # 1 <validity> <next uid>
        validity = int(head[1])
    elif head and head[0] == b"3":  # 3 V<validity> N<next uid> G<guid>, in any order
        values = [part[1:] for part in head[1:] if part[:1] == b"V" and part[1:].isdigit()]
        if not values:
            return
        validity = int(values[0])
    else:
        return
    for line in lines[1:]:
        number, _, rest = line.partition(b" ")
        if not number.isdigit():
            continue
        fields: dict[bytes, bytes] = {}
        if head[0] == b"3":  # <uid> [<key><value> ...] :<file name>
            extensions, colon, name = (b" " + rest).partition(b" :")
            if not colon:
                continue
            fields = {part[:1]: part[1:] for part in extensions.split()}
        else:
            name = rest
        base = name.partition(b":2,")[0]
        entry = _Entry(int(number), validity, base, fields.get(b"G", base))
        stored = fields.get(b"P")
        if stored is not None:
            # An empty one is Dovecot's short form for "the base name".
            yield base, stored or base
        else:
            yield base, _expand(form, entry)


def _expand(form: str, entry: _Entry) -> bytes:
    """A `pop3_uidl_format` for one message.

    Raises:
        ValueError: an unknown variable or modifier.
    """
    text = ""
    at = 0
    while at < len(form):
        if form[at] != "%":
            text += form[at]
            at += 1
            continue
        match = _VARIABLE.match(form, at)
        if match is None:
            raise ValueError(f"not a variable of pop3_uidl_format: {form[at : at + 3]!r}")
        text += _value(entry, *match.groups())
        at = match.end()
    return os.fsencode(text)


def _value(entry: _Entry, offset: str | None, zero: str, width: str, modifiers: str, key: str) -> str:
    """One variable with its modifiers: `%08Xu` is the UID in hexadecimal, filled with zeros to 8 places."""
    values = {
        "%": "%",
        "u": str(entry.uid),
        "v": str(entry.validity),
        "f": os.fsdecode(entry.base),
        "g": os.fsdecode(entry.guid),
    }
    if key not in values:
        raise ValueError(f"not a variable of pop3_uidl_format that a Maildir can answer: %{key}")
    text = values[key]
    for modifier in modifiers:
        if modifier == "X":
            text = f"{int(text):x}" if text.isdigit() else "0"
        elif modifier == "L":
            text = text.lower()
        elif modifier == "U":
            text = text.upper()
        elif modifier == "R":
            text = text[::-1]
        elif modifier == "M":
            text = hashlib.md5(os.fsencode(text), usedforsecurity=False).hexdigest()
        else:
            raise ValueError(f"not a modifier of pop3_uidl_format that is known here: {modifier}")
    text = text[int(offset or 0) :]
    if zero:
        return text.zfill(int(width or 0))
    return text[: int(width)] if width else text


def _courier(lines: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Base names and unique-ids from a `courierpop3dsizelist`: `/<version> <next uid> [<validity>]`, then lines."""
    head = lines[0].split() if lines else []
    if not head or head[0] not in {b"/1", b"/2", b"/3"}:
        return
    for line in lines[1:]:
        fields = line.rsplit(b" ", 2)  # <file name> <octets> <uid>[:<validity>[:<utf8>]]
        if len(fields) != 3 or not fields[1].isdigit():
            continue
        base = fields[0].partition(b":2,")[0]
        numbers = fields[2].split(b":")
        if not all(number.isdigit() for number in numbers):
            continue
        uid = int(numbers[0])
        validity = int(numbers[1]) if len(numbers) > 1 else 0
        if uid == 0:  # Courier then shows the name itself, with what it finds dangerous escaped
            yield base, b"".join(_courier_octet(octet) for octet in base)
        elif validity:
            yield base, b"UID%d-%d" % (uid, validity)
        else:
            yield base, b"UID%d" % uid


def _courier_octet(octet: int) -> bytes:
    if octet < 0x21 or octet > 0x7E or octet in _COURIER_SPECIAL:
        return b"+%02X" % octet
    return bytes((octet,))
