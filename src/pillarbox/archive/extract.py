"""What of a message can be searched: its header's words, its text, the names of its attachments. Pure; never raises.

Rules: at most `TEXT` characters of text a message, from all its text parts and attached messages in their order; binary
attachments are not read. The date is the one in the message unless that is impossible: later than a day after the
message came in, or none; then it is when it came in.
"""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.archive import html, mime
from pillarbox.archive.charsets import decode

TEXT = 1 << 20
"""Characters of text of a message that are searchable."""

_NAMES = 200  # attachments whose names are searchable
_FIELD = 65_536
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Document:
    """The searchable text of one message; `date` is UTC seconds, `attachments` how many there are."""

    date: float
    subject: str
    sender: str
    recipients: str
    other: str
    names: str
    body: str
    attachments: int
    message_id: str


def document(data: mime.Octets, received: float) -> Document:
    """Read a message that came in at `received` (UTC seconds)."""
    header, _ = mime.header_of(data)
    body: list[str] = []
    names: list[str] = []
    room, attachments = TEXT, 0
    for part in mime.walk(data):
        attachments += part.attached and len(data) > 0
        if part.name and len(names) < _NAMES:
            names.append(part.name)
        if room > 0:
            if part.type.startswith("message/") and part.depth < mime.DEPTH:
                body.append(_nested(data, part))
            elif part.type.startswith("text/"):
                text = part_text(data, part, most=room)
                body.append(text)
                room -= len(text)
    written = header.date()
    return Document(
        date=written if written is not None and written <= received + _DAY else received,
        subject=header.text("subject")[:_FIELD],
        sender=header.texts("from", "sender")[:_FIELD],
        recipients=header.texts("to", "cc", "bcc", "delivered-to", "x-original-to")[:_FIELD],
        other=header.texts("reply-to", "list-id", "organization", "keywords", "comments")[:_FIELD],
        names="\n".join(names)[:_FIELD],
        body="\n".join(body)[:TEXT],
        attachments=attachments,
        message_id=header.text("message-id").strip("<> \t")[:500],
    )


def part_text(data: mime.Octets, part: mime.Part, *, most: int, links: bool = False) -> str:
    """The text of a text part, HTML as plain text: at most `most` characters of it."""
    # A character takes up to 4 octets, and HTML is mostly not text.
    text = decode(mime.content(data, part, most * 4), part.charset)
    return (html.to_text(text, links=links) if part.type == "text/html" else text)[:most]


def empty(received: float) -> Document:
    """What is known of a message that cannot be read at all."""
    return Document(received, "", "", "", "", "", "", 0, "")


def _nested(data: mime.Octets, part: mime.Part) -> str:
    inner, _ = mime.header_of(data, part.start, part.end)
    return f"{inner.text('subject')}\n{inner.texts('from')}\n{inner.texts('to', 'cc')}"[:_FIELD]
