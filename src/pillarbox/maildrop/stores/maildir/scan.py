"""From the directories of a Maildir to its index: what came, what went, and the facts of what is new.

Rules: a message is known by its base name, so that flags and the move from `new` to `cur` change nothing. A new file is
read once. Only where very many are new is one that says its sizes in its name (`,S=` and `,W=`, as Dovecot writes them)
not opened: the name may be wrong, for Dovecot does not count a missing last line ending (P4). What cannot be offered
safely is hidden and reported, never an error for the rest. `tmp` is never looked at.

A `Scan` works in steps, so that its caller can do them on the loop or in a thread and others get their turn between.
"""

from __future__ import annotations

import errno
import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import compress

from pillarbox.maildrop.maildrop import Facts, Shape
from pillarbox.maildrop.stores.maildir.directory import (
    CUR,
    DIRECTORIES,
    NEW,
    UNTRUSTED,
    Stamp,
    base_name,
    content_version,
    delivery_order,
    names_in,
    open_directory,
    open_file,
    settled,
    unavailable,
)
from pillarbox.maildrop.stores.maildir.index import Index, Rows
from pillarbox.maildrop.wire_form import examine

READ_SIZE = 256 * 1024
"""Octets of a message that are read at a time."""

UniqueIdRule = Callable[[str], bytes | None]
"""Gives the unique-id for a base name, or None while it has none that is safe (P30)."""

# At most a terabyte: the sum of the largest maildrop still fits its column.
_SIZE = re.compile(r",S=([0-9]{1,12})(?=[,:]|\Z)")
_OCTETS = re.compile(r",W=([0-9]{1,12})(?=[,:]|\Z)")
_SWAPPED = bytes((1, 0))
# The machine ran out of something: no fault of the file, and no reason to hide it.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EINTR}

_Place = tuple[int, str]  # directory and file name


