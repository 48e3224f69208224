"""What is about to be appended to an mbox, written down durably before it is, so that a crash leaves no riddle.

Rules: the intent is durable before the first octet is appended, and says where the append begins and which messages it
holds, in order; a torn intent means that nothing was appended; it is read and written only while the mbox's locks are
held. "done" is written after the mbox is durable and need not be durable itself: without it the mbox is looked at.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pillarbox.files import sync_directory, write_durably

_DONE = b"done\n"
_LARGEST = 8 << 20
"""Octets: thousands of messages in one batch; nothing of ours is larger."""


class Entry(msgspec.Struct, frozen=True):
    """One message of an append: its name, and what is needed to tell its octets again."""

    name: str
    path: str
    received: float


class Intent(msgspec.Struct, frozen=True):
    """One append. `pad` are the octets that end the last line of what was there, before the first message."""

    device: int
    inode: int
    offset: int
    pad: str
    entries: tuple[Entry, ...]
    done: bool = False


class IntentFile:
    """The file in which the last intent for one mbox stands."""

    def __init__(self, mbox: Path) -> None:
        self.path = mbox.with_name(f".{mbox.name}.pillarbox")

    def read(self) -> Intent | None:
        """The last intent, or None where there is none, or a torn one.

        Raises:
            OSError: the file cannot be read.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with open(descriptor, "rb") as file:
            line, newline, rest = file.read(_LARGEST).partition(b"\n")
        try:
            intent = msgspec.json.decode(line, type=Intent) if newline else None
        except msgspec.DecodeError:
            return None
        return msgspec.structs.replace(intent, done=True) if intent and rest == _DONE else intent

    def begin(self, device: int, inode: int, offset: int, pad: bytes, entries: Sequence[Entry]) -> None:
        """Write an intent; it is durable on return.

        Raises:
            OSError: it cannot be written; then nothing may be appended.
        """
        intent = Intent(device, inode, offset, pad.decode("ascii"), tuple(entries))
        self._write(msgspec.json.encode(intent) + b"\n")

    def settle(self, intent: Intent, names: Sequence[str]) -> None:
        """After a crash: only the messages with these names were appended whole, and all of that is over.

        Raises:
            OSError: it cannot be written.
        """
        entries = tuple(entry for entry in intent.entries if entry.name in names)
        self._write(msgspec.json.encode(msgspec.structs.replace(intent, entries=entries)) + b"\n" + _DONE)

    def finish(self) -> None:
        """Everything of the last intent is in the mbox, durably. Never raises: the mbox can always be asked."""
        with contextlib.suppress(OSError), open(self.path, "ab", buffering=0) as file:
            file.write(_DONE)

    def _write(self, data: bytes) -> None:
        new = not self.path.exists()
        write_durably(self.path, data)
        if new:
            sync_directory(self.path.parent)
