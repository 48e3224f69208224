"""The parts of a message, from its octets. Pure; never raises; bounded whatever the message says of itself.

`email` of the standard library builds a tree, in memory, by recursion, and has inputs that make it raise or take very
long. Here the octets stay where they are (they may be a memory-mapped file), and a part is where it lies in them.

Rules: at most `DEPTH` parts within each other and `PARTS` in all; what goes beyond is text of the part around it, or is
left out. A part without a closing boundary ends with the part around it. Line ends may be CRLF or LF.

Serves RFC 2045, RFC 2046 §5.1 and §5.2.1, RFC 2183.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.archive import charsets
from pillarbox.archive.headers import LONGEST, Header, parameters, parse

DEPTH = 20
PARTS = 1000

_HEADER_END = re.compile(rb"\r?\n\r?\n")
_BOUNDARY = 200  # RFC 2046 allows 70; some senders do not read it
_CHUNK = 1 << 20
_IN_BASE64 = 4 / 3 * 1.06  # octets of base64 for one of content, with line ends

Octets = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is not divided further, or an attached message (whose own parts follow, one deeper).

    `start` and `end` are 0-based octets of its body in the message. `name` is the file name it gives itself, as the
    sender wrote it: not safe to use as one.
    """

    header: Header
    depth: int
    start: int
    end: int
    type: str
    charset: str
    encoding: str
    disposition: str
    name: str

    @property
    def attached(self) -> bool:
        """Whether people call this an attachment: it says so, has a name, or is nothing a reader shows as text."""
        if self.disposition == "attachment" or self.name:
            return True
        return self.type.partition("/")[0] not in ("text", "multipart", "message")


def header_of(data: Octets, start: int = 0, end: int | None = None) -> tuple[Header, int]:
    """The header that begins at an octet, and the octet where its body begins."""
    limit = len(data) if end is None else end
    if data[start : start + 1] == b"\n":
        return Header(()), start + 1
    if data[start : start + 2] == b"\r\n":
        return Header(()), start + 2
    found = _HEADER_END.search(data, start, min(limit, start + LONGEST))
    if found is None:
        head = min(limit, start + LONGEST)
        return parse(data[start:head]), head
    return parse(data[start : found.start()]), found.end()


def walk(data: Octets) -> Iterator[Part]:
    """All parts of a message, in their order."""
    # Not recursive: how deep a stranger's message goes is not for our stack to bear.
    waiting = [(0, len(data), 0, "text/plain")]
    count = 0
    while waiting and count < PARTS:
        start, end, depth, implied = waiting.pop()
        header, body = header_of(data, start, end)
        body = min(body, end)
        part = _part(header, depth, body, end, implied)
        inner: list[tuple[int, int, int, str]] = []
        if depth < DEPTH and part.type.startswith("multipart/"):
            boundary = parameters(header.raw("content-type"))[1].get("boundary", "")[:_BOUNDARY]
            # RFC 2046 §5.1.5: in a digest, parts are messages unless they say otherwise.
            implied = "message/rfc822" if part.type == "multipart/digest" else "text/plain"
            inner = [(one, two, depth + 1, implied) for one, two in _divided(data, body, end, boundary, PARTS - count)]
        if not inner:
            count += 1
            yield part
            if depth < DEPTH and part.type in ("message/rfc822", "message/global") and part.encoding in _IDENTITY:
                inner = [(body, end, depth + 1, "text/plain")]
        waiting += reversed(inner)


def content(data: Octets, part: Part, most: int) -> bytes:
    """The octets of a part behind its transfer encoding, at most `most` of them."""
    if part.encoding == "base64":
        return charsets.from_base64(data[part.start : min(part.end, part.start + int(most * _IN_BASE64) + 100)])[:most]
    if part.encoding == "quoted-printable":
        return charsets.from_quoted(data[part.start : min(part.end, part.start + most * 3)])[:most]
    return data[part.start : min(part.end, part.start + most)]


def chunks(data: Octets, part: Part) -> Iterator[bytes]:
    """All octets of a part behind its transfer encoding, in pieces."""
    if part.encoding != "base64":
        if part.encoding == "quoted-printable":
            yield charsets.from_quoted(data[part.start : part.end])
            return
        for start in range(part.start, part.end, _CHUNK):
            yield data[start : min(part.end, start + _CHUNK)]
        return
    held = b""
    for start in range(part.start, part.end, _CHUNK):
        # Base64 goes in fours: what is left of one piece is decoded with the next.
        digits = held + bytes(data[start : min(part.end, start + _CHUNK)]).translate(None, b"\r\n \t")
        cut = len(digits) - len(digits) % 4
        yield charsets.from_base64(digits[:cut])
        held = digits[cut:]
    if held:
        yield charsets.from_base64(held)


_IDENTITY = ("", "7bit", "8bit", "binary")


def _part(header: Header, depth: int, start: int, end: int, implied: str) -> Part:
    kind, about = parameters(header.raw("content-type"))
    disposition, placed = parameters(header.raw("content-disposition"))
    if kind.count("/") != 1 or kind.startswith("/") or kind.endswith("/"):
        kind = implied if not kind else "text/plain"  # RFC 2045 §5.2
    return Part(
        header,
        depth,
        start,
        end,
        kind,
        about.get("charset", ""),
        header.raw("content-transfer-encoding").decode("ascii", "replace").strip().lower(),
        disposition,
        (placed.get("filename") or about.get("name") or "").strip()[:500],
    )


def _divided(data: Octets, start: int, end: int, boundary: str, most: int) -> list[tuple[int, int]]:
    """Where the parts between the boundaries lie; none where there is no boundary."""
    if not boundary or most <= 0:
        return []
    mark = b"--" + boundary.encode("utf-8", "surrogateescape")
    parts: list[tuple[int, int]] = []
    begun = -1
    position = start
    while len(parts) < most:
        found = _next_boundary(data, mark, position, start, end)
        if found is None:
            break
        if begun >= 0:
            parts.append((begun, max(begun, found[0])))
        begun = found[1]
        if found[2]:
            return parts
        position = found[1]
    if begun >= 0 and len(parts) < most:
        parts.append((begun, end))
    return parts


def _next_boundary(data: Octets, mark: bytes, position: int, start: int, end: int) -> tuple[int, int, bool] | None:
    """The next boundary line: where what precedes it ends, what follows begins, and whether it is the last."""
    while True:
        at = data.find(mark, position, end)
        if at < 0:
            return None
        position = at + len(mark)
        if at > start and data[at - 1 : at] != b"\n":
            continue
        tail = data[position : min(end, position + 104)]
        closing = tail.startswith(b"--")
        rest = tail[2:] if closing else tail
        stripped = rest.lstrip(b" \t")
        if stripped.startswith(b"\n"):
            skip = 1
        elif stripped.startswith(b"\r\n"):
            skip = 2
        elif not stripped and position + len(tail) >= end:
            skip = 0
        elif closing:
            skip = 0  # text behind the last boundary is an epilogue, on its line too
        else:
            continue
        before = at - (at > start) - (at > start + 1 and data[at - 2 : at] == b"\r\n")
        return before, position + 2 * closing + len(rest) - len(stripped) + skip, closing
