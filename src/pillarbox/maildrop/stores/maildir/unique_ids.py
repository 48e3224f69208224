"""Which unique-id a message has, for good (P26-P30).

Rules: it is the base name of its file: 1-70 octets of 0x21-0x7E, the same after every flag change and every move from
`new` to `cur`, and never used twice by a delivering program. A name that RFC 1939 does not allow gets a digest of
itself, in a form no file name can have. Ids of another server that were taken over once are kept in a file that is no
cache: without them clients would download everything again, so it is written durably, and when it is damaged the
maildrop is not opened rather than opened with other ids. Reading other servers' lists is in `imports`.

Serves RFC 1939 §7 (UIDL).
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Mapping

from pillarbox.maildrop.errors import MaildropUnavailable
from pillarbox.maildrop.stores.maildir.directory import UNIQUE_IDS_FILE, unavailable

LIMIT = 70
"""Octets of a unique-id: RFC 1939 §7."""

_ALLOWED = re.compile(rb"[\x21-\x7E]{1,70}\Z")
_MAGIC = b"pillarbox-uidl 1 "
_TEMPORARY = UNIQUE_IDS_FILE + ".tmp"
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def is_allowed(unique_id: bytes) -> bool:
    """Whether RFC 1939 §7 allows it."""
    return _ALLOWED.match(unique_id) is not None


def unique_id(base: str, imported: Mapping[bytes, bytes], taken: frozenset[bytes]) -> bytes:
    """The unique-id of the message with this base name.

    Args:
        base: the base name.
        imported: unique-ids that were taken over, by base name.
        taken: the values of `imported`.
    """
    octets = os.fsencode(base)
    if found := imported.get(octets):
        return found
    if is_allowed(octets) and octets not in taken:
        return octets
    # ":2," never is in a base name: what looks like this can only be a digest.
    return b"name:2," + hashlib.blake2b(octets, digest_size=24).hexdigest().encode("ascii")


def load(root: int) -> dict[bytes, bytes] | None:
    """The unique-ids that were taken over, by base name; None when there never was a time they were looked for.

    Raises:
        MaildropUnavailable: the file is there but damaged or unreadable.
    """
    try:
        descriptor = os.open(UNIQUE_IDS_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unavailable(error, UNIQUE_IDS_FILE) from error
    with open(descriptor, "rb") as file:
        raw = file.read()
    head, _, body = raw.partition(b"\n")
    if head != _head(body):
        raise MaildropUnavailable(
            f"{UNIQUE_IDS_FILE} is damaged: restore it from a backup, or remove it to accept new unique-ids "
            "(every client will download its mail again)",
            permanent=True,
        )
    fields = body.split(b"\0") if body else []
    return dict(zip(fields[::2], fields[1::2], strict=True))


def save(root: int, imported: Mapping[bytes, bytes]) -> None:
    """Write the unique-ids that were taken over, so that they survive a crash.

    Raises:
        OSError: they could not be written; then none of them may be used for a message that is new.
    """
    body = b"\0".join(part for pair in imported.items() for part in pair)
    try:
        os.unlink(_TEMPORARY, dir_fd=root)  # left by a process that was killed
    except FileNotFoundError:
        pass
    descriptor = os.open(_TEMPORARY, _WRITE_FLAGS, 0o600, dir_fd=root)
    with open(descriptor, "wb") as file:
        file.write(_head(body) + b"\n" + body)
        file.flush()
        os.fsync(descriptor)
    os.rename(_TEMPORARY, UNIQUE_IDS_FILE, src_dir_fd=root, dst_dir_fd=root)
    os.fsync(root)


def _head(body: bytes) -> bytes:
    return _MAGIC + b"%d %08x" % (len(body), zlib.crc32(body))
