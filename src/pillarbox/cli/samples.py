"""A handful of realistic messages, so that a first RETR shows something: what `pillarbox quickstart` delivers."""

from __future__ import annotations

import datetime
import os
import random
import socket
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

MIB = 1024 * 1024

_UNIX = SMTP.clone(linesep="\n")
"""Postfix and Exim store bare LF in a Maildir."""


def _message(when: datetime.datetime, sender: str, recipient: str, subject: str, number: int) -> EmailMessage:
    message = EmailMessage(policy=_UNIX)
    message["Return-Path"] = f"<{sender.rpartition('<')[2].rstrip('>')}>"
    message["Date"] = format_datetime(when)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    message["Message-ID"] = f"<{when:%Y%m%d%H%M%S}.{number}@example.org>"
    return message


def messages(recipient: str, now: datetime.datetime) -> list[bytes]:
    """The messages as they would lie in a Maildir, oldest first. `now` is aware."""

    def at(hours: float) -> datetime.datetime:
        return now - datetime.timedelta(hours=hours)

    welcome = _message(at(30), "Grace Hopper <grace@example.org>", recipient, "Welcome to your pillar box", 1)
    welcome.set_content(
        "Dear reader,\n\n"
        "this message came out of a Maildir, through Pillarbox, over TLS.\n"
        "Deleting it takes a DELE and a QUIT: a connection that drops deletes nothing.\n\n"
        "-- \nGrace\n"
    )

    letter = _message(at(20), "Zoë Müller <zoe@example.org>", recipient, "Grüße aus Köln", 2)
    letter.set_content("Schöne Grüße vom Rhein!\n\nDas Café hat wieder geöffnet. Kölsch für 2,50 €.\n", cte="8bit")

    patch = _message(at(8), "Ken <ken@example.org>", recipient, "[PATCH] a dot at a line start", 3)
    patch.set_content(
        "POP3 ends a reply with a line that holds a single dot.\n"
        "These lines begin with one, and must arrive as they are:\n\n"
        ".profile\n..\n.\n...and on it goes.\n"
    )

    news = _message(at(5), "The Weekly <news@example.org>", recipient, "This week: plain and HTML", 4)
    news.set_content("Headlines\n=========\n\n* Post office keeps its letter boxes red.\n")
    news.add_alternative(
        "<html><body><h1>Headlines</h1><p>Post office keeps its letter boxes <b>red</b>.</p></body></html>\n",
        subtype="html",
    )

    photo = _message(at(1), "Ada Lovelace <ada@example.org>", recipient, "The scan you asked for (2 MB)", 5)
    photo.set_content("Here it is.\n")
    photo.add_attachment(random.Random(1843).randbytes(2 * MIB), "application", "octet-stream", filename="scan.bin")

    return [bytes(one) for one in (welcome, letter, patch, news, photo)]


def deliver(maildir: Path, message: bytes, when: datetime.datetime, number: int) -> Path:
    """Deliver into a Maildir as an MDA does: written and synced in tmp/, then renamed into new/."""
    for name in ("tmp", "new", "cur"):
        (maildir / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    host = socket.gethostname().replace("/", "_").replace(":", "_")
    name = f"{int(when.timestamp())}.M{when.microsecond}P{os.getpid()}Q{number}.{host}"
    temporary = maildir / "tmp" / name
    with open(temporary, "xb") as file:
        file.write(message)
        file.flush()
        os.fsync(file.fileno())
    final = maildir / "new" / name
    temporary.rename(final)
    return final
