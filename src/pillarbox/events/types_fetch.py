"""What a fetcher tells of its runs.

Rules: those of `types`. `account` is the name the account has in the fetcher's configuration; `unique_id` is shown as
text, cleaned by whoever renders it; reasons are for people.
"""

from __future__ import annotations

from pillarbox.events.types import Event, Level


class FetchEnded(Event, frozen=True, tag=True, kw_only=True):
    """A run of an account came to its end. The numbers are those of `pillarbox.fetch.RunResult`."""

    account: str
    fetched: int
    octets: int
    recognised: int
    filtered: int
    skipped: int
    deleted: int
    pending: int
    failed: int
    quarantined: int
    sessions: int
    seconds: float


class FetchFailed(Event, frozen=True, tag=True, kw_only=True):
    """A run ended early; what was fetched until then is safe. `temporary`: the next run may succeed by itself."""

    level = Level.WARNING

    account: str
    fetched: int
    deleted: int
    pending: int
    error: str
    reason: str
    temporary: bool


class MessageFailed(Event, frozen=True, tag=True, kw_only=True):
    """A message could not be fetched or delivered; it stays on the server and is tried again. `tries` count so far."""

    level = Level.WARNING

    account: str
    unique_id: str
    size: int
    reason: str
    tries: int


class MessageQuarantined(Event, frozen=True, tag=True, kw_only=True):
    """A message was put aside; it stays on the server. `kept` is the file with its octets, or "" if there are none."""

    level = Level.ERROR

    account: str
    unique_id: str
    size: int
    reason: str
    kept: str


class MessageSkipped(Event, frozen=True, tag=True, kw_only=True):
    """A message is left on the server, for its size or because a filter said so. Told once."""

    account: str
    unique_id: str
    size: int
    reason: str


class ServerMoved(Event, frozen=True, tag=True, kw_only=True):
    """Most unique-ids of an account were new, but `messages` of the messages were known: they are not fetched again."""

    account: str
    messages: int


__all__ = ["FetchEnded", "FetchFailed", "MessageFailed", "MessageQuarantined", "MessageSkipped", "ServerMoved"]
