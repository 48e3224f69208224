r"""Makes sure that replies belong to their commands: that a message is the one that was asked for, and all of it.

A server that does not stuff dots, leaves out an end or says a line too many makes one reply out of two, or two out of
one; behind that, every message would be taken for another one, recorded as safe, and deleted. A sender of mail can
bring it about wherever dots are not stuffed, and can forge what follows. So each message that is asked for ahead is
followed by a seal: UIDL of that very message, in the same segment. Its answer is one line that no sender can know
beforehand; when it comes where it has to come, the message before it was framed rightly. That costs a small command a
message, and no round trip. Rules: a message is complete only when its seal is; a seal that is wrong ends the session
without QUIT. A message that was asked for alone is right when it has the listed size and nothing stands behind it;
if not, the server is asked afterwards. Sizes alone prove nothing: honest servers estimate them.
Where UIDL has no argument, messages are asked for one by one.
Elsewhere: framing within one reply (`pillarbox.wire`); what is sent ahead (`batch`).
Serves RFC 1939 §7 (UIDL), RFC 2449 §6.8.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from functools import partial

from pillarbox.client.errors import ProtocolError
from pillarbox.client.exchange import Exchange, Fits, Ticket
from pillarbox.client.values import Entry
from pillarbox.client.wants import Work
from pillarbox.wire.commands import Verb
from pillarbox.wire.replies import Status

_STATUS = (b"+OK", b"-ERR")
STATUS_BEGINS = 4
"""Octets that tell a status line."""


class Seals:
    """The seals of one session.

    Args:
        exchange: of the session.
        entries: its listing, by message number.
        deleted: the numbers that DELE was said for.
    """

    def __init__(self, exchange: Exchange, entries: Mapping[int, Entry], deleted: Container[int]) -> None:
        self._exchange = exchange
        self._entries = entries
        self._deleted = deleted
        self._works: bool | None = None  # whether UIDL of one message is answered as the listing has it
        self._estimates = False  # the server's sizes are not exact
        self._open = False  # messages have come since the last seal

    # ---- messages asked for ahead ---------------------------------------------------------------------------------

    def prepare(self) -> Work[bool]:
        """Whether messages can be sealed, and so be asked for ahead; found out once."""
        if not self._exchange.pipelining or len(self._entries) < 2:
            return False
        return (yield from self._tried())

    def _tried(self) -> Work[bool]:
        if self._works is None:
            self._works = False
            target = self._named(None)
            if target is not None:
                ticket = yield from self._exchange.post(Verb.UIDL, number=target.number)
                self._works = _is_named(target, (yield from self._exchange.status(ticket)))
        return self._works

    def try_with(self, trial: Ticket | None) -> Work[None]:
        """Learn from the answer to UIDL of message 1, which was asked before it was known whether there is one."""
        if trial is not None:
            status = yield from self._exchange.status(trial)
            first = self._entries.get(1)
            if first is not None and first.unique_id and _is_named(first, status):
                self._works = True

    def behind(self, entry: Entry, ticket: Ticket) -> None:
        """Seal the message that was asked for by the last command. `prepare` has said that it can be."""
        target = self._named(entry)
        if target is None:  # every message that has a unique-id is deleted
            self._open = True
            return

        def fits(status: Status) -> bool:
            refused = ticket.status is not None and not ticket.status.ok
            return _is_named(target, status) or (refused and not status.ok)

        ticket.seal = self._exchange.overlap(Verb.UIDL, target.number, fits)
        ticket.listed = entry.size

    def alone(self) -> None:
        """A message was asked for without a seal."""
        self._open = True

    # ---- messages that have come ----------------------------------------------------------------------------------

    def confirm(self, entry: Entry, ticket: Ticket) -> Work[None]:
        """A message has come to its end: make sure that it is this one, and whole.

        Raises:
            ProtocolError: it may not be.
        """
        if ticket.confirmed or ticket.status is None or not ticket.status.ok:
            return
        # Some servers count a line end as one octet where they send two.
        exact = entry.size in (ticket.octets, ticket.octets - ticket.lines)
        if not exact and ticket.begins.startswith(_STATUS):
            text = "a message begins with a reply, and has not the size that it should have"
            raise (yield from self._exchange.line.abort(ProtocolError(text), ticket.verb.name))
        if ticket.seal is not None:
            yield from self._sealed(ticket, exact)
        else:
            yield from self._alone(entry, exact)
        ticket.confirmed = True

    def _sealed(self, ticket: Ticket, exact: bool) -> Work[None]:
        exchange = self._exchange
        if not exact and not self._estimates and exchange.awaits(ticket.octets):
            text = "a message has the size of another one that was asked for behind it"
            raise (yield from exchange.line.abort(ProtocolError(text), ticket.verb.name))
        assert ticket.seal is not None
        yield from exchange.status(ticket.seal)
        self._estimates = self._estimates or not exact

    def _alone(self, entry: Entry, exact: bool) -> Work[None]:
        if not self._exchange.outstanding:
            yield from self._exchange.line.quiet()
        if not exact:
            yield from self._ask(entry)

    def closing(self) -> Work[None]:
        """Before QUIT deletes anything: make sure that the last messages were framed rightly, too.

        Raises:
            ProtocolError: they may not have been.
        """
        if self._open:
            yield from self._ask(None)

    # ---- questions asked afterwards -------------------------------------------------------------------------------

    def _ask(self, entry: Entry | None) -> Work[None]:
        yield from self._tried()
        for verb, number, fits in self._questions(entry):
            ticket = yield from self._exchange.post(verb, number=number, fits=fits)
            yield from self._exchange.status(ticket)
        if not self._exchange.outstanding:
            yield from self._exchange.line.quiet()
        self._open = False

    def _questions(self, entry: Entry | None) -> Iterator[tuple[Verb, int, Fits]]:
        target = self._named(entry) if self._works else None
        if target is not None:
            yield Verb.UIDL, target.number, partial(_is_named, target)
            return
        # A sender may guess these: several have to be right, and what he leaves over at the end is no reply.
        for listed in self._two(entry):
            yield Verb.LIST, listed.number, partial(_is_listed, listed)
        yield Verb.NOOP, 0, _is_ok

    def _named(self, entry: Entry | None) -> Entry | None:
        """The message to ask about: this one, or another one that has a unique-id and is not deleted."""
        if entry is not None and entry.unique_id:
            return entry
        there = (each for each in self._entries.values() if each.unique_id and each.number not in self._deleted)
        return next(there, None)

    def _two(self, entry: Entry | None) -> list[Entry]:
        there = [each for each in self._entries.values() if each.number not in self._deleted and each != entry]
        return [*([entry] if entry is not None else []), *there[-1:]]


def _is_named(entry: Entry, status: Status) -> bool:
    number, _, unique_id = status.text.replace("\t", " ").strip(" ").partition(" ")
    known = entry.unique_id.decode("utf-8", "replace")
    return status.ok is True and _is_number(number, entry.number) and unique_id.strip(" ") == known


def _is_listed(entry: Entry, status: Status) -> bool:
    number, _, _ = status.text.strip().partition(" ")
    return status.ok is True and _is_number(number, entry.number)


def _is_ok(status: Status) -> bool:
    return status.ok is True


def _is_number(word: str, number: int) -> bool:
    return word.lstrip("0") == str(number)
