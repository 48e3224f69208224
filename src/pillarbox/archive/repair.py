"""Turns a single flipped bit back, in the places where `verify` has found one and shown that it is the one.

Rules: a message is copied with its bit turned, compared with its SHA-256, made durable, and only then put in the
damaged one's place; of other files one octet is written. More damage than one bit cannot be mended here: a copy is
needed, or, for the index, `Archive.rebuild`.
"""

from __future__ import annotations

import os
from pathlib import Path

from pillarbox.archive import objects
from pillarbox.archive.archive import Archive
from pillarbox.archive.verify import Finding, Kind
from pillarbox.files import sync_directory


def repair(archive: Archive, finding: Finding) -> bool:
    """Mend what was found; False if it cannot be mended this way.

    Raises:
        ArchiveError: the archive cannot be written.
        OSError: as the system says.
    """
    if finding.kind is not Kind.FLIPPED_BIT or finding.start is None or finding.bit is None:
        return False
    path = archive.layout.root / finding.path
    with archive.locked():
        if finding.sha256:
            return _message(archive, path, bytes.fromhex(finding.sha256), finding.start, finding.bit)
        _turn(path, finding.start, finding.bit)
        return True


def _message(archive: Archive, path: Path, digest: bytes, octet: int, bit: int) -> bool:
    if not objects.whole(path, digest, turned=(octet, bit)):
        return False  # something else has happened to it since
    copy = archive.layout.unfinished()
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.writelines(objects.pieces(path))
        _turn(copy, octet, bit)
        if not objects.whole(copy, digest):
            return False
        copy.chmod(0o400)
        copy.rename(path)
        sync_directory(path.parent)
    finally:
        copy.unlink(missing_ok=True)
    return True


def _turn(path: Path, octet: int, bit: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        turned = os.pread(descriptor, 1, octet)[0] ^ (1 << bit)
        os.pwrite(descriptor, bytes([turned]), octet)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
