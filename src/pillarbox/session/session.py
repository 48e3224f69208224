"""One client's conversation: its state, its counts, and the dispatch from commands to handlers.

Rules: a handler takes a parsed command and returns a reply; nothing here writes to a socket. Which command is legal in
which state is `pillarbox.wire.states`'s to say, and has been checked before. `end` must be called once, whatever
happened: it gives back the lease, and deletes nothing (P21).
Serves RFC 1939 §3-§7.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from pillarbox.auth.attempt import Account, Origin
from pillarbox.events import CleartextLoginRefused, SessionEnded, internal_error
from pillarbox.maildrop.maildrop import Maildrop, Snapshot
from pillarbox.sasl import ServerExchange
from pillarbox.session import capa, exchange, login, mail
from pillarbox.session.context import Context, Door
from pillarbox.session.languages import translate
from pillarbox.wire.commands import Command, Malformed, Received, SaslResponse, Verb
from pillarbox.wire.replies import Challenge, Reply, ResponseCode

Answer = Reply | Challenge
Handler = Callable[["Session", Command], Awaitable[Answer]]

HANDLERS: dict[Verb, Handler] = {
    Verb.USER: login.user,
    Verb.PASS: login.password,
    Verb.APOP: login.apop,
    Verb.AUTH: exchange.auth,
    Verb.STLS: login.stls,
    Verb.UTF8: login.utf8,
    Verb.LANG: login.lang,
    Verb.CAPA: capa.capa,
    Verb.STAT: mail.stat,
    Verb.LIST: mail.list_,
    Verb.RETR: mail.retr,
    Verb.DELE: mail.dele,
    Verb.NOOP: mail.noop,
    Verb.RSET: mail.rset,
    Verb.TOP: mail.top,
    Verb.UIDL: mail.uidl,
    Verb.QUIT: mail.quit_,
}


class Counts:
    """What one session did, for its summary event."""

    __slots__ = ("commands", "deleted", "errors", "received", "retrieved_octets", "sent", "topped")

    def __init__(self) -> None:
        self.commands = self.errors = 0
        self.retrieved_octets = self.topped = self.deleted = 0
        self.received = self.sent = 0


class Session:
    """One conversation.

    Attributes:
        id: unique among all sessions, for events and for repeatable commits.
        origin: where the client is, and whether TLS protects it; replaced after STLS.
        bindings: the channel bindings of the TLS connection, by name; empty without TLS.
        stamp: APOP's timestamp, which the greeting holds, or "" where APOP is not offered (RFC 1939 §7).
        name: what USER said, until PASS; also the last name tried, for events.
        account: who is logged in.
        maildrop, snapshot: None until then.
        marked: indexes marked as deleted; every total is derived from it and the snapshot.
        retrieved: indexes sent by RETR.
    """

    __slots__ = (
        "account",
        "bad",
        "bindings",
        "context",
        "counts",
        "door",
        "exchange",
        "failures",
        "id",
        "language",
        "maildrop",
        "marked",
        "name",
        "origin",
        "pending",
        "retrieved",
        "snapshot",
        "stamp",
        "started",
        "utf8",
    )

    def __init__(self, context: Context, identity: str, origin: Origin, door: Door) -> None:
        self.context = context
        self.id = identity
        self.origin: Origin = origin
        self.door = door
        self.bindings: Mapping[str, bytes] = {}
        self.stamp = context.stamp() if "APOP" in context.mechanisms else ""
        self.started = context.now()
        self.counts = Counts()
        self.account: Account | None = None
        self.maildrop: Maildrop | None = None
        self.snapshot: Snapshot | None = None
        self.marked: set[int] = set()
        self.retrieved: set[int] = set()
        self.failures = 0
        self.bad = 0
        self._afresh()

    def _afresh(self) -> None:
        """All that a client said before TLS counts for nothing after it (RFC 2595 §4)."""
        self.name = ""
        self.utf8 = False
        self.language = ""
        self.exchange: ServerExchange | None = None
        # Decided, but the mechanism has a last word that the client has to answer first (P46, P47).
        self.pending: Account | Reply | None = None

    def greeting(self, text: str) -> str:
        """The text of the greeting of a connection that is let in."""
        return f"{text} {self.stamp}" if self.stamp else text

    def secured(self, origin: Origin, bindings: Mapping[str, bytes]) -> None:
        """A handshake is done: `origin` says so now, and mechanisms may bind to it."""
        self.origin = origin
        self.bindings = bindings
        self._afresh()

    @property
    def login_allowed(self) -> bool:
        """Whether secrets may be sent on this connection as it is now (P54)."""
        return bool(self.origin.tls) or bool(self.door.cleartext_until)

    async def handle(self, received: Received) -> Answer:
        """Answer what the client said. Never raises: a defect becomes an event and -ERR [SYS/TEMP] with a close."""
        self.counts.commands += 1
        try:
            if isinstance(received, Command):
                self.bad = 0
                answer = await HANDLERS[received.verb](self, received)
            elif isinstance(received, SaslResponse):
                answer = await exchange.respond(self, received.data)
            else:
                answer = await self._malformed(received)
        except Exception as error:  # the last border before the peer
            self.context.sink.emit(internal_error(error, self.id))
            answer = Reply(False, "internal error", ResponseCode.SYS_TEMP, close=True)
        if isinstance(answer, Reply):
            if not answer.ok:
                self.counts.errors += 1
            if self.language and (text := translate(answer.text, self.language)) != answer.text:
                answer = answer._replace(text=text)
        return answer

    async def _malformed(self, line: Malformed) -> Answer:
        if self.exchange is not None:
            return exchange.fail(self, line.text)
        if not self.login_allowed:
            if line.verb is Verb.PASS or (line.verb is Verb.AUTH and line.overlong):
                self.saw_cleartext(line.verb.name, secret_seen=True)
        elif line.verb is Verb.PASS and line.overlong and self.name:
            return await login.overlong_password(self)
        self.bad += 1
        policy = self.context.policy
        limit = policy.bad_commands_before_login if self.account is None else policy.bad_commands
        if self.bad >= limit:
            return Reply(False, "too many bad commands", close=True)
        return Reply(False, line.text)

    def saw_cleartext(self, command: str, *, secret_seen: bool) -> None:
        """A login was tried where it is refused: a secret that crossed the wire is burnt (P54)."""
        self.context.sink.emit(
            CleartextLoginRefused(
                session=self.id, peer=self.origin.address, command=command, user=self.name, secret_seen=secret_seen
            )
        )

    async def end(self, how: str) -> None:
        """The connection is over. Gives everything back and emits the one summary (P59); deletes nothing."""
        maildrop, self.maildrop = self.maildrop, None
        try:
            if maildrop is not None:
                await maildrop.release()
        except Exception as error:  # the summary must come, whatever a store does
            self.context.sink.emit(internal_error(error, self.id))
        if self.account is not None:
            self.context.leave_account(self.account.name)
        snapshot = self.snapshot
        counts = self.counts
        self.context.sink.emit(
            SessionEnded(
                session=self.id,
                peer=self.origin.address,
                listener=self.origin.listener,
                user=self.account.name if self.account is not None else self.name,
                tls=self.origin.tls,
                how=how,
                seconds=round(self.context.now() - self.started, 3),
                messages=snapshot.count if snapshot is not None else 0,
                octets=snapshot.total if snapshot is not None else 0,
                retrieved=len(self.retrieved),
                retrieved_octets=counts.retrieved_octets,
                topped=counts.topped,
                marked=len(self.marked),
                deleted=counts.deleted,
                commands=counts.commands,
                errors=counts.errors,
                received=counts.received,
                sent=counts.sent,
            )
        )
