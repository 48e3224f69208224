"""One session of a run: what follows from the listing is carried out, and committed by QUIT.

Rules: a message is marked for deletion only after its record says `delivered` durably, and only at the end, so that a
session that breaks deletes nothing; whatever breaks, the messages that came whole are still delivered. What is to be
done is decided in `plan`; how messages arrive, in `receiving`; how they are delivered, in `delivering`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from pillarbox.client.blocking import Client
from pillarbox.client.values import Entry
from pillarbox.events.types_fetch import ServerMoved
from pillarbox.fetch import moved
from pillarbox.fetch.batches import Batches
from pillarbox.fetch.delivering import Item, Outcome
from pillarbox.fetch.doubtful import Doubtful
from pillarbox.fetch.errors import FetchError
from pillarbox.fetch.plan import Oversize, Plan, make_plan
from pillarbox.fetch.receiving import Receiving
from pillarbox.fetch.records import Known, State, Why
from pillarbox.fetch.report import report
from pillarbox.fetch.settings import AT_ONCE, Step
from pillarbox.fetch.sifting import Sifting
from pillarbox.fetch.staging import Part, drop
from pillarbox.fetch.tools import Tools

_SHORT_PART = 100
_SHORT_OCTETS = 16
"""A message that is shorter than its listed size by more than a hundredth, and by more than so many octets, may have
been cut: servers that count a line end too many, or estimate a little, do not come so far."""

_FEWER = "LIST has another number of messages than STAT"  # as `Client.doubts` has it


class Session:
    """Carries out one session with `box`, which is logged in."""

    def __init__(self, box: Client, tools: Tools) -> None:
        self._box = box
        self._tools = tools
        self._account = tools.account
        self._journal = tools.journal
        self._end = tools.clock() + tools.account.commit_seconds
        self._left = tools.account.commit_messages
        self._due: dict[bytes, int] = {}
        """What is to be deleted: keys with message numbers."""
        self._batches = Batches(tools.delivering.batch, tools.account.batch_messages, tools.account.name)
        self._receiving = Receiving(box, tools.staging, self._goes_on, tools.telling)
        self._sifting = Sifting(box, tools)

    def run(self) -> bool:
        """Do it all. Returns whether there is more to be done in another session.

        Raises:
            ClientError: the server ended it; what was received whole is delivered, nothing was deleted.
            FetchError, DestinationError: disk or destination did.
        """
        try:
            listing = self._box.listing()
            missing = self._box.stat().messages - len(listing) if _FEWER in self._box.doubts else 0
            known = self._listed(listing)
            plan = make_plan(listing, known, self._tools.clock(), limit=self._account.largest)
            self._due.update((entry.unique_id, entry.number) for entry in plan.delete)
            more = self._fetch(plan, known, listing)
            self._batches.drain()
        finally:
            self._close_batches()
        self._mark()
        self._quit()
        if missing > 0:
            text = f"the server says it has {missing + len(listing)} messages, and lists {len(listing)}"
            raise FetchError(f"{text}: what is missing was not fetched", temporary=True)
        return more

    def _listed(self, listing: Sequence[Entry]) -> dict[bytes, Known]:
        """Bring the journal up to date with the listing; returns what it knows then."""
        journal = self._journal
        known = journal.known()
        suspects = moved.suspects(listing, known)
        if suspects:
            # Before the listing is recorded: then a crash in between leaves nothing half done.
            found = moved.matches(self._box.headers(suspects), listing, known)
            if found:
                journal.renamed(found)
                known = journal.known()
                self._tools.events.emit(ServerMoved(account=self._account.name, messages=len(found)))
                self._tools.result.recognised += len(found)
        changed = journal.listed((entry.unique_id, entry.size) for entry in listing if entry.unique_id)
        self._tools.step(Step.LISTED)
        return journal.known() if changed else known

    # ---- receiving --------------------------------------------------------------------------------------------

    def _fetch(self, plan: Plan, known: Mapping[bytes, Known], listing: Sequence[Entry]) -> bool:
        """Receive what is planned, as much of it as one session takes. Returns whether there is more."""
        put_off = self._tools.telling.put_off
        again = [entry for entry in plan.again if entry.unique_id not in put_off]
        others = bool(plan.delete or plan.doubtful or plan.fetch or plan.oversize)
        doubtful, oversize = self._cut(plan.doubtful), plan.oversize
        fetch = self._cut(plan.fetch if others else again)
        more = len(doubtful) + len(fetch) < len(plan.doubtful) + len(plan.fetch) or (others and bool(again))
        fetch = self._sifting.wanted(fetch, self._due)
        if oversize and self._account.oversize is Oversize.SKIP:
            self._sifting.too_large(oversize)
            oversize = []
        arriving = [*doubtful, *fetch, *(oversize if self._account.oversize is Oversize.QUARANTINE else ())]
        self._tools.telling.expect(arriving)
        recognised = Doubtful(known, listing)
        self._receive_doubtful(doubtful, recognised, known)
        for entry, part in self._receiving.receive(fetch):
            self._tools.step(Step.RECEIVED)
            self._tools.telling.arrived(entry, part)
            self._receive_one(entry, part, recognised, known)
        if not more and not self._receiving.stopped and recognised.complete:
            self._journal.gone(recognised.missing())
        if self._account.oversize is Oversize.HEADERS:
            self._report(oversize)
        elif oversize:
            self._receive_oversize(oversize)
        return more or (self._receiving.stopped and not self._tools.stop.is_set())

    def _cut(self, entries: list[Entry]) -> list[Entry]:
        """So many of them as are left for this session; all, where nothing is deleted at once."""
        if self._account.delete_after != AT_ONCE:
            return entries
        taken = entries[: self._left]
        self._left -= len(taken)
        return taken

    def _goes_on(self) -> bool:
        if self._tools.stop.is_set():
            return False
        return self._account.delete_after != AT_ONCE or self._tools.clock() < self._end

    def _receive_one(self, entry: Entry, part: Part, recognised: Doubtful, known: Mapping[bytes, Known]) -> None:
        old = recognised.adopt(part.content.sha256)
        if old is not None:  # it had no usable unique-id before
            self._recognised(entry, part, entry.unique_id, old, known[old])
        elif entry.number not in self._sifting.unread or self._sifting.passes(entry, part, self._due):
            self._put(self._item(entry, entry.unique_id, part))

    def _item(self, entry: Entry, key: bytes, part: Part) -> Item:
        """A message to be delivered; one that came too short is never deleted, for nobody knows what is missing."""
        octets = part.content.octets
        short = self._account.exact_sizes and octets < entry.size - max(_SHORT_OCTETS, entry.size // _SHORT_PART)
        if short:
            self._tools.telling.short(entry, octets)
        return Item(entry, key, part, self._tools.clock(), why=Why.SHORT if short else Why.NOTHING)

    def _receive_doubtful(self, entries: Sequence[Entry], recognised: Doubtful, known: Mapping[bytes, Known]) -> None:
        for entry, part in self._receiving.receive(entries):
            self._tools.step(Step.RECEIVED)
            self._tools.telling.arrived(entry, part)
            key, old = recognised.key(entry, part.content.sha256)
            record = known.get(old or key)
            if record is None or record.state is State.SEEN:
                self._journal.listed([(key, entry.size)], complete=False)
                self._put(self._item(entry, key, part))
            else:
                self._recognised(entry, part, key, old or key, record)
        recognised.complete = self._receiving.whole == len(entries)

    def _recognised(self, entry: Entry, part: Part, key: bytes, old: bytes, record: Known) -> None:
        """A message that was delivered before, or is to stay where it is."""
        drop(part)
        self._journal.renamed([(old, key, entry.size)])
        self._tools.result.recognised += 1
        overdue = record.delete_at is not None and record.delete_at <= self._tools.clock()
        if record.delivered and (record.state is State.PENDING or overdue):
            self._due[key] = entry.number

    def _receive_oversize(self, entries: Sequence[Entry]) -> None:
        reason = f"larger than {self._account.largest} octets"
        for entry, part in self._receiving.receive(entries):
            self._tools.telling.arrived(entry, part)
            self._put(Item(entry, entry.unique_id, part, self._tools.clock(), quarantine=reason))

    def _report(self, entries: Sequence[Entry]) -> None:
        """Deliver reports in place of messages that are too large."""
        for entry, header in self._box.headers(entries):
            octets = report(header, entry.size, self._account.largest or 0, self._account.name)
            part = self._tools.staging.receive([octets])
            self._put(Item(entry, entry.unique_id, part, self._tools.clock(), why=Why.SIZE))
            self._tools.telling.skipped(entry, f"too large: {entry.size} octets")

    def _put(self, item: Item) -> None:
        self._batches.put(item)
        self._take()

    def _take(self) -> None:
        """Note what became of messages."""
        outcomes = self._batches.take()
        self._tools.telling.count(outcomes)
        if self._account.delete_after == AT_ONCE:
            self._due.update((o.key, o.entry.number) for o in outcomes if _is_deletable(o) and o.entry is not None)

    def _close_batches(self) -> None:
        """Also after an error, what came whole is delivered. A second error says nothing new: the first is raised."""
        with contextlib.suppress(Exception):
            self._batches.drain()
        self._batches.close()
        self._take()

    # ---- the end --------------------------------------------------------------------------------------------------

    def _mark(self) -> None:
        """Say DELE for what is due."""
        if not self._due:
            return
        self._journal.marking(self._due)
        self._tools.step(Step.MARKING)
        statuses = self._box.delete(self._due.values())
        self._tools.step(Step.MARKED)
        # What the server refuses to delete stays pending, and is asked for again by the next run.
        self._due = {key: number for key, number in self._due.items() if statuses[number].ok}

    def _quit(self) -> None:
        committed = self._box.quit()
        self._tools.step(Step.COMMITTED)
        if committed and self._due:
            self._journal.gone(self._due)
            self._tools.result.deleted += len(self._due)
            self._tools.step(Step.GONE)


def _is_deletable(outcome: Outcome) -> bool:
    return outcome.delivered and outcome.why is Why.NOTHING
