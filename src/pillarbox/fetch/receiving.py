"""Messages from the server into part files: in a pipelined stream, with the blame kept where it belongs.

Rules: a message that is refused, or on which the connection breaks, never stands in the way of others: it is put last
next time. Whether it counts towards its quarantine is for `telling` to know: a bad line is not the message's fault.
What is fed into the pipeline can be stopped at any moment; what is on its way is still taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from pillarbox.client.blocking import Client, Retrieval
from pillarbox.client.errors import ClientError, LimitExceeded, shown
from pillarbox.client.values import Entry
from pillarbox.fetch.errors import StagingError
from pillarbox.fetch.staging import SMALL, Part, Staging

_PASSING = ("SYS/TEMP", "IN-USE", "LOGIN-DELAY")
"""Response codes that speak of the server and not of the message (RFC 2449 §8, RFC 3206 §4)."""


class FailureSink(Protocol):
    """Is told of messages that did not arrive, why, and whether that counts towards their quarantine."""

    def failed(self, entry: Entry, reason: str, *, counted: bool) -> None:
        """The message itself was refused, or could not be written."""
        ...

    def broke(self, entry: Entry, reason: str, *, counted: bool) -> None:
        """The session ended on this message."""
        ...


class Receiving:
    """Receives in one session.

    Args:
        box: the session.
        staging: where the part files go.
        going_on: asked before a message is asked for; False ends the stream.
        failures: told of messages that did not arrive.
    """

    def __init__(self, box: Client, staging: Staging, going_on: Callable[[], bool], failures: FailureSink) -> None:
        self._box = box
        self._staging = staging
        self._going_on = going_on
        self._failures = failures
        self._asked: deque[Entry] = deque()
        self._full = False
        self.whole = 0
        """Messages of this session that came whole."""
        self.stopped = False
        """Whether `going_on` ended the stream, so that some messages were not asked for."""

    def receive(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Part]]:
        """The messages, in their order, each durable only after `Durable`.

        Raises:
            ClientError: the session is over. The message it broke on has been told to `failures`.
            StagingError: nothing can be written.
        """
        try:
            for retrieval in self._box.retrieve(self._feed(entries)):
                part = self._one(retrieval)
                self._asked.popleft()
                if part is not None:
                    self.whole += 1
                    yield retrieval.entry, part
        except ClientError as error:
            if self._asked:
                self._failures.broke(self._asked[0], str(error), counted=isinstance(error, LimitExceeded))
            raise

    def _feed(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            if not self._going_on():
                self.stopped = True
                return
            self._asked.append(entry)
            yield entry

    def _one(self, retrieval: Retrieval) -> Part | None:
        entry = retrieval.entry
        if retrieval.refused is not None:
            status = retrieval.refused
            reason = f"RETR refused: {shown(status.text) or 'no reason given'}"
            self._failures.failed(entry, reason, counted=not status.code.startswith(_PASSING))
            return None
        try:
            return self._staging.receive(retrieval.chunks(), lambda: retrieval.sha256)
        except StagingError as error:
            # A large message may not fit where small ones still do; then the small ones are not to wait for it.
            if not error.full or entry.size <= SMALL or self._full:
                raise
            self._full = True
            self._failures.failed(entry, error.text, counted=False)
            return None
