"""What went wrong with a file or a connection of a destination, as a sentence that says what to do.

Rules: every text names the thing, what happened to it, and a way out; nothing a peer sent is quoted without being
cleaned and cut; whether waiting may help is decided here, once for all destinations.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

from pillarbox.fetch.destination import DestinationError
from pillarbox.watch.clean import clean

SAID = 200
"""Characters of what a peer or a program said that are quoted in a text."""

_ADVICE: Mapping[int, tuple[str, str, bool]] = {
    # errno: what happened, what to do, whether waiting may help
    errno.ENOSPC: ("the disk is full", "free some space; nothing was lost, and fetching goes on by itself", True),
    errno.EDQUOT: ("the disk quota is used up", "free some space or raise the quota; nothing was lost", True),
    errno.EFBIG: ("the file would get larger than is allowed", "raise the limit (ulimit -f, or the disk's own)", False),
    errno.EROFS: ("the file system is read-only", "mount it writable, or name another place", False),
    errno.EACCES: ("permission denied", "let this user write there, or name another place", False),
    errno.EPERM: ("the operation is not permitted", "let this user write there, or name another place", False),
    errno.ENOENT: ("it does not exist", "create the directory, or name another place", False),
    errno.ENOTDIR: ("a part of the path is no directory", "name another place", False),
    errno.EISDIR: ("it is a directory", "name a file", False),
    errno.ELOOP: ("it is a symbolic link", "name the file that it points to", False),
    errno.EIO: ("the disk cannot be read or written", "look into the system's log: the disk may be failing", True),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n)", True),
    errno.ENFILE: ("too many files are open in the system", "raise the system's limit", True),
    errno.ECONNREFUSED: ("nothing listens there", "start the server, or mend host and port", True),
    errno.EHOSTUNREACH: ("the host cannot be reached", "look at the network", True),
    errno.ENETUNREACH: ("the network cannot be reached", "look at the network", True),
}


def file_problem(error: OSError, path: Path | str) -> DestinationError:
    """The `DestinationError` for an operation on `path` that failed."""
    what, advice, temporary = _ADVICE.get(error.errno or 0, ("", "", True))
    if not what:
        what, advice = (error.strerror or "it cannot be used").lower(), "nothing was lost; it will be tried again"
    who = f" (as user {os.geteuid()})" if error.errno in (errno.EACCES, errno.EPERM) else ""
    return DestinationError(f"{path}: {what}{who}: {advice}", temporary=temporary)


def connection_problem(error: Exception, peer: str) -> DestinationError:
    """The `DestinationError` for a connection to `peer` that could not be made, or broke."""
    match error:
        case ssl.SSLCertVerificationError():
            what = f"its certificate was refused: {clean(error.verify_message)[:SAID]}"
            advice = "mend the certificate, name its authority with `ca_file`, or mend the host's name"
            return DestinationError(f"{peer}: {what}: {advice}", temporary=True)
        case ssl.SSLError():
            reason = clean(error.reason or "").lower().replace("_", " ") or "no reason given"
            text = f"{peer}: TLS failed: {reason}: look whether this port speaks TLS from its first octet"
            return DestinationError(text, temporary=True)
        case socket.gaierror():
            return DestinationError(f"{peer}: the name has no address: mend the host's name", temporary=True)
        case TimeoutError():
            return DestinationError(f"{peer}: no answer in time: look at the server and the network", temporary=True)
        case OSError() if (error.errno or 0) in _ADVICE:
            what, advice, temporary = _ADVICE[error.errno or 0]
            return DestinationError(f"{peer}: {what}: {advice}", temporary=temporary)
    return DestinationError(f"{peer}: the connection broke: it will be tried again", temporary=True)


def said(words: bytes | str) -> str:
    """What a peer or a program said, safe to show: one line, printable, cut."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    text = " ".join(text.split())
    return clean(text if len(text) <= SAID else text[: SAID - 1] + "…")
