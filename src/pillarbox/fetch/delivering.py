"""From staged to delivered: the durable steps of one batch, and the same steps again after a crash.

Rules: intent is committed before the destination is asked, the result after it; a message that fails is counted by its
key and put into the quarantine after enough tries, the others of its batch go on; when a destination takes nothing,
the run ends instead of downloading against a wall. Called by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pillarbox.client.values import Entry
from pillarbox.events.sink import Sink
from pillarbox.events.types_fetch import MessageFailed, MessageQuarantined
from pillarbox.fetch.destination import Delivered, Destination, DestinationError, Failed, Staged, staged_name
from pillarbox.fetch.durable import Durable
from pillarbox.fetch.journal import Journal
from pillarbox.fetch.quarantine import Quarantine
from pillarbox.fetch.records import Intent, Why
from pillarbox.fetch.settings import FetchAccount, Step, StepSink
from pillarbox.fetch.staging import Part, clear, is_whole, remove

_REPORT = b"\0report"
"""Added to the key for the name of what is delivered in place of a message, so that it is not taken for the message."""


@dataclass(frozen=True, slots=True)
class Item:
    """A message that was received whole. `why` tells what stays on the server in spite of it (a report's message)."""

    entry: Entry
    key: bytes
    part: Part
    received: float
    why: Why = Why.NOTHING
    quarantine: str = ""
    """Why it goes into the quarantine and not to the destination; "" where it does not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message. `entry` is None for one that an earlier run had staged."""

    entry: Entry | None
    key: bytes
    octets: int
    delivered: bool = False
    quarantined: bool = False
    why: Why = Why.NOTHING


class Delivering:
    """The steps of one account's batches."""

    def __init__(
        self,
        account: FetchAccount,
        journal: Journal,
        staging: Path,
        quarantine: Quarantine,
        events: Sink,
        step: StepSink,
        durable: Durable,
    ) -> None:
        self._account = account
        self._destination: Destination = account.destination
        self._journal = journal
        self._staging = staging
        self._quarantine = quarantine
        self._events = events
        self._step = step
        self._durable = durable

    # ---- a batch ----------------------------------------------------------------------------------------------

    def batch(self, items: Sequence[Item]) -> list[Outcome]:
        """Deliver messages durably, one answer for each.

        Raises:
            FetchError: disk or journal fail. Nothing is lost: what is staged is asked for by the next run.
            DestinationError: it takes nothing.
        """
        failed = self._durable([item.part for item in items])
        if failed:
            for item in items:
                remove(item.part.path)
            raise next(iter(failed.values()))
        self._step(Step.DURABLE)
        aside = [item for item in items if item.quarantine]
        outcomes = [self._put_aside(self._staged(_intent(i)), i.entry, i.quarantine) for i in aside]
        wanted = [item for item in items if not item.quarantine]
        if wanted:
            intents = [_intent(item) for item in wanted]
            self._journal.staged(intents, [item.entry.size for item in wanted])
            self._step(Step.STAGED)
            outcomes += self._deliver(list(map(self._staged, intents)), {item.key: item for item in wanted})
        return outcomes

    def _deliver(self, batch: Sequence[Staged], items: dict[bytes, Item]) -> list[Outcome]:
        results = self._destination.deliver(batch)
        self._step(Step.HANDED_ON)
        good = [result for result in results if isinstance(result, Delivered)]
        self._journal.delivered([(r.staged.unique_id, r.id) for r in good], self._account.delete_after)
        self._step(Step.DELIVERED)
        bad = [result for result in results if isinstance(result, Failed)]
        outcomes = [_outcome(result.staged, items, delivered=True) for result in good]
        outcomes += [self._failed(result, items) for result in bad]
        clear(self._staging, [staged.path.name for staged in batch])
        self._step(Step.CLEARED)
        if bad and not good and all(result.temporary for result in bad):
            raise DestinationError(bad[0].reason, temporary=True)
        return outcomes

    def _failed(self, failed: Failed, items: dict[bytes, Item]) -> Outcome:
        staged = failed.staged
        item = items.get(staged.unique_id)
        tries = self._journal.failed(staged.unique_id, failed.reason, counted=not failed.temporary)
        if not failed.temporary and tries >= self._account.tries:
            return self._put_aside(staged, item.entry if item else None, failed.reason)
        self._events.emit(
            MessageFailed(
                account=self._account.name,
                unique_id=shown_id(staged.unique_id),
                size=staged.size,
                reason=failed.reason,
                tries=tries,
            )
        )
        return _outcome(staged, items)

    def _put_aside(self, staged: Staged, entry: Entry | None, reason: str) -> Outcome:
        kept = self._quarantine.keep(staged, reason)
        self._step(Step.QUARANTINED)
        self._journal.quarantined(staged.unique_id, reason)
        remove(staged.path)
        self._events.emit(
            MessageQuarantined(
                account=self._account.name,
                unique_id=shown_id(staged.unique_id),
                size=staged.size,
                reason=reason,
                kept=str(kept),
            )
        )
        return Outcome(entry, staged.unique_id, staged.size, quarantined=True)

    # ---- after a crash --------------------------------------------------------------------------------------------

    def recover(self) -> list[Outcome]:
        """Bring what an earlier run left at `staged` to an end; before the first session of a run.

        Raises:
            FetchError, DestinationError: as `batch`; nothing has changed then, or a part of it was done.
        """
        intents = self._journal.intents()
        there: list[tuple[bytes, str]] = []
        again: list[Staged] = []
        lost: list[bytes] = []
        outcomes: list[Outcome] = []
        for intent in intents:
            staged = self._staged(intent)
            found = self._destination.find(staged)
            if found is not None:
                there.append((intent.key, found))
                outcomes.append(Outcome(None, intent.key, staged.size, delivered=True, why=intent.why))
            elif is_whole(staged.path, intent.content, intent.stored, intent.line_ends):
                again.append(staged)
            else:
                lost.append(intent.key)
        self._journal.put_back(lost)
        self._journal.delivered(there, self._account.delete_after)
        if again:
            outcomes += self._deliver(again, {})
        return outcomes

    def _staged(self, intent: Intent) -> Staged:
        account, key = self._account.name, intent.key
        return Staged(
            name=staged_name(account, key if intent.why is Why.NOTHING else key + _REPORT),
            path=self._staging / intent.file,
            size=intent.content.octets,
            sha256=intent.content.sha256,
            account=account,
            unique_id=key,
            received=intent.received,
            stored=intent.stored,
            line_ends=intent.line_ends,
        )


def shown_id(key: bytes) -> str:
    """A key for people: the unique-id, or the hash that stands for it."""
    return key.hex() if key.startswith(b"\0") else key.decode("ascii", "backslashreplace")


def _intent(item: Item) -> Intent:
    part = item.part
    return Intent(item.key, part.content, part.path.name, part.stored, part.line_ends, item.received, item.why)


def _outcome(staged: Staged, items: dict[bytes, Item], *, delivered: bool = False) -> Outcome:
    item = items.get(staged.unique_id)
    if item is None:
        return Outcome(None, staged.unique_id, staged.size, delivered=delivered)
    return Outcome(item.entry, staged.unique_id, staged.size, delivered=delivered, why=item.why)