class Scan:
    """One look at a Maildir. Call `look`, then `read` while `pending` is not 0, then `result`."""

    def __init__(
        self, root: int, old: Index | None, stamps: tuple[Stamp, Stamp], rule: UniqueIdRule, hints_from: int = 0
    ) -> None:
        """Prepare a scan.

        Args:
            root: descriptor of the Maildir.
            old: what was known before.
            stamps: of `new` and `cur` now; a directory whose stamp is in `old` is not listed again.
            rule: gives unique-ids to new messages.
            hints_from: sizes in file names are believed when more messages than this are new.
        """
        self.hidden: list[tuple[str, str]] = []
        """File names that are not offered, and why."""
        self.changed = True
        """Whether the result differs from what was known before."""
        self._root = root
        self._old = old
        self._stamps = list(stamps)
        self._rule = rule
        self._hints_from = hints_from
        self._rows = Rows() if old is None else old.rows()
        self._unread: list[tuple[_Place, bytes]] = []
        self._renamed = False
        self._again = False  # something hidden now may be readable next time

    @property
    def pending(self) -> int:
        """How many files have to be read."""
        return len(self._unread)

    def look(self) -> None:
        """List what changed, and take over all that needs no reading.

        Raises:
            MaildropUnavailable: a directory cannot be read.
        """
        added, gone = self._compare()
        gone, added = self._follow_renames(gone, added)
        self.changed = self._old is None or bool(added or gone or self._renamed)
        self._rows.remove(gone)
        known: list[tuple[str, int, Facts, bytes]] = []
        trusting = len(added) > self._hints_from
        for place in self._without_doubles(added):
            unique_id = self._rule(base_name(place[1]))
            if unique_id is None:
                self.hidden.append((place[1], "their unique-ids cannot be stored"))
                self._again = True
            elif trusting and (facts := hinted(place[1])):
                known.append((place[1], place[0], facts, unique_id))
            else:
                self._unread.append((place, unique_id))
        self._merge(known)

    def read(self, most: int) -> None:
        """Read up to `most` of the pending files.

        Raises:
            MaildropUnavailable: the machine is out of descriptors or memory.
        """
        batch, self._unread = self._unread[:most], self._unread[most:]
        directories = {number: open_directory(self._root, number) for number in (NEW, CUR)}
        known: list[tuple[str, int, Facts, bytes]] = []
        try:
            for (number, name), unique_id in batch:
                directory = directories[number]
                facts = None if directory is None else self._facts(directory, name)
                if facts is not None:
                    known.append((name, number, facts, unique_id))
        finally:
            for directory in directories.values():
                if directory is not None:
                    os.close(directory)
        self._merge(known)

    def result(self, started: float) -> Index:
        """The index so far. While files are pending, or some may be readable later, the next opening looks again.

        Args:
            started: when the scan began, UTC seconds.
        """
        stamps = [settled(stamp, started) for stamp in self._stamps]
        if self._unread or self._again:
            stamps = [(UNTRUSTED, *stamp[1:]) for stamp in stamps]
        self._rows.stamps = (stamps[NEW], stamps[CUR])
        return Index(self._rows.encode())

    def _compare(self) -> tuple[list[_Place], list[int]]:
        """New places and the positions of known ones that are no longer there."""
        rows = self._rows
        added: list[_Place] = []
        gone: list[int] = []
        for number in (NEW, CUR):
            if self._old is not None and self._old.stamps[number] == self._stamps[number]:
                continue
            names, self._stamps[number] = names_in(self._root, number)
            here = rows.directories if number == CUR else rows.directories.translate(_SWAPPED.ljust(256, b"\0"))
            # Of two sets: half the time of a set and a list, which matters for 100,000 names.
            before, present = set(compress(rows.names, here)), set(names)
            fresh = present - before
            if len(present) - len(fresh) != len(before):
                vanished = before - present
                gone += [at for at, name in enumerate(rows.names) if name in vanished and here[at]]
            added += [(number, name) for name in fresh if not name.startswith(".")]
        return added, gone

    def _follow_renames(self, gone: list[int], added: list[_Place]) -> tuple[list[int], list[_Place]]:
        """Give messages that got other flags, or moved to `cur`, their new place."""
        if not gone or not added:
            return gone, added
        by_base = {base_name(self._rows.names[at]): at for at in gone}
        rest: list[_Place] = []
        for number, name in added:
            at = by_base.pop(base_name(name), None)
            if at is None:
                rest.append((number, name))
            else:
                self._rows.names[at] = name
                self._rows.directories[at] = number
                self._renamed = True
        return list(by_base.values()), rest

    def _without_doubles(self, added: list[_Place]) -> Iterator[_Place]:
        """The new places, one for each base name. Two names of one file are one message that is being moved."""
        chosen: dict[str, _Place] = {}
        for place in sorted(added, reverse=True):  # `cur` first: it is where a message stays
            base = base_name(place[1])
            other = chosen.get(base) or self._known_place(base)
            if other is None:
                chosen[base] = place
            elif not self._same_file(place, other):
                self.hidden.append((place[1], "another file has the same base name"))
        return iter(chosen.values())

    def _known_place(self, base: str) -> _Place | None:
        names = self._rows.names
        at = bisect_left(names, delivery_order(base), key=delivery_order)
        if at < len(names) and base_name(names[at]) == base:
            return self._rows.directories[at], names[at]
        return None

    def _same_file(self, one: _Place, other: _Place) -> bool:
        try:
            first, second = (
                os.stat(f"{DIRECTORIES[number]}/{name}", dir_fd=self._root, follow_symlinks=False)
                for number, name in (one, other)
            )
        except OSError:
            return True  # one of them is gone already
        return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)

    def _facts(self, directory: int, name: str) -> Facts | None:
        try:
            descriptor, status = open_file(directory, name)
            try:
                return examine(chunks(descriptor))._replace(version=content_version(status))
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return None  # fetched or moved while we looked: no loss, and nothing to report
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise unavailable(error, "reading the messages") from error
            if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link, a directory, a pipe, a socket
                self.hidden.append((name, "not regular files"))
            else:
                self.hidden.append((name, f"unreadable: {os.strerror(error.errno or 0)}"))
                self._again = True
            return None

    def _merge(self, known: list[tuple[str, int, Facts, bytes]]) -> None:
        known.sort(key=lambda row: delivery_order(row[0]))
        names = self._rows.names
        at = [bisect_left(names, delivery_order(row[0]), key=delivery_order) for row in known] if names else []
        self._rows.insert(at or [0] * len(known), known)

    def mark_imported(self) -> None:
        """Remember that another server's unique-ids were looked for."""
        self._rows.imported = True


def hinted(name: str) -> Facts | None:
    """What a file name says of its message: `,S=` octets as stored, `,W=` octets in CRLF form."""
    size, octets = _SIZE.search(name), _OCTETS.search(name)
    if size is None or octets is None:
        return None
    return Facts(int(size[1]), int(octets[1]), 0, int(octets[1]), Shape(0))


def chunks(descriptor: int) -> Iterator[bytes]:
    """The octets of an open file from where it stands."""
    while chunk := os.read(descriptor, READ_SIZE):
        yield chunk
