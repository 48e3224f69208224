"""Messages without a unique-id that can be trusted: none, an odd one, one that several have, or one that is reused.

Rules: such a message is downloaded and known by its octets (SHA-256); of several equal messages each counts, so that
none is lost; one that was delivered before, under whatever key, is not delivered again. That is all that can be done:
it costs a download each time, and it is documented so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pillarbox.client.values import Entry
from pillarbox.fetch.records import Known, State, content_key, is_content_key

_HELD = (State.DELIVERED, State.PENDING, State.STAGED)


class Doubtful:
    """Recognises the messages of one listing by their content.

    Args:
        known: the journal.
        listing: all of it: what is listed under its own unique-id is no candidate for another message.

    Attributes:
        complete: whether all doubtful messages of the listing came, so that what did not turn up is gone.
    """

    def __init__(self, known: Mapping[bytes, Known], listing: Iterable[Entry]) -> None:
        self._known = known
        here = {entry.unique_id for entry in listing if entry.unique_id}
        self._vanished: dict[bytes, list[bytes]] = defaultdict(list)
        self._contents: dict[bytes, list[bytes]] = defaultdict(list)
        self._matched: set[bytes] = set()
        self.complete = False
        for key, record in known.items():
            if record.sha256 is None or record.state not in _HELD:
                continue
            if is_content_key(key):
                self._contents[record.sha256].append(key)
            elif key not in here:
                self._vanished[record.sha256].append(key)

    def key(self, entry: Entry, sha256: bytes) -> tuple[bytes, bytes | None]:
        """The key of a message that was received, and the key it was known by before, if that was another one.

        It is an old message when its key is in the journal.
        """
        record = self._known.get(entry.unique_id) if entry.unique_id else None
        if record is not None and record.sha256 == sha256:
            return entry.unique_id, None  # only the size in the listing had changed
        nth = 0
        while (key := content_key(sha256, nth)) in self._matched or self._is_over(key):
            nth += 1
        self._matched.add(key)
        if key not in self._known and self._vanished[sha256]:
            return key, self._vanished[sha256].pop(0)
        return key, None

    def adopt(self, sha256: bytes) -> bytes | None:
        """The key of a message that was known by its content only, and now has a unique-id; None if there is none."""
        for key in self._contents.get(sha256, ()):
            if key not in self._matched:
                self._matched.add(key)
                return key
        return None

    def missing(self) -> list[bytes]:
        """The messages known by their content that did not turn up: they are gone from the server."""
        return [key for keys in self._contents.values() for key in keys if key not in self._matched]

    def _is_over(self, key: bytes) -> bool:
        """Its name stands for a message that was deleted: another message with the same octets needs another one."""
        record = self._known.get(key)
        return record is not None and record.state is State.GONE
