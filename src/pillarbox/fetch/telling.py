"""What a run tells while it goes: progress, events of single messages, and the numbers of its result.

Rules: everything is told once, by the thread that receives; the journal decides what a failure counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pillarbox.client.values import Entry
from pillarbox.events.sink import Sink
from pillarbox.events.types_fetch import MessageFailed, MessageQuarantined, MessageSkipped
from pillarbox.fetch.delivering import Outcome, shown_id
from pillarbox.fetch.journal import Journal
from pillarbox.fetch.records import Why
from pillarbox.fetch.settings import FetchAccount, FetchProgress, ProgressSink, RunResult
from pillarbox.fetch.staging import Part


class Telling:
    """Tells of one run.

    Attributes:
        put_off: the keys of messages that failed, which this run leaves to the next one.
    """

    def __init__(
        self, account: FetchAccount, journal: Journal, result: RunResult, events: Sink, progress: ProgressSink
    ) -> None:
        self._account = account
        self._journal = journal
        self._result = result
        self._events = events
        self._progress = progress
        self._now = FetchProgress(account.name, 0, 0, 0, 0)
        self.put_off: set[bytes] = set()
        self._tried: set[bytes] = set()

    def expect(self, entries: Sequence[Entry]) -> None:
        """These are to be received now."""
        now = self._now
        octets = now.octets + sum(entry.size for entry in entries)
        self._now = now._replace(messages_total=now.messages + len(entries), octets_total=octets)
        self._progress(self._now)

    def arriving(self, octets: int) -> None:
        """So many octets of the next message have come."""
        self._progress(self._now._replace(octets=self._now.octets + octets))

    def arrived(self, entry: Entry, part: Part) -> None:
        """A message has come whole."""
        now = self._now
        self._now = now._replace(messages=now.messages + 1, octets=now.octets + part.content.octets)
        self._progress(self._now)

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """This became of messages."""
        result = self._result
        for outcome in outcomes:
            if outcome.quarantined:
                result.quarantined += 1
            elif not outcome.delivered:
                result.failed += 1
                self.put_off.add(outcome.key)
            elif outcome.why in (Why.NOTHING, Why.SHORT):
                result.fetched += 1
                result.octets += outcome.octets

    def skipped(self, entry: Entry, reason: str) -> None:
        """A message is left on the server because of its size."""
        self._result.skipped += 1
        self._skipped(entry, reason)

    def short(self, entry: Entry, octets: int) -> None:
        """A message came shorter than it is listed: it is delivered, and stays on the server, too."""
        self._skipped(entry, f"delivered, but only {octets} of {entry.size} octets came: not deleted on the server")

    def filtered(self, entry: Entry, reason: str) -> None:
        """A message is not fetched because of the filter."""
        self._result.filtered += 1
        self._skipped(entry, reason)

    def _skipped(self, entry: Entry, reason: str) -> None:
        name, key = self._account.name, shown_id(entry.unique_id)
        self._events.emit(MessageSkipped(account=name, unique_id=key, size=entry.size, reason=reason))

    def failed(self, entry: Entry, reason: str, *, counted: bool) -> None:
        """A message was refused, or could not be written: this run does not try it again."""
        self.put_off.add(entry.unique_id)
        self._tell_failure(entry, reason, counted=counted and entry.unique_id not in self._tried)

    def broke(self, entry: Entry, reason: str, *, counted: bool) -> None:
        """The session ended on a message: it is tried again, after all others."""
        # Where nothing at all got through, the line may be at fault; and one run is one try.
        counted = (counted or self._now.messages > 0) and entry.unique_id not in self._tried
        self._tell_failure(entry, reason, counted=counted)

    def _tell_failure(self, entry: Entry, reason: str, *, counted: bool) -> None:
        if counted:
            self._tried.add(entry.unique_id)
        tries = self._journal.failed(entry.unique_id, reason, counted=counted) if entry.unique_id else 0
        name, key = self._account.name, shown_id(entry.unique_id)
        if tries >= self._account.tries and counted:
            self._journal.quarantined(entry.unique_id, reason)
            self._result.quarantined += 1
            self._events.emit(MessageQuarantined(account=name, unique_id=key, size=entry.size, reason=reason, kept=""))
            return
        self._result.failed += 1
        self._events.emit(MessageFailed(account=name, unique_id=key, size=entry.size, reason=reason, tries=tries))
