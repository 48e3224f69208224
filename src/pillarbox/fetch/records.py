"""What the journal knows about one message: the states it passes, and the plain values that describe it.

Rules: a message's `key` is its unique-id; a message that has no usable one is known by what it holds (`content_key`),
and the n-th of several messages that hold the same has a key of its own, so that none of them is lost.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from pillarbox.fetch.destination import LineEnds

_CONTENT = b"\0content:"
"""Begins the key of a message without a usable unique-id; a unique-id holds no NUL (RFC 1939 §7)."""

_VOLATILE = (b"status:", b"x-status:", b"x-keywords:", b"x-uid:", b"x-uidl:", b"x-imap:", b"x-imapbase:")
"""Header fields in which servers note what was read, so that the same message looks different later."""


class State(enum.IntEnum):
    """How far a message has come. The numbers are stored; they never change their meaning."""

    SEEN = 1  # listed by the server; to be fetched
    STAGED = 2  # whole and on disk; whether the destination has it must be asked after a crash
    DELIVERED = 3  # durable in its destination; still on the server, for ever or until `delete_at`
    PENDING = 4  # … and DELE may have been sent; no QUIT was confirmed
    GONE = 5  # no longer on the server; remembered for some time, should it come back
    SKIPPED = 6  # stays on the server unfetched: a filter, its size, or the caller wants it so
    QUARANTINED = 7  # tried often enough; stays on the server until a person looks at it


class Why(enum.IntEnum):
    """Why a message was skipped. Stored."""

    NOTHING = 0
    SIZE = 1  # asked anew each time: the limit may have been raised
    FILTER = 2
    CALLER = 3
    SHORT = 4  # delivered, but shorter than the server says it is: not deleted


class Known(NamedTuple):
    """The part of a record that plans are made of. `delete_at` is UTC seconds, None for never."""

    state: State
    size: int
    tries: int
    failures: int
    delete_at: float | None
    why: Why
    delivered: bool
    sha256: bytes | None
    headers: bytes | None


@dataclass(frozen=True, slots=True)
class Content:
    """What was received of a message: octets on the wire, their hash, and the `header_hash`."""

    octets: int
    sha256: bytes
    headers: bytes


@dataclass(frozen=True, slots=True)
class Intent:
    """A message that was staged and may or may not be in its destination: what is left to do after a crash.

    `file` is its name in the staging directory; `stored` octets are in it.
    """

    key: bytes
    content: Content
    file: str
    stored: int
    line_ends: LineEnds
    received: float
    why: Why


def content_key(sha256: bytes, nth: int) -> bytes:
    """The key of the `nth` (from 0) message of a maildrop that holds these octets and has no usable unique-id."""
    return _CONTENT + sha256 + nth.to_bytes(4, "big")


def is_content_key(key: bytes) -> bool:
    """Whether a key was made by `content_key`."""
    return key.startswith(_CONTENT)


def header_hash(header: bytes) -> bytes:
    """Tells the header of one message from that of another, also when another server has it.

    `header` may go on into the body. Line ends, the empty line and fields that servers change do not count.
    """
    # Cut first, so that of a whole message only its header is worked on.
    cut = header.find(b"\r\n\r\n")
    lines = (header if cut < 0 else header[: cut + 4]).replace(b"\r\n", b"\n")
    end = 0 if lines.startswith(b"\n") else lines.find(b"\n\n")
    lines = (lines if end < 0 else lines[:end]).rstrip(b"\n")
    lowered = lines.lower()
    if any(field in lowered for field in _VOLATILE):
        lines = b"\n".join(line for line in lines.split(b"\n") if not line.lower().startswith(_VOLATILE))
    return hashlib.sha256(lines).digest()
