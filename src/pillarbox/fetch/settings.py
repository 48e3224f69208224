"""What the fetcher has to know of an account, and what it tells of a run: plain values, no files, no TOML.

Rules: octets and seconds; `name` is the account's identity: the journal is found by it, so it must not change when the
server does.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pillarbox.client.auth import Auth, SecretSource
from pillarbox.client.settings import Limits, Timeout
from pillarbox.client.tls_rules import TlsRules
from pillarbox.client.transport import Connector, connect
from pillarbox.fetch.destination import Destination
from pillarbox.fetch.journal import KEPT_DAYS
from pillarbox.fetch.plan import Oversize
from pillarbox.fetch.verdict import Filter

KEEP: None = None
"""For `FetchAccount.delete_after`: messages stay on the server."""

AT_ONCE = 0.0
"""For `FetchAccount.delete_after`: messages are deleted as soon as they are safe."""


@dataclass(frozen=True, slots=True)
class FetchAccount:
    """One account to fetch from.

    Attributes:
        name: its identity.
        url: "pops://user@host" or "pop3://user@host"; see `Client`.
        destination: where the mail goes. One object serves one account.
        journals: the directory of the journals; private staging and quarantine are in it, too.
        user, password, auth, tls, timeout, limits, lenient_lf, pipelining, connect: as for `Client`.
        exact_sizes: a message that comes more than a hundredth shorter than LIST says is delivered, and not deleted.
            False for servers that only estimate.
        delete_after: seconds after delivery until a message is deleted on the server; `AT_ONCE`, `KEEP`.
        largest: octets of LIST above which `oversize` applies; None for no limit.
        oversize: what is done then.
        filter: asked about each new message before it is downloaded.
        filter_lines: lines of the body that it is shown, too.
        commit_messages, commit_seconds: after so many messages, or so long, QUIT carries the deletions out, and a new
            session goes on (where anything is deleted at all).
        tries: of a message that fails, before it is quarantined.
        kept_days: for which vanished messages are remembered.
        reconnections: in one run, after connections that broke.
        batch_messages: of a group commit: it costs a few writes to disk, which they share.
    """

    name: str
    url: str
    destination: Destination
    journals: Path
    user: str | None = None
    password: SecretSource | None = field(default=None, repr=False)
    auth: Auth | None = field(default=None, repr=False)
    tls: TlsRules | None = None
    timeout: Timeout | None = None
    limits: Limits | None = None
    lenient_lf: bool = False
    exact_sizes: bool = True
    pipelining: bool | None = None
    connect: Connector = connect
    delete_after: float | None = KEEP
    largest: int | None = None
    oversize: Oversize = Oversize.SKIP
    filter: Filter | None = None
    filter_lines: int = 0
    commit_messages: int = 1000
    commit_seconds: float = 300.0
    tries: int = 3
    kept_days: float = KEPT_DAYS
    reconnections: int = 3
    batch_messages: int = 128

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("an account has a name")
        if self.delete_after is not None and self.delete_after < 0:
            raise ValueError("delete_after is not negative")
        counts = min(self.commit_messages, self.tries, self.batch_messages)
        if counts < 1 or self.commit_seconds <= 0 or self.reconnections < 0:
            raise ValueError("commit_messages, commit_seconds, tries and batch_messages are above zero")


class FetchProgress(NamedTuple):
    """How far a run has come: of the messages of this session that are to be fetched, and of their octets."""

    account: str
    messages: int
    messages_total: int
    octets: int
    octets_total: int


ProgressSink = Callable[[FetchProgress], None]


class Step(enum.Enum):
    """The moments of a run between which a crash makes a difference: for tests that crash there."""

    LISTED = "listed"  # the listing is in the journal
    RECEIVED = "received"  # a message is in a part file, not durable
    DURABLE = "durable"  # a batch of them is durable
    STAGED = "staged"  # … the intent to deliver it is in the journal
    HANDED_ON = "handed on"  # … it is in its destination, the journal does not know
    DELIVERED = "delivered"  # … the journal knows
    CLEARED = "cleared"  # … what was left of the part files is removed
    MARKING = "marking"  # the journal says that DELE will be sent
    MARKED = "marked"  # DELE was answered
    COMMITTED = "committed"  # QUIT was answered, the journal does not know
    GONE = "gone"  # … the journal knows
    QUARANTINED = "quarantined"  # a message is in the quarantine, the journal does not know


StepSink = Callable[[Step], None]


@dataclass(slots=True)
class RunResult:
    """What a run did.

    Attributes:
        fetched: messages delivered, also those that an earlier run had staged. `octets` are theirs, on the wire.
        recognised: messages that turned out to have been delivered before, under another unique-id.
        filtered: not fetched because of the filter, left there or deleted. skipped: because of their size.
        deleted: on the server, confirmed. pending: to be deleted, not confirmed.
        failed: messages that failed this time and will be tried again. quarantined: those that were put aside.
        sessions: logins. seconds: of the whole run.
        error: what ended the run early; None when it came to its end. It is a `ClientError`, a `DestinationError`,
            or a `FetchError`.
        interrupted: the caller asked it to stop.
    """

    account: str
    fetched: int = 0
    octets: int = 0
    recognised: int = 0
    filtered: int = 0
    skipped: int = 0
    deleted: int = 0
    pending: int = 0
    failed: int = 0
    quarantined: int = 0
    sessions: int = 0
    seconds: float = 0.0
    error: Exception | None = None
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether the run did all there was to do."""
        return self.error is None and not self.interrupted
