"""The UPDATE state on a Maildir: removes messages so that a crash at any moment leaves all or nothing undone.

Rules: what is to be removed is first written to an intent file and made durable; from then on the removal will happen,
if need be at the next opening. Then the files are unlinked, `new` and `cur` are made durable, and the intent is
removed. Messages are found by base name, because flags may change at any time. One that is gone already counts as
removed. Nothing is ever removed that was not marked in a session that ended with QUIT.

On a full disk there is no room for an intent, and where only `new` and `cur` may be written to there is no place for
it. The files are then unlinked without one: QUIT was sent, each unlink is final by itself, and a crash between two of
them only leaves messages that are offered again.

Serves RFC 1939 §6.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pillarbox.maildrop.errors import MaildropUnavailable, ReadOnly
from pillarbox.maildrop.stores.maildir.directory import (
    CUR,
    INTENT_FILE,
    NEW,
    base_name,
    locate,
    open_directory,
    unavailable,
)

Step = Callable[[str], None]
"""Is told each step as it is done, so that a test can stop the world there."""

_MAGIC = b"pillarbox-intent 1"
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_INTENT = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_NO_SYNC = {errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP}


@dataclass(slots=True)
class Outcome:
    """How an UPDATE ended: messages that are gone, messages that are not, and why the last of those is not."""

    removed: int = 0
    failed: int = 0
    error: int = 0


def no_step(done: str) -> None:
    """Take no notice."""


def remove(root: int, victims: Sequence[tuple[int, str]], session: str, step: Step = no_step) -> Outcome:
    """Remove messages, given by directory and file name as they were last seen.

    Raises:
        ReadOnly: nothing can be changed here; nothing was removed.
        MaildropUnavailable: nothing was removed.
    """
    intent = _write_intent(root, [base_name(name) for _, name in victims], session, step)
    outcome = _unlink_all(root, victims, step)
    step("unlinked")
    if intent:
        _remove_intent(root)
    step("finished")
    if outcome.failed and not outcome.removed:
        if outcome.error in _FORBIDDEN:
            raise ReadOnly(os.strerror(outcome.error))
        raise unavailable(OSError(outcome.error, ""), "removing messages")
    return outcome


def resume(root: int) -> int | None:
    """Carry through an UPDATE that a crash cut short. How many messages it removed; None when there was none.

    Raises:
        MaildropUnavailable: the intent, or a directory, cannot be read.
    """
    try:
        with open(os.open(INTENT_FILE, _READ_FLAGS, dir_fd=root), "rb") as file:
            status = os.fstat(file.fileno())
            # One that this server did not write is none.
            ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
            raw = file.read() if ours else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unavailable(error, INTENT_FILE) from error
    removed = 0
    if (bases := _decode(raw)) is not None:
        places = locate(root, bases)
        victims = [found[0] for found in places.values() if _is_one_file(root, found)]
        outcome = _unlink_all(root, victims, no_step)
        removed = outcome.removed
        if outcome.failed:
            return removed  # the intent stays: what QUIT was told to remove is removed when it can be
    _remove_intent(root)
    return removed


def mark_seen(root: int, places: Sequence[tuple[int, str]]) -> None:
    """Give messages the flag S and move them to `cur`, as far as that works. Never replaces another file."""
    new, cur = open_directory(root, NEW), open_directory(root, CUR)
    try:
        for number, name in places:
            source = cur if number == CUR else new
            base, _, flags = name.partition(":2,")
            seen = f"{base}:2,{''.join(sorted({*flags, 'S'}))}"
            if source is None or cur is None or (number == CUR and seen == name):
                continue
            try:
                # A rename would replace a file of that name without a word; a link refuses.
                os.link(name, seen, src_dir_fd=source, dst_dir_fd=cur, follow_symlinks=False)
                os.unlink(name, dir_fd=source)
            except OSError:
                continue
    finally:
        for descriptor in (new, cur):
            if descriptor is not None:
                os.close(descriptor)


def _write_intent(root: int, bases: list[str], session: str, step: Step) -> bool:
    """Make the intent durable. False when there is no room or no place for it."""
    body = os.fsencode("\0".join(bases))
    raw = b"%b %d %08x %b\n%b" % (_MAGIC, len(body), zlib.crc32(body), session.encode("ascii", "replace"), body)
    _remove_intent(root)  # nothing that lies there is ours: the opening has carried it through
    try:
        with open(os.open(INTENT_FILE, _WRITE_FLAGS, 0o600, dir_fd=root), "wb", buffering=0) as file:
            step("created")
            written = 0
            while written < len(raw):
                written += file.write(memoryview(raw)[written:]) or 0
            step("written")
            os.fsync(file.fileno())
        _sync(root)
        step("intended")
    except OSError as error:
        _remove_intent(root)
        if error.errno in _NO_INTENT:
            return False
        if error.errno == errno.EROFS:
            raise ReadOnly(os.strerror(error.errno)) from error
        raise unavailable(error, INTENT_FILE) from error
    return True


def _decode(raw: bytes) -> list[str] | None:
    """The base names of an intent; None for one that was not written to its end, which never took effect."""
    head, _, body = raw.partition(b"\n")
    fields = head.split(b" ")
    whole = [*_MAGIC.split(b" "), b"%d" % len(body), b"%08x" % zlib.crc32(body)]
    if fields[:4] != whole or b"/" in body:
        return None
    return os.fsdecode(body).split("\0")


def _remove_intent(root: int) -> None:
    try:
        os.unlink(INTENT_FILE, dir_fd=root)
    except OSError:
        pass  # it is replayed: every message in it was marked in a session that ended with QUIT


def _unlink_all(root: int, victims: Sequence[tuple[int, str]], step: Step) -> Outcome:
    """Unlink messages wherever they are now, and make that durable."""
    outcome = Outcome()
    directories = {number: open_directory(root, number) for number in (NEW, CUR)}
    try:
        elsewhere: list[str] = []
        for number, name in victims:
            directory = directories[number]
            try:
                if directory is None:
                    raise FileNotFoundError
                links = os.stat(name, dir_fd=directory, follow_symlinks=False).st_nlink
                if links > 1:  # it may have a second name here, from a move that is not complete
                    elsewhere.append(base_name(name))
                    continue
                os.unlink(name, dir_fd=directory)
                outcome.removed += 1
                step("unlink")
            except FileNotFoundError:
                elsewhere.append(base_name(name))
            except OSError as error:
                outcome.failed += 1
                outcome.error = error.errno or errno.EIO
        if elsewhere:
            _unlink_elsewhere(root, elsewhere, directories, outcome)
        for directory in directories.values():
            if directory is not None:
                _sync(directory)
    except (OSError, MaildropUnavailable) as error:
        # Not known to be durable: then it is not done, whatever the directory shows now.
        outcome.failed += max(1, len(victims) - outcome.removed - outcome.failed)
        outcome.error = (error.errno if isinstance(error, OSError) else 0) or errno.EIO
    finally:
        for directory in directories.values():
            if directory is not None:
                os.close(directory)
    return outcome


def _unlink_elsewhere(root: int, bases: list[str], directories: dict[int, int | None], outcome: Outcome) -> None:
    """Unlink messages that got another name meanwhile, or that have two."""
    places = locate(root, bases)
    for base in bases:
        found = places.get(base, [])
        try:
            if not _is_one_file(root, found):
                raise OSError(errno.EEXIST, "two messages of one name")
            for number, name in found:
                directory = directories[number]
                if directory is not None:
                    os.unlink(name, dir_fd=directory)
            outcome.removed += 1
        except FileNotFoundError:
            outcome.removed += 1
        except OSError as error:
            outcome.failed += 1
            outcome.error = error.errno or errno.EIO


def _is_one_file(root: int, places: Sequence[tuple[int, str]]) -> bool:
    """Whether all these names are of one file. Of two files with one base name, only one was marked."""
    if len(places) < 2:
        return True
    inodes = set()
    for number, name in places:
        directory = open_directory(root, number)
        if directory is None:
            continue
        try:
            inodes.add(os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino)
        except FileNotFoundError:
            continue
        finally:
            os.close(directory)
    return len(inodes) < 2


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:  # file systems that cannot sync a directory keep it in order by themselves
            raise
