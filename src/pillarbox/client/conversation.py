"""A client's session after the login: what is in the maildrop, messages, deletions, QUIT. Sans I/O.

Rules: every method is a `Work`; message numbers count only as listed; a DELE is sent at once and its reply read in its
turn, so that deleting never disturbs messages on their way; QUIT is sent only by `quit`, and only its reply says
whether anything was deleted.
Elsewhere: how it begins (`opening`); the shells that carry it out (`blocking`, `aio`); what is sent ahead (`batch`).
Serves RFC 1939 §5-§7, RFC 2449 §6.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pillarbox.client.batch import WINDOW, Batch
from pillarbox.client.errors import ConnectionLost, DeadlineExceeded, ProtocolError, UsageError
from pillarbox.client.exchange import Exchange, Ticket
from pillarbox.client.listing import LIST_LINE, UIDL_LINE, Listing, judge, stat
from pillarbox.client.opening import Opening, Plan
from pillarbox.client.probe import probe
from pillarbox.client.seals import STATUS_BEGINS, Seals
from pillarbox.client.settings import SLACK_OCTETS
from pillarbox.client.values import Entry, Progress, Stat
from pillarbox.client.wants import Work
from pillarbox.events import ListingDoubtful
from pillarbox.wire.commands import Verb
from pillarbox.wire.replies import Status
from pillarbox.wire.states import State

PROBE_MESSAGES = 4
"""Messages from which on it is worth finding out whether a server pipelines."""


class Conversation:
    """One session.

    Attributes:
        committed: whether the server said at QUIT that the deletions are done; None: it is not known.
        doubts: what was wrong with the listing, in fixed words.
        unique_ids: whether the server gives any; None before the listing.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.opening = Opening(plan)
        self.committed: bool | None = None
        self.doubts: tuple[str, ...] = ()
        self.unique_ids: bool | None = None
        self._exchange: Exchange = self.opening.exchange
        self._listing: Listing | None = None
        self._by_number: dict[int, Entry] = {}
        self._deletions: dict[int, Ticket] = {}
        self._tell: list[Callable[[bool | None], None]] = []
        self._trial: Ticket | None = None
        self._seals = Seals(self._exchange, self._by_number, self._deletions)

    @property
    def exchange(self) -> Exchange:
        """The commands and replies underneath."""
        return self._exchange

    def begin(self) -> Work[None]:
        """See `Opening.begin`."""
        return self.opening.begin()

    # ---- what is there --------------------------------------------------------------------------------------------

    def stat(self) -> Work[Stat]:
        """How many messages, and how many octets."""
        ticket = yield from self._exchange.post(Verb.STAT)
        return (yield from self._stat(ticket))

    def _stat(self, ticket: Ticket) -> Work[Stat]:
        status = yield from self._exchange.demand(ticket)
        # A number in brackets would be read as a response code; no server does that.
        found = stat(status.text)
        if found is None:
            raise (yield from self._exchange.line.abort(ProtocolError("the reply to STAT is not two numbers"), "STAT"))
        return found

    def listing(self) -> Work[tuple[Entry, ...]]:
        """All messages, by one LIST and one UIDL; asked for once."""
        if self._listing is None:
            self._listing = yield from self._read_listing()
            self._by_number.update((entry.number, entry) for entry in self._listing.entries)
            yield from self._seals.try_with(self._trial)
            self.doubts = self._listing.doubts
            self.unique_ids = self._listing.unique_ids
            if self.doubts:
                address = self.plan.address
                self.plan.events.emit(
                    ListingDoubtful(account=address.label, host=address.host, doubts=list(self.doubts))
                )
        return self._listing.entries

    def _read_listing(self) -> Work[Listing]:
        exchange = self._exchange
        # For a few messages it is not worth the wait that a server without it costs.
        if exchange.pipelining is None and (yield from self.stat()).messages >= PROBE_MESSAGES:
            yield from probe(exchange)
        most = self.plan.limits.messages
        if not exchange.pipelining:
            claimed = yield from self.stat()
            lines = yield from self._lines(Verb.LIST, claimed, None)
            return judge(claimed, lines or (), (yield from self._lines(Verb.UIDL, claimed, None)))
        first = yield from exchange.post(Verb.STAT)
        second = yield from exchange.post(Verb.LIST, allowed=SLACK_OCTETS + most * LIST_LINE)
        third = yield from exchange.post(Verb.UIDL, allowed=SLACK_OCTETS + most * UIDL_LINE)
        # What messages are sealed with is tried out on the way, so that it costs no round trip.
        self._trial = yield from exchange.post(Verb.UIDL, number=1)
        claimed = yield from self._stat(first)
        lines = yield from self._lines(Verb.LIST, claimed, second)
        return judge(claimed, lines or (), (yield from self._lines(Verb.UIDL, claimed, third)))

    def _lines(self, verb: Verb, claimed: Stat, ticket: Ticket | None) -> Work[list[bytes] | None]:
        """The lines of LIST or UIDL; None when it was refused."""
        exchange, most = self._exchange, self.plan.limits.messages
        octets = LIST_LINE if verb is Verb.LIST else UIDL_LINE
        if ticket is None:
            ticket = yield from exchange.post(verb, allowed=SLACK_OCTETS + most * octets)
        status = yield from exchange.status(ticket)
        if status.ok:
            return (yield from exchange.lines(ticket, most))
        if verb is Verb.LIST and claimed.messages:
            yield from exchange.demand(ticket)
        return None

    def entry(self, number: int) -> Work[Entry]:
        """The entry of a message number.

        Raises:
            UsageError: it is not listed.
        """
        return (yield from self._entries((number,)))[0]

    def _entries(self, numbers: Iterable[int]) -> Work[list[Entry]]:
        yield from self.listing()
        by_number = self._by_number
        found = []
        for number in numbers:
            if number not in by_number:
                raise UsageError(f"there is no message {number}")
            found.append(by_number[number])
        return found

    # ---- messages -------------------------------------------------------------------------------------------------

    def batch(self, entries: Iterable[Entry], *, lines: int = -1, window: int = WINDOW) -> Batch:
        """RETR, or TOP with `lines`, for many messages.

        Raises:
            UsageError: later, for an entry that is not of this session's listing.
        """
        own = map(self._own, entries)
        return Batch(self._exchange, self._seals, own, self.plan.limits, lines=lines, window=window)

    def _own(self, entry: Entry) -> Entry:
        # A number of another session is another message.
        if self._by_number.get(entry.number) != entry:
            raise UsageError(f"message {entry.number} is not of this session's listing")
        return entry

    def retrieve(self, entry: Entry) -> Work[Ticket]:
        """RETR of one message; `piece` gives its octets.

        Raises:
            Refused: there is no such message any more, or it cannot be read now.
        """
        exchange = self._exchange
        ticket = yield from exchange.post(Verb.RETR, number=entry.number, allowed=self.plan.limits.octets(entry.size))
        self._seals.alone()
        yield from exchange.demand(ticket)
        return ticket

    def piece(self, entry: Entry, ticket: Ticket) -> Work[bytes | None]:
        """The next octets of a message, 64 KiB at most; None at its end, when it is certain that it is this message.

        Raises:
            ProtocolError: it may be another one, or not whole.
        """
        piece = yield from self._exchange.piece(ticket)
        if piece is None:
            yield from self._seals.confirm(entry, ticket)
            return None
        ticket.lines += piece.count(b"\n")
        if len(ticket.begins) < STATUS_BEGINS:
            ticket.begins += piece[:STATUS_BEGINS]
        if self.plan.progress is not None:
            self.plan.progress(Progress(entry, ticket.octets))
        return piece

    def top(self, entry: Entry, lines: int) -> Work[bytes]:
        """The headers, the empty line and so many lines of the body.

        Raises:
            Refused: the server has no TOP, or not for this message.
        """
        exchange = self._exchange
        allowed = self.plan.limits.octets(entry.size)
        ticket = yield from exchange.post(Verb.TOP, number=entry.number, lines=lines, allowed=allowed)
        self._seals.alone()
        yield from exchange.demand(ticket)
        return (yield from self.head(ticket))

    def head(self, ticket: Ticket) -> Work[bytes]:
        """The body of a reply to TOP; what is beyond the limit of headers is read and dropped."""
        most = self.plan.limits.headers
        kept = bytearray()
        while (piece := (yield from self._exchange.piece(ticket))) is not None:
            kept += piece[: most - len(kept)]
        if ticket.seal is not None:
            yield from self._exchange.status(ticket.seal)
        return bytes(kept)

    # ---- deletions ------------------------------------------------------------------------------------------------

    def mark(self, entry: Entry) -> Work[None]:
        """Say DELE without waiting for its reply."""
        if entry.number not in self._deletions:
            self._deletions[entry.number] = yield from self._exchange.post(Verb.DELE, number=entry.number)

    def delete(self, numbers: Iterable[int]) -> Work[dict[int, Status]]:
        """Mark messages to be deleted at QUIT, and return what the server said to each.

        Raises:
            UsageError: a number is not listed; nothing was marked then.
        """
        entries = yield from self._entries(numbers)
        for entry in entries:
            yield from self.mark(entry)
        statuses = {}
        for entry in entries:
            statuses[entry.number] = yield from self._exchange.status(self._deletions[entry.number])
        return statuses

    def reset(self) -> Work[None]:
        """Take all deletion marks back.

        Raises:
            Refused: by the server.
        """
        yield from self._exchange.demand((yield from self._exchange.post(Verb.RSET)))
        self._deletions.clear()

    def noop(self) -> Work[None]:
        """Keep the session alive."""
        yield from self._exchange.demand((yield from self._exchange.post(Verb.NOOP)))

    # ---- the end --------------------------------------------------------------------------------------------------

    def quit(self) -> Work[bool | None]:
        """Say QUIT, which deletes what is marked, and close.

        Returns whether the server says that it is done: True, False, or None when its reply is missing. Where nothing
        is marked and messages are still on their way, they are not waited for, and there is no QUIT.
        """
        exchange = self._exchange
        if not exchange.line.open:
            return self.committed
        if exchange.state is State.GREETING or (exchange.busy and not self._deletions):
            yield from exchange.line.close()
            return None
        try:
            yield from self._quit()
        finally:
            for tell in self._tell:
                tell(self.committed)
        return self.committed

    def _quit(self) -> Work[None]:
        exchange = self._exchange
        try:
            yield from exchange.settle()
            if self._deletions:
                yield from self._seals.closing()
            ticket = yield from exchange.post(Verb.QUIT)
            self.committed = bool((yield from exchange.status(ticket)).ok)
        except (ConnectionLost, DeadlineExceeded):
            return  # whether QUIT arrived, and what came of it, nobody knows
        yield from exchange.line.close()

    def at_quit(self, tell: Callable[[bool | None], None]) -> None:
        """Have QUIT's result told, too. Not called when the session ends without QUIT."""
        self._tell.append(tell)
