"""What the client and the fetcher tell: a server that broke the protocol, a run that ended, a message put aside.

Rules: those of `types`. `account` is the name the account has in the fetcher's configuration, or the URL without a
password.
"""

from __future__ import annotations

from pillarbox.events.types import Event, Level


class ServerMisbehaved(Event, frozen=True, tag=True, kw_only=True):
    """A POP3 server broke the protocol, or a limit, so that nothing it says can be trusted; nothing was deleted.

    `reason` is a fixed text; `stage` is the command or the moment ("greeting", "STLS", "RETR") in which it happened.
    """

    level = Level.WARNING

    account: str
    host: str
    stage: str
    reason: str


class ListingDoubtful(Event, frozen=True, tag=True, kw_only=True):
    """STAT, LIST and UIDL contradict each other, or have lines that make no sense; the session goes on without those.

    `doubts` are fixed texts.
    """

    level = Level.WARNING

    account: str
    host: str
    doubts: list[str]


__all__ = ["ListingDoubtful", "ServerMisbehaved"]
