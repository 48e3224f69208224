"""What a filter answers when it is asked about a message that is still on the server.

Rules: a filter sees the header of a message (as TOP gives it, CRLF line ends) and its size, never its body; it is pure,
so that asking twice is harmless; it may be called from any thread. The filters themselves are elsewhere.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol


class Verdict(enum.Enum):
    """What is to be done with a message."""

    FETCH = "fetch"
    SKIP = "skip"  # leave it on the server and do not ask again
    DELETE = "delete"  # delete it on the server without fetching it


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and, for people, why."""

    verdict: Verdict
    reason: str = ""


class Filter(Protocol):
    """Decides about one message before it is downloaded."""

    def __call__(self, header: bytes, size: int) -> Decision:
        """Decide. `size` is what LIST said, in octets. Must not raise."""
        ...
