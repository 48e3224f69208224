"""The header of a message or of a part of one: its fields, and the parameters of Content-Type and Content-Disposition.

Rules: pure; never raises; a header of hostile size is cut (`LONGEST` octets, `FIELDS` fields, `VALUE` octets a field).
The first field of a name counts, as it does for those who show mail.

Serves RFC 5322 §2.2, RFC 2045 §5 and RFC 2231.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from pillarbox.archive.charsets import decode, header_text

LONGEST = 1 << 20
FIELDS = 1000
VALUE = 65_536

_PARAMETER = re.compile(
    r';\s{0,80}([A-Za-z0-9!#$&+.^_`{|}~-]{1,60}?)(\*[0-9]{1,2})?(\*)?\s{0,20}=\s{0,20}(?:"((?:[^"\\]|\\.){0,4000})"?|([^;\s"]{0,4000}))'
)
_QUOTED = re.compile(r"\\(.)", re.DOTALL)
_EARLIEST = -2_208_988_800  # 1900: what claims to be older has no date worth sorting by


@dataclass(frozen=True, slots=True)
class Header:
    """The fields in their order: lower-case name, raw unfolded value."""

    fields: tuple[tuple[str, bytes], ...]

    def raw(self, name: str) -> bytes:
        """The first field of a (lower-case) name, b"" if there is none."""
        return next((value for found, value in self.fields if found == name), b"")

    def text(self, name: str) -> str:
        """That field, decoded for people."""
        return header_text(self.raw(name)).strip()

    def texts(self, *names: str) -> str:
        """All fields of these names, decoded, with a comma and a space between."""
        return ", ".join(
            text for found, value in self.fields if found in names and (text := header_text(value).strip())
        )

    def date(self) -> float | None:
        """When the message says that it was written, in UTC seconds; None if it does not say."""
        return date_of(self.text("date"))


def parse(block: bytes) -> Header:
    """The fields of a header; lines that are none are left out."""
    fields: list[tuple[str, bytes]] = []
    name, value = "", bytearray()
    for line in block[:LONGEST].splitlines():
        if line[:1] in (b" ", b"\t"):
            if len(value) < VALUE:
                value += line
            continue
        if name:
            fields.append((name, bytes(value[:VALUE])))
            if len(fields) == FIELDS:
                return Header(tuple(fields))
        before, colon, after = line.partition(b":")
        name = before.strip().decode("ascii", "replace").lower() if colon and len(before) < 200 else ""
        value = bytearray(after.strip())
    if name:
        fields.append((name, bytes(value[:VALUE])))
    return Header(tuple(fields))


def parameters(raw: bytes) -> tuple[str, dict[str, str]]:
    """The value of a Content-Type or Content-Disposition field, in lower case, and its parameters, decoded."""
    text = raw.decode("utf-8", "surrogateescape")
    value = text.partition(";")[0].strip().lower()
    plain: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for found in _PARAMETER.finditer(text):
        name = found[1].lower()
        content = found[5] if found[4] is None else _QUOTED.sub(r"\1", found[4])
        if found[2] is None and found[3] is None:
            plain.setdefault(name, header_text(content.encode("utf-8", "surrogateescape")))
        else:
            pieces.setdefault(name, []).append((int(found[2][1:]) if found[2] else 0, found[3] is not None, content))
    # RFC 2231: an encoded or continued parameter is worth more than a plain one of the same name.
    return value, plain | {name: _joined(found) for name, found in pieces.items()}


def _joined(pieces: list[tuple[int, bool, str]]) -> str:
    charset, octets = "", b""
    for index, (_, encoded, text) in enumerate(sorted(pieces, key=lambda piece: piece[0])):
        if encoded and index == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        raw = text.encode("utf-8", "surrogateescape")
        octets += unquote_to_bytes(raw) if encoded else raw
    return decode(octets, charset)


def date_of(text: str) -> float | None:
    """The UTC seconds of a date as mail has it, None if it cannot be understood."""
    try:
        seconds = parsedate_to_datetime(text[:200]).timestamp()
    except Exception:
        # Hostile dates make it raise half a dozen things, and each release has others; none of them matters here.
        return None
    return seconds if seconds >= _EARLIEST else None
