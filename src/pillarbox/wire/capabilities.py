"""Capabilities as CAPA lists them (RFC 2449 §6), both ways.

Rules: order is kept, names are upper case, arguments are opaque; an unknown capability is kept, a malformed line is
skipped (clients must not trip over what they do not know: RFC 2449 §5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_LINE = re.compile(rb"[\x21-\x7e][\x20-\x7e]*\Z")  # RFC 2449 §5: printable ASCII, beginning with the tag


class Capabilities:
    """An ordered set of capabilities, each with its arguments."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[tuple[str, tuple[str, ...]]] = ()) -> None:
        self._entries: dict[str, tuple[str, ...]] = {}
        for name, arguments in entries:
            self._entries[name.upper()] = arguments

    @classmethod
    def parse(cls, lines: Iterable[bytes]) -> Capabilities:
        """Read the body lines of a CAPA reply, without their endings."""
        entries = []
        for line in lines:
            if _LINE.match(line) is not None:
                name, *arguments = line.decode("ascii").split()
                entries.append((name, tuple(arguments)))
        return cls(entries)

    def encode(self) -> bytes:
        """The body of a CAPA reply in wire form, without the final "." line."""
        return b"".join(" ".join((name, *arguments)).encode("ascii") + b"\r\n" for name, arguments in self)

    def __contains__(self, name: str) -> bool:
        return name.upper() in self._entries

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._entries[name.upper()]

    def __iter__(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        return iter(self._entries.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Capabilities) and self._entries == other._entries

    def __hash__(self) -> int:
        return hash(tuple(self._entries.items()))

    def __repr__(self) -> str:
        return f"<Capabilities {', '.join(self._entries)}>"
