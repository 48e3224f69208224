"""The beginning of a session: connect, secure the channel, ask what the server can do, log in. Sans I/O.

Rules: nothing secret is sent before the channel is what the rules say; CAPA is asked again after TLS and after the
login, and nothing learned before TLS is kept; a failure closes the connection.
Elsewhere: what comes after the login (`conversation`); which proof (`login`); whom to trust (`tls_rules`).
Serves RFC 1939 §4, RFC 2449 §5, RFC 2595 §4, RFC 8314 §4.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from pillarbox.client.address import Address
from pillarbox.client.auth import Auth
from pillarbox.client.errors import ConnectError, ConnectionLost, DeadlineExceeded, TlsError, UsageError
from pillarbox.client.exchange import Exchange
from pillarbox.client.line import Clock, Line
from pillarbox.client.login import Scene, login
from pillarbox.client.settings import Limits, Timeout
from pillarbox.client.tls_rules import TlsRules, end_point, words
from pillarbox.client.values import UNKNOWN, ProgressCallback, ServerCapabilities
from pillarbox.client.wants import Call, Channel, Connect, StartTls, Work
from pillarbox.events import Sink
from pillarbox.sasl import Binding
from pillarbox.wire.capabilities import Capabilities
from pillarbox.wire.commands import Verb
from pillarbox.wire.states import State

LINES_OF_CAPA = 500
"""Of a CAPA reply at most: ten times what the longest ones have."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a session is told from outside.

    Attributes:
        auth: None: no login, the session ends at the greeting and CAPA (to look at a server).
        pipelining: what is known from before: True, False, or None to find out.
        nonce: makes printable ASCII without a comma, with 120 bits of randomness or more.
    """

    address: Address
    auth: Auth | None
    tls: TlsRules
    timeout: Timeout
    limits: Limits
    events: Sink
    clock: Clock
    nonce: Callable[[], str]
    lenient_lf: bool = False
    pipelining: bool | None = None
    progress: ProgressCallback | None = field(default=None, repr=False)


class Opening:
    """The beginning of one session.

    Attributes:
        exchange: the commands and replies underneath.
        greeting: the server's first line, untrusted.
        capabilities: as CAPA said last.
        channel: the TLS channel, or None for cleartext.
        mechanism: what let us in, "" before.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.greeting = ""
        self.capabilities: ServerCapabilities = UNKNOWN
        self.channel: Channel | None = None
        self.mechanism = ""
        line = Line(
            clock=plan.clock,
            timeout=plan.timeout,
            events=plan.events,
            account=plan.address.label,
            host=plan.address.host,
            lenient_lf=plan.lenient_lf,
        )
        self.exchange = Exchange(line)

    def begin(self) -> Work[None]:
        """Connect, secure the channel, and log in. After an error the shell closes the connection.

        Raises:
            ClientError: whatever went wrong.
        """
        plan, exchange = self._plan, self.exchange
        if exchange.state is not State.GREETING:
            raise UsageError("a client is one session: make another one")
        yield from self._connect()
        exchange.line.begun()
        if plan.address.implicit:
            yield from self._handshake()
        status = yield from exchange.greeting()
        self.greeting = f"[{status.code}] {status.text}" if status.code else status.text
        yield from self._capa()
        if self.channel is None:
            yield from self._stls()
        exchange.pipelining = False  # nothing is sent ahead of a login
        if plan.auth is None:
            return
        self.mechanism = yield from login(exchange, plan.auth, self._scene())
        yield from self._capa()
        exchange.pipelining = True if self.capabilities.pipelining else None
        if plan.pipelining is not None:
            exchange.pipelining = plan.pipelining

    def _connect(self) -> Work[None]:
        address = self._plan.address
        try:
            yield Connect(address.host, address.port, self._plan.clock() + self._plan.timeout.connect)
        except TimeoutError:
            raise ConnectError(f"no connection to {address.label}: it took too long") from None
        except OSError as problem:
            raise ConnectError(
                f"no connection to {address.label}: {problem.strerror or type(problem).__name__}"
            ) from None

    def _stls(self) -> Work[None]:
        plan, exchange = self._plan, self.exchange
        address = plan.address
        # Without CAPA nobody knows: then asking is the only way to find out.
        if plan.tls.stls and (self.capabilities.stls or not self.capabilities.known):
            ticket = yield from exchange.post(Verb.STLS)
            status = yield from exchange.status(ticket)
            if status.ok:
                # What came behind the +OK in clear is fatal: anybody could have put it there (RFC 2595 §4).
                yield from self._handshake()
                yield from exchange.secured()
                yield from self._capa()
                return
            if self.capabilities.stls:
                exchange.line.report("STLS", "STLS is offered and then refused")
                raise TlsError(f"{address.host} offers STLS and then refuses it: nothing was sent")
        try:
            plan.tls.refuse_cleartext(address.host, address.port)
        except TlsError:
            exchange.line.report("STLS", "no TLS, where there has to be")
            raise

    def _handshake(self) -> Work[None]:
        plan, address = self._plan, self._plan.address
        context = plan.tls.client_context()
        try:
            channel: Channel = yield StartTls(
                context, plan.tls.name or address.host, plan.clock() + plan.timeout.connect
            )
        except TimeoutError:
            self.exchange.line.report("TLS", "the TLS handshake took too long")
            raise DeadlineExceeded(f"the TLS handshake with {address.host} took too long") from None
        except ssl.SSLCertVerificationError as problem:
            self.exchange.line.report("TLS", "the certificate cannot be trusted")
            raise TlsError(f"the certificate of {address.host} cannot be trusted: {problem.verify_message}") from None
        except ssl.SSLError as problem:
            self.exchange.line.report("TLS", "the TLS handshake failed")
            raise TlsError(f"no TLS with {address.host}: {words(problem.reason)}") from None
        except OSError as problem:
            raise ConnectionLost(f"the connection broke in the TLS handshake: {problem.strerror}") from None
        try:
            yield Call(lambda: plan.tls.judge(address.host, address.port, channel.certificate))
        except TlsError:
            self.exchange.line.report("TLS", "the server's key is not the one it has to be")
            raise
        self.channel = channel

    def _capa(self) -> Work[None]:
        exchange = self.exchange
        ticket = yield from exchange.post(Verb.CAPA)
        status = yield from exchange.status(ticket)
        if status.ok:
            listed = Capabilities.parse((yield from exchange.lines(ticket, LINES_OF_CAPA)))
            self.capabilities = ServerCapabilities.of(listed)
        else:
            self.capabilities = UNKNOWN

    def _scene(self) -> Scene:
        address, channel = self._plan.address, self.channel
        bindings = []
        if channel is not None:
            # RFC 5929 §4: it survives a proxy that re-encrypts nothing, and every server can make it.
            if point := end_point(channel.certificate):
                bindings.append(Binding("tls-server-end-point", point))
            if channel.unique:
                bindings.append(Binding("tls-unique", channel.unique))
        return Scene(
            address.user,
            address.host,
            address.port,
            self.greeting,
            self.capabilities,
            tuple(bindings),
            self._plan.nonce,
        )
