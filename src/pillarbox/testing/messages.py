"""Messages that break naive POP3 code, and a slow but plain way to say what must be sent of any message.

Rules: nothing here uses the code that is tested with it: the reference looks at every line by itself (P1-P10, P13).
"""

from __future__ import annotations

import re

PLAIN = b"From: a@example.org\nSubject: one\n\nHello\n"
NASTY = (
    b"",
    b".",
    b"\n",
    b"\r",
    b"\r\n",
    b".\n.\n..\n",
    b"Subject: dots\n\n.\n..\n.x\n\n.",
    b"Subject: crlf\r\n\r\n.\r\ntext\r\n",
    b"Subject: bare CR\n\na\rb\r.\r\r\nc\n\r.\n",
    b"Subject: mixed\r\n\na\r\n\rb\n\r\n.",
    b"Subject: no end\n\nlast line",
    b"Subject: no end\n\nlast line\r",
    b"Subject: only a header",
    b"\nno header\n",
    b"Subject: NUL \0 and 8 bit \xe4\xff\n\n\0\0\x80\n",
    b"Subject: big\n\n" + b".dot at the start of every line\n" * 96_000,
    b"Subject: one line\n\n" + b"x" * 600_000,
    b"Subject: carriage returns\n\n" + b"\r" * 300_000,
)
"""Messages that break naive code: P1-P10."""

UTF8 = (
    "From: Jörg <joerg@example.org>\nTo: jürgen@exämple.org\nSubject: Grüße aus Köln\n"
    'Content-Type: text/plain; charset=utf-8; name="Größe"\n\n.Körper\n'
).encode()
"""A message that needs UTF8 (P13)."""


def wire_form(message: bytes) -> bytes:
    """What RETR must send of a message, without the final "." line: worked out line by line."""
    lines = re.split(rb"\r\n|\n|\r", message)
    if lines[-1] == b"":
        lines.pop()
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)


def octets_of(wire: bytes) -> int:
    """The octets of a message by RFC 1939 §11, from its wire form: without the stuffed dots."""
    return len(wire) - len(re.findall(rb"(?:\A|(?<=\r\n))\.", wire))
