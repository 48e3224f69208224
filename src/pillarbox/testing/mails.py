"""Mail for a test, from whatever form the test has it in.

Rules: octets are taken as they are (a server sends them in wire form whatever their line endings); an mbox is read as
Python's `mailbox` reads it: without its "From " lines, and with ">From " left as it stands.
"""

from __future__ import annotations

import mailbox
from collections.abc import Iterable, Iterator
from email.message import Message
from email.policy import SMTP
from pathlib import Path

Mail = bytes | str | Message | Path
"""One message as octets, text or an `email` object; or a path to an .eml file, an mbox or a Maildir."""


class MailError(Exception):
    """That is no mail; the text says why."""


def octets_of_each(mail: Mail | Iterable[Mail]) -> Iterator[bytes]:
    """Every message in `mail`, in the order they have there; those of a Maildir in the order of their file names.

    Raises:
        MailError: a path leads to nothing, or to something that is no mail.
    """
    match mail:
        case bytes():
            yield mail
        case str():
            yield mail.encode("utf-8")
        case Message():
            # The mail's own policy, but for line endings, which a generator would otherwise make LF.
            yield mail.as_bytes(policy=mail.policy.clone(linesep=SMTP.linesep))
        case Path():
            yield from _from_path(mail)
        case _:
            for each in mail:
                yield from octets_of_each(each)


def _from_path(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        if not (path / "cur").is_dir() and not (path / "new").is_dir():
            raise MailError(f"{path}: a directory, but no Maildir (it has neither cur/ nor new/)")
        files = [file for part in ("new", "cur") if (path / part).is_dir() for file in (path / part).iterdir()]
        for file in sorted(files, key=lambda file: file.name):
            if not file.name.startswith("."):
                yield file.read_bytes()
        return
    try:
        with path.open("rb") as opened:
            start = opened.read(5)
    except OSError as error:
        raise MailError(f"{path}: {error.strerror}") from None
    if start != b"From ":
        yield path.read_bytes()
        return
    box = mailbox.mbox(path, create=False)
    try:
        for key in box.keys():  # noqa: SIM118 - iterating over a mailbox gives messages, parsed
            yield box.get_bytes(key)
    finally:
        box.close()
