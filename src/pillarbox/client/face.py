"""What `Client` and `AsyncClient` have in common: their arguments, and what can be asked without waiting."""

from __future__ import annotations

import secrets
import time

from pillarbox.client import address
from pillarbox.client.auth import Auth, Password, SecretSource, secret
from pillarbox.client.body import Body
from pillarbox.client.conversation import Conversation
from pillarbox.client.errors import UsageError
from pillarbox.client.opening import Plan
from pillarbox.client.settings import Limits, Timeout
from pillarbox.client.tls_rules import TlsRules
from pillarbox.client.values import Entry, ProgressCallback, ServerCapabilities
from pillarbox.client.wants import Channel
from pillarbox.events import Sink


def planned(
    url: str,
    user: str | None,
    password: SecretSource | None,
    auth: Auth | None,
    tls: TlsRules | None,
    timeout: Timeout | None,
    limits: Limits | None,
    events: Sink,
    lenient_lf: bool,
    pipelining: bool | None,
    progress: ProgressCallback | None,
) -> Plan:
    """The plan of a session, from a client's arguments.

    Raises:
        UsageError: they do not fit.
    """
    if password is not None:
        if auth is not None:
            raise UsageError("either password= or auth=, not both")
        # At once a Secret, so that nothing that shows a Client or a Plan can show it.
        auth = Password(password if callable(password) else secret(password))
    return Plan(
        address.parse(url, user or ""),
        auth,
        tls or TlsRules(),
        timeout or Timeout(),
        limits or Limits(),
        events,
        time.monotonic,
        lambda: secrets.token_urlsafe(24),
        lenient_lf,
        pipelining,
        progress,
    )


class Face:
    """What a session knows without asking the server."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk

    @property
    def account(self) -> str:
        """The URL with the user, without a password: what events call this account."""
        return self._talk.plan.address.label

    @property
    def greeting(self) -> str:
        """The server's first line, without "+OK". Untrusted."""
        return self._talk.opening.greeting

    @property
    def capabilities(self) -> ServerCapabilities:
        """What the server said it can do, after the login."""
        return self._talk.opening.capabilities

    @property
    def secured(self) -> Channel | None:
        """The TLS channel: version, cipher, certificate; None without TLS."""
        return self._talk.opening.channel

    @property
    def mechanism(self) -> str:
        """What let us in: a SASL mechanism, "USER" or "APOP"; "" without a login. `Password.first` takes it."""
        return self._talk.opening.mechanism

    @property
    def pipelining(self) -> bool | None:
        """Whether commands are sent ahead: by CAPA, by the caller's word, or found out; None: not known (yet)."""
        return self._talk.exchange.pipelining

    @property
    def doubts(self) -> tuple[str, ...]:
        """What was wrong with the listing, in fixed words."""
        return self._talk.doubts

    @property
    def unique_ids(self) -> bool | None:
        """Whether the server gives unique-ids; None before `listing`."""
        return self._talk.unique_ids

    @property
    def committed(self) -> bool | None:
        """After QUIT: whether the server says that the deletions are done; None: not known."""
        return self._talk.committed

    @property
    def usable(self) -> bool:
        """Whether anything more can be asked."""
        return self._talk.exchange.line.open

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.account}>"


class MessageFace:
    """What a message knows without asking the server."""

    __slots__ = ("_body",)

    def __init__(self, body: Body) -> None:
        self._body = body

    @property
    def entry(self) -> Entry:
        """Number, size and unique-id."""
        return self._body.entry

    @property
    def number(self) -> int:
        """1 or more; valid in this session only."""
        return self._body.entry.number

    @property
    def size(self) -> int:
        """Octets, as listed."""
        return self._body.entry.size

    @property
    def unique_id(self) -> bytes:
        """Opaque; b"" where there is no usable one."""
        return self._body.entry.unique_id

    @property
    def octets(self) -> int:
        """How many octets have come."""
        return self._body.octets

    @property
    def sha256(self) -> bytes | None:
        """Of all octets, once they have been read; None before."""
        return self._body.sha256

    def skip(self, reason: str) -> None:
        """Leave it, and have `seen` remember why."""
        self._body.skip(reason)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number}, {self.size} octets>"
