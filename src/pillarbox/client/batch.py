"""Many messages, one after the other, their commands sent ahead of the replies: RETR and TOP in a window.

Rules: replies come in the order of the entries; the next entry begins where the one before was left, and what was not
read of that is dropped; a message that passed because something else was asked meanwhile is asked for again. Only what
can be sealed (`seals`) is asked for ahead.
Serves RFC 1939 §5 (RETR), §7 (TOP), RFC 2449 §6.8.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from pillarbox.client.exchange import Exchange, Ticket
from pillarbox.client.seals import Seals
from pillarbox.client.settings import Limits
from pillarbox.client.values import Entry
from pillarbox.client.wants import Work
from pillarbox.wire.commands import Verb
from pillarbox.wire.replies import Status

WINDOW = 128
"""Commands sent ahead, where the caller does not say: enough for small messages and long ways."""


class Batch:
    """A window over entries. `lines` of 0 or more makes it TOP, -1 RETR."""

    def __init__(
        self,
        exchange: Exchange,
        seals: Seals,
        entries: Iterable[Entry],
        limits: Limits,
        *,
        lines: int = -1,
        window: int = WINDOW,
    ) -> None:
        self._exchange = exchange
        self._seals = seals
        self._coming: Iterator[Entry] = iter(entries)
        self._limits = limits
        self._lines = lines
        self._window = max(window, 1)
        self._asked: deque[tuple[Entry, Ticket]] = deque()
        self._current: Ticket | None = None
        self._exhausted = False
        self._sealing: bool | None = None

    def next(self) -> Work[tuple[Entry, Ticket, Status] | None]:
        """The next entry with its reply, or None at the end. The rest of the one before is dropped."""
        if self._current is not None and not self._current.ended:
            yield from self._exchange.finish(self._current)
        self._current = None
        yield from self._fill()
        if not self._asked:
            return None
        entry, ticket = self._asked.popleft()
        if ticket.dropped or (ticket.ended and ticket.status is not None and ticket.status.ok):
            ticket = yield from self.ask(entry)  # it passed while something else was asked
        self._current = ticket
        status = yield from self._exchange.status(ticket)
        return entry, ticket, status

    def ask(self, entry: Entry) -> Work[Ticket]:
        """Say the command for one entry."""
        allowed = self._limits.octets(entry.size)
        verb = Verb.RETR if self._lines < 0 else Verb.TOP
        if self._sealing is None:
            self._sealing = self._window > 1 and (yield from self._seals.prepare())
            if not self._sealing:
                self._window = 1
        ticket = yield from self._exchange.post(verb, number=entry.number, lines=self._lines, allowed=allowed)
        if self._sealing:
            self._seals.behind(entry, ticket)
        else:
            self._seals.alone()
        return ticket

    def _fill(self) -> Work[None]:
        # Only when half of the window is free: so commands go out many at a time.
        if len(self._asked) > self._window // 2:
            return
        while not self._exhausted and len(self._asked) < self._window and (not self._asked or self._exchange.room):
            entry = next(self._coming, None)
            if entry is None:
                self._exhausted = True
            else:
                self._asked.append((entry, (yield from self.ask(entry))))
        yield from self._exchange.line.flush()
