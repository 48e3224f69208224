"""What was said to and by a scripted server, as lines a person can read: `C:` and `S:`, secrets left out.

Rules: no password, token, digest or response of an exchange is in a transcript, also where the client put it where it
does not belong; what a terminal would obey is shown by its code; a message is told by its octets alone.
"""

from __future__ import annotations

import re

from pillarbox.watch.clean import clean
from pillarbox.wire.commands import Command, Received, SaslResponse, Verb

_SHOWN_LINES = 50
_SHOWN_OCTETS = 200
_SECRETIVE = re.compile(rb"\s*(PASS|APOP|AUTH)\b", re.IGNORECASE)


class Transcript:
    """The lines of one connection."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def client(self, line: bytes, received: Received) -> None:
        """A line of the client."""
        if isinstance(received, SaslResponse):
            self.lines.append("C: *")
            return
        if isinstance(received, Command):
            said = received.redacted()
            words = [said.verb.name, str(said.number) if said.number else ""]
            words += [str(said.lines)] if said.lines >= 0 else []
            words += [said.argument.decode("utf-8", "replace")]
            self.lines.append(clean("C: " + " ".join(filter(None, words))))
            return
        found = _SECRETIVE.match(line)
        if found is not None or received.verb in (Verb.PASS, Verb.APOP, Verb.AUTH):
            line = (found[1].upper() if found is not None else b"") + b" *"
        self.lines.append(f"C: {_cut(line)}")

    def server(self, status: bytes) -> None:
        """A status line, or a continuation."""
        self.lines.append("S: + *" if status.startswith(b"+ ") else f"S: {_cut(status)}")

    def body(self, body: bytes, octets: int, *, message: bool) -> None:
        """What follows a status line: `body` is what is known of it, `octets` its length."""
        lines = body.split(b"\r\n")
        if message or len(lines) > _SHOWN_LINES:
            self.lines.append(f"S: ({octets} octets)")
            return
        self.lines += [f"S: {_cut(line)}" for line in lines if line]

    def note(self, text: str) -> None:
        """Something that happened: a fault, TLS, the end."""
        self.lines.append(f"*: {text}")

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


def _cut(line: bytes) -> str:
    text = clean(line[:_SHOWN_OCTETS].decode("utf-8", "replace").rstrip("\r\n"))
    return f"{text}…" if len(line) > _SHOWN_OCTETS else text
