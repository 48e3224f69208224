"""The line to the server: octets out and things said in, with every deadline. Sans I/O.

Rules: only waiting for the server counts against it; after a doubt about framing, a limit, a deadline or the end of the
connection it is closed without QUIT, an event tells of it, and every later call fails with the reason.
Elsewhere: which command has which reply (`exchange`); framing itself (`pillarbox.wire`).
"""

from __future__ import annotations

from collections.abc import Callable

from pillarbox.client.errors import ClientError, ConnectionLost, DeadlineExceeded, ProtocolError, shown
from pillarbox.client.settings import Timeout
from pillarbox.client.wants import Close, Receive, Send, Work
from pillarbox.events import ServerMisbehaved, Sink
from pillarbox.wire import errors as wire
from pillarbox.wire.client_peer import ClientPeer, Said, Unasked
from pillarbox.wire.states import State

Clock = Callable[[], float]


class Line:
    """One connection, as a stream of things the server says.

    Args:
        account, host: for events.
        lenient_lf: see `ClientPeer`.

    Attributes:
        peer: the client's end of the protocol.
        clock: seconds, monotonic.
    """

    def __init__(
        self, *, clock: Clock, timeout: Timeout, events: Sink, account: str, host: str, lenient_lf: bool = False
    ) -> None:
        self.peer = ClientPeer(lenient_lf=lenient_lf)
        self.clock = clock
        self._timeout = timeout
        self._events = events
        self._account = account
        self._host = host
        self._outbox: list[bytes] = []
        self._session_end = float("inf")
        self._waited = 0.0  # seconds waited for the reply that is being read
        self._heard = 0  # octets that came in that time
        self._failure: ClientError | None = None

    @property
    def open(self) -> bool:
        """Whether anything more can be said."""
        return self.peer.state is not State.CLOSED

    def check(self) -> None:
        """Raises ConnectionLost when the line is closed; the text says why."""
        if not self.open:
            why = f": {self._failure}" if self._failure is not None else ""
            raise ConnectionLost(f"the connection is closed{why}")

    def begun(self) -> None:
        """The connection stands: the session's deadline counts from here."""
        if self._timeout.session is not None:
            self._session_end = self.clock() + self._timeout.session

    def fresh(self) -> None:
        """The next reply begins: it has all the time again."""
        self._waited = 0.0
        self._heard = 0

    # ---- out ------------------------------------------------------------------------------------------------------

    def say(self, data: bytes) -> None:
        """Octets to be sent with the next `flush`, or when a reply is waited for."""
        self._outbox.append(data)

    def flush(self) -> Work[None]:
        """Send what was said."""
        if not self._outbox:
            return
        data = b"".join(self._outbox)
        self._outbox.clear()
        try:
            yield Send(data, min(self.clock() + self._timeout.command, self._session_end))
            return
        except TimeoutError:
            error: ClientError = self._late("sending")
        except OSError as problem:
            error = _broken(problem)
        raise (yield from self.abort(error, "sending"))

    # ---- in -------------------------------------------------------------------------------------------------------

    def hear(self, stage: str, patience: float | None = None) -> Work[Said]:
        """The next thing the server says.

        Args:
            stage: what it is waited for, in texts and events.
            patience: seconds to wait at most, where it may never come.

        Raises:
            TimeoutError: patience has ended; the connection is as before.
            ClientError: the connection is closed.
        """
        while (said := (yield from self._next(stage))) is None:
            self.check()
            yield from self._more(stage, patience)
        return said

    def quiet(self) -> Work[None]:
        """Make sure that the server has said nothing more than it was asked, as far as its octets are here.

        Raises:
            ProtocolError: it has: the next reply would be taken for another one's.
            ConnectionLost: it said that it closes.
        """
        if (yield from self._next("before a command")) is not None:
            error = ProtocolError("a reply without a command")
            raise (yield from self.abort(error, "before a command"))

    def _next(self, stage: str) -> Work[Said | None]:
        """The next thing that is there already, if any."""
        try:
            said = self.peer.next()
        except wire.ProtocolError as problem:
            error: ClientError = ProtocolError(str(problem))
        else:
            if not isinstance(said, Unasked):
                return said
            text = shown(said.status.text) or "no reason given"
            error = ConnectionLost(f"the server closes the connection: {text}")
        raise (yield from self.abort(error, stage))

    def _more(self, stage: str, patience: float | None) -> Work[None]:
        """Have octets received."""
        yield from self.flush()
        now = self.clock()
        # What the caller does between two pieces is not the server's time: only waiting counts.
        left = self._timeout.command + self._heard / self._timeout.min_rate - self._waited
        end = min(now + left, self._session_end)
        patient = patience is not None and now + patience < end
        if patience is not None and patient:
            end = now + patience
        error: ClientError | None = None
        data = b""
        try:
            if end > now:
                data = yield Receive(end)
            else:
                error = self._late(stage)
        except TimeoutError:
            if patient:
                raise
            error = self._late(stage)
        except OSError as problem:
            error = _broken(problem)
        if error is not None:
            raise (yield from self.abort(error, stage))
        self._waited += self.clock() - now
        self._heard += len(data)
        if data:
            self.peer.receive(data)
        else:
            yield from self._ended(stage)

    def _ended(self, stage: str) -> Work[None]:
        text = "the server closed the connection"
        try:
            self.peer.eof()
        except wire.ProtocolError as error:
            text = str(error)
        raise (yield from self.abort(ConnectionLost(text), stage))

    def _late(self, stage: str) -> DeadlineExceeded:
        late = "the session took too long" if self.clock() >= self._session_end else "the server took too long"
        return DeadlineExceeded(f"{late}: {stage}")

    # ---- the end --------------------------------------------------------------------------------------------------

    def abort(self, error: ClientError, stage: str) -> Work[ClientError]:
        """End the connection at once and tell why; returns the error, to be raised."""
        self._failure = error
        if not isinstance(error, ConnectionLost):
            self.report(stage, str(error))
        yield from self.close()
        return error

    def report(self, stage: str, reason: str) -> None:
        """Tell of a server that misbehaves. `reason` holds nothing it sent."""
        self._events.emit(ServerMisbehaved(account=self._account, host=self._host, stage=stage, reason=reason))

    def close(self) -> Work[None]:
        """Close the connection, without QUIT."""
        self.over()
        yield Close()

    def over(self) -> None:
        """The connection is closed, whoever did it: nothing more can be said or heard."""
        self.peer.close()
        self._outbox.clear()


def _broken(problem: OSError) -> ConnectionLost:
    return ConnectionLost(f"the connection broke: {problem.strerror or type(problem).__name__}")
