"""Which of the new messages are downloaded: the filter, and the limit of sizes.

Rules: the filter is asked before anything is downloaded, by `TOP`, in a pipelined stream; where the server has no TOP,
the filter is asked after the download, so that it means the same everywhere; each message that is left behind is
recorded and told once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pillarbox.client.blocking import Client
from pillarbox.client.values import Entry
from pillarbox.fetch.line_ends import exact
from pillarbox.fetch.records import Why
from pillarbox.fetch.staging import HEADER, Part, drop
from pillarbox.fetch.tools import Tools
from pillarbox.fetch.verdict import Decision, Verdict


class Sifting:
    """Sifts the messages of one session.

    Attributes:
        unread: numbers of messages whose header the server did not give: `passes` has to be asked.
    """

    def __init__(self, box: Client, tools: Tools) -> None:
        self._box = box
        self._tools = tools
        self._filter = tools.account.filter
        self.unread: set[int] = set()

    def wanted(self, entries: Sequence[Entry], due: dict[bytes, int]) -> list[Entry]:
        """Those to be downloaded. What the filter wants deleted is added to `due`."""
        if self._filter is None or not entries:
            return list(entries)
        wanted = []
        decided: list[tuple[Entry, Decision]] = []
        for entry, header in self._box.headers(entries, self._tools.account.filter_lines):
            if not header:
                self.unread.add(entry.number)
                wanted.append(entry)
                continue
            decision = self._filter(header, entry.size)
            if decision.verdict is Verdict.FETCH:
                wanted.append(entry)
            else:
                decided.append((entry, decision))
        self._leave(decided, due)
        return wanted

    def passes(self, entry: Entry, part: Part, due: dict[bytes, int]) -> bool:
        """Whether a message that was downloaded without asking is wanted; it is dropped if not."""
        assert self._filter is not None
        header = next(iter(exact(part.path)), b"")[:HEADER].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        decision = self._filter(header, entry.size)
        if decision.verdict is Verdict.FETCH:
            return True
        drop(part)
        self._leave([(entry, decision)], due)
        return False

    def too_large(self, entries: Iterable[Entry]) -> None:
        """Leave these on the server."""
        for entry in entries:
            reason = f"too large: {entry.size} octets, the limit is {self._tools.account.largest}"
            self._tools.journal.set_aside([entry.unique_id], Why.SIZE, reason)
            self._tools.telling.skipped(entry, reason)

    def _leave(self, decided: Sequence[tuple[Entry, Decision]], due: dict[bytes, int]) -> None:
        journal = self._tools.journal
        alike: defaultdict[Decision, list[bytes]] = defaultdict(list)
        for entry, decision in decided:
            alike[decision].append(entry.unique_id)
        # One transaction for all that a rule has decided: each waits for the disk.
        for decision, keys in alike.items():
            if decision.verdict is Verdict.DELETE:
                journal.unwanted(keys, _reason(decision))
            else:
                journal.set_aside(keys, Why.FILTER, _reason(decision))
        for entry, decision in decided:
            if decision.verdict is Verdict.DELETE:
                due[entry.unique_id] = entry.number
            self._tools.telling.filtered(entry, _reason(decision))


def _reason(decision: Decision) -> str:
    return f"filter: {decision.reason}" if decision.reason else "filter"
