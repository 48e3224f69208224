"""The fields of a message's header as a person reads them: unfolded, decoded, bounded. For filters and dates.

Rules: nothing a stranger wrote makes this fail or take long: fields, their length and the encoded words in them are
bounded, an unknown charset or broken coding is shown as it stands, and what is no field is passed over.

Serves RFC 5322 §2.2 and §3.6, RFC 2047, RFC 6532.
"""

from __future__ import annotations

import binascii
import email.utils
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_OCTETS = 256 * 1024
"""Of a header that are looked at."""

MAX_FIELDS = 1000
MAX_VALUE = 4096
"""Characters of one field's value, after unfolding; the rest is cut."""

MAX_WORDS = 200
"""Encoded words that are decoded in one value; the rest stays as it stands."""

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_WORD = re.compile(r"=\?([!-)+->@-~]{1,40}?)(?:\*[^?]{0,20})?\?([BbQq])\?([^?\s]{0,1000})\?=([ \t\r\n]+(?==\?))?")
_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class HeaderFields:
    """A header's fields in their order: lower-case names, and values in readable form."""

    fields: Sequence[tuple[str, str]]

    def values(self, name: str) -> list[str]:
        """The values of every field with this name (lower case), in their order."""
        return [value for one, value in self.fields if one == name]

    def arrived(self) -> float | None:
        """When the message came to its mail server, as UTC seconds: the date in the topmost Received field.

        Without one, what the sender's Date field says; None where neither can be read.
        """
        for value in self.values("received")[:1]:
            moment = _moment(value.rpartition(";")[2])
            if moment is not None:
                return moment
        for value in self.values("date")[:1]:
            return _moment(value)
        return None


def header_fields(octets: bytes) -> HeaderFields:
    """The fields of a header; what follows its empty line is not looked at."""
    return HeaderFields(tuple(_fields(octets[:MAX_OCTETS])))


def _fields(octets: bytes) -> Iterator[tuple[str, str]]:
    count = 0
    name, lines = "", bytearray()
    for line in octets.replace(b"\r\n", b"\n").split(b"\n"):
        if line[:1] in (b" ", b"\t") and name:
            if len(lines) < 4 * MAX_VALUE:
                lines += b"\n" + line
            continue
        if name:
            yield name, readable(bytes(lines))
            count += 1
        if not line or count >= MAX_FIELDS:
            return
        found = _FIELD.match(line)
        name = found[1].decode("ascii").lower() if found else ""
        lines = bytearray(line[found.end() : found.end() + 4 * MAX_VALUE]) if found else bytearray()
    if name:
        yield name, readable(bytes(lines))


def readable(value: bytes) -> str:
    """A field's value without folds, with its encoded words decoded (RFC 2047), cut to `MAX_VALUE` characters."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    text = _FOLD.sub("", text)
    if "=?" in text:
        text = _WORD.sub(_decoded, text, count=MAX_WORDS)
    return " ".join(text.split())[:MAX_VALUE]


def _decoded(word: re.Match[str]) -> str:
    """One encoded word; white space between two of them is no part of the text (RFC 2047 §6.2)."""
    charset, kind, coded = word[1], word[2].upper(), word[3].encode("utf-8")
    try:
        if kind == "B":
            octets = binascii.a2b_base64(coded + b"=" * (-len(coded) % 4))
        else:
            octets = _ESCAPE.sub(lambda code: bytes((int(code[1], 16),)), coded.replace(b"_", b" "))
        return octets.decode(charset, "replace")
    except (LookupError, ValueError, UnicodeError):
        return word[0]


def _moment(text: str) -> float | None:
    """A date as UTC seconds, None where it is none (RFC 5322 §3.3)."""
    try:
        return email.utils.parsedate_to_datetime(text.strip()[:100]).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
