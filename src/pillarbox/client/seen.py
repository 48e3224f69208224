"""What a caller remembers of messages between sessions: the small protocol behind `Client.new`, and spans of time.

Rules: the client calls these in the thread (or the loop) it runs in, and in this order for a message: `is_new`, then
`done` or `skipped`, then `delete_sent`; after QUIT `committed`. What is `due` is deleted only if it is not `is_new`.
A message without a usable unique-id cannot be remembered: `new` gives it every time, and none of these is called.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Protocol

from pillarbox.client.errors import UsageError


class Seen(Protocol):
    """Remembers messages by their unique-ids. `pillarbox.fetch.Journal` is one that survives crashes."""

    def is_new(self, unique_id: bytes, size: int) -> bool:
        """Whether a message has still to be fetched.

        `size` is what LIST says. Where it is not what it was, the unique-id may have been given to another message.
        """
        ...

    def skipped(self, unique_id: bytes, reason: str) -> None:
        """The caller does not want it now."""
        ...

    def done(self, unique_id: bytes, size: int, sha256: bytes, delete_after: float | None) -> None:
        """The caller has it safe.

        Args:
            unique_id: of the message.
            size: octets received.
            sha256: of these octets, in wire form.
            delete_after: seconds from now until it may be deleted on the server; 0 for at once, None for never.
        """
        ...

    def due(self) -> AbstractSet[bytes]:
        """The unique-ids of messages that are done and whose time to be deleted has come."""
        ...

    def delete_sent(self, unique_ids: AbstractSet[bytes]) -> None:
        """DELE was said for these; only `committed` tells whether they are gone."""
        ...

    def committed(self, result: bool | None) -> None:
        """QUIT was said: the deletions are done (True), are not (False), or nobody knows (None)."""
        ...


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_SPAN = re.compile(r"([0-9]{1,9}) ?([smhdw])\Z")


def seconds(span: str | float | None) -> float | None:
    """A span of time: seconds, or text like "30d", "12h", "2w". None stays None.

    Raises:
        UsageError: it is neither, or negative.
    """
    if span is None:
        return None
    if isinstance(span, str):
        found = _SPAN.match(span)
        if found is None:
            raise UsageError('a span of time is written like "30d", "12h" or "90m"')
        return float(int(found[1]) * _UNITS[found[2]])
    if not 0 <= span < float("inf"):
        raise UsageError("a span of time is not negative, and ends")
    return float(span)
