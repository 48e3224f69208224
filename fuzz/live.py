"""Command lines against a running server, and what may never happen whatever is sent.

Rules: every octet of both directions goes through the protocol's observer, which has to understand each reply and may
not see the server break the protocol; nothing of anybody's mail and no login ever shows on a connection that has not
earned it; every line is answered, or the connection is closed; the processes live on, and hold no more memory at the
end than after the warm-up, up to a stated growth.
"""

from __future__ import annotations

import base64
import contextlib
import random
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from fuzz.inputs import BEFORE_LOGIN, MAIL, Source
from fuzz.memory import alive, resident
from pillarbox.testing.live import LiveServer, Value
from pillarbox.wire.observations import Lost, Observation, Violation
from pillarbox.wire.observer import Observer
from pillarbox.wire.states import State

GROWTH = 16 * 1024 * 1024
"""Octets that the server may hold more at the end than after the warm-up: room for its caches, far less than a leak of
even 20 octets a line would add up to."""

WARM_UP = 0.2
"""The part of the run after which memory is first looked at."""

PATIENCE = 30.0
"""Seconds to wait for a reply; longer means that the server hangs."""

MARK = b"only-the-owner-may-read-this"
"""Stands in every message, and may not show on a connection without a login."""

MESSAGES = [
    b"Subject: one\n\n" + MARK + b"\n",
    b"Subject: dots\r\n\r\n.\r\n..\r\n" + MARK + b"\r\n.end",
    b"Subject: long\n\n" + (b"x" * 70 + b"\n") * 100 + MARK + b"\n",
]

_BLOCK = 40  # lines sent at once: their replies fit the sockets' buffers or wait in the server, never in a deadlock
_BLOCKS = 12  # of one session
_ORDERLY = {"quit", "refused", "closed", "stls injection", "login time-out", "idle", "wrong protocol"}


class Failed(Exception):
    """The server did what it must not. The text says what, and how to see it again."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the server is, and who may log in.

    Attributes:
        pid: of the server's parent process, or 0 when it is not ours to look at.
    """

    host: str
    port: int
    tls_port: int
    users: tuple[str, ...]
    password: str
    tls: ssl.SSLContext
    pid: int = 0
    server: LiveServer | None = None


@dataclass(slots=True)
class Tally:
    """What was done."""

    lines: int = 0
    sessions: int = 0
    logins: int = 0
    replies: int = 0
    warm: int = 0
    last: int = 0
    peak: int = 0


class Stream(Protocol):
    """The part of a socket that is used."""

    def recv(self, octets: int, /) -> bytes:
        """Octets as they come; none at the end."""
        ...

    def sendall(self, data: bytes, /) -> None:
        """Send everything."""
        ...


class Line:
    """One connection with the observer beside it."""

    def __init__(self, sock: Stream, *, may_read: bool) -> None:
        self._sock = sock
        self._may_read = may_read
        self._tail = b""
        self.observer = Observer()
        self.replies = 0

    def send(self, data: bytes) -> bool:
        """Send; False when the server has closed."""
        self._check(self.observer.from_client(data))
        try:
            self._sock.sendall(data)
        except (ConnectionError, ssl.SSLError):
            return False
        return True

    def settle(self) -> bool:
        """Read until every line has its whole reply; False when the server has closed instead.

        Raises:
            Failed: it does not answer, or says what it must not.
        """
        while self.observer.state is State.GREETING or not self.observer.quiet:
            try:
                data = self._sock.recv(65_536)
            except TimeoutError:
                raise Failed(f"no reply within {PATIENCE:.0f} seconds") from None
            except (ConnectionError, ssl.SSLError):
                return False
            if not data:
                return False
            self._look(data)
        return self.observer.state not in (State.TLS, State.CLOSED)

    def _look(self, data: bytes) -> None:
        seen = self.observer.from_server(data)
        self._check(seen)
        self.replies += len(seen)
        if self._may_read:
            return
        if MARK in self._tail + data:
            raise Failed("mail was sent on a connection without a login")
        self._tail = data[-len(MARK) :]
        if self.observer.state is State.TRANSACTION:
            raise Failed("a login succeeded where it must not")

    @staticmethod
    def _check(seen: list[Observation]) -> None:
        for one in seen:
            if isinstance(one, Lost):
                raise Failed(f"the replies make no sense: {one.reason}")
            if isinstance(one, Violation) and one.by == "server":
                raise Failed(f"the server broke the protocol: {one.reason}")


class Fuzzer:
    """Runs sessions until enough lines were sent, or the time is over."""

    def __init__(self, target: Target, seed: int) -> None:
        self._target = target
        self._seed = seed
        self._chance = random.Random(seed)
        self.tally = Tally()

    def run(self, count: int, seconds: float) -> Tally:
        """Send so many lines, or for so long.

        Raises:
            Failed: something happened that must not.
        """
        tally, target = self.tally, self._target
        start = time.monotonic()
        while tally.lines < count and (passed := time.monotonic() - start) < seconds:
            try:
                self._session()
            except Failed as error:
                raise Failed(f"{error} (seed {self._seed}, session {tally.sessions}, line {tally.lines})") from None
            if target.pid:
                self._look_at_processes(warm=max(tally.lines / count, passed / seconds) >= WARM_UP)
        if target.server is not None:
            self._look_at_log(target.server)
        return tally

    # ---- one session ----------------------------------------------------------------------------------------------

    def _session(self) -> None:
        kind = self._chance.choice(["clear", "stranger", "user", "user", "user"])
        self.tally.sessions += 1
        with self._connected(tls=kind != "clear") as sock:
            line = Line(sock, may_read=kind == "user")
            if not line.settle():
                raise Failed("the greeting refused us: is a limit too low for the fuzzer?")
            right = BEFORE_LOGIN
            if kind == "user":
                if not self._login(line):
                    return
                right = MAIL
            elif kind == "clear":
                right = [*BEFORE_LOGIN, *self._right_passwords()]  # all of them have to be refused
            source = Source(self._chance, costly=0.002 if kind == "stranger" else 0.0)
            for _ in range(self._chance.randrange(1, _BLOCKS)):
                self.tally.lines += _BLOCK
                if not self._send_cut(line, source.block(_BLOCK, right)) or not line.settle():
                    break
            self.tally.replies += line.replies

    def _right_passwords(self) -> list[bytes]:
        user, password = self._target.users[0].encode(), self._target.password.encode()
        return [
            b"USER %s\r\nPASS %s" % (user, password),
            b"AUTH PLAIN " + base64.b64encode(b"\0%s\0%s" % (user, password)),
            b"STAT\r\nRETR 1",
        ]

    def _send_cut(self, line: Line, data: bytes) -> bool:
        """Send in one to three pieces, cut anywhere."""
        cuts = sorted(self._chance.randrange(len(data)) for _ in range(self._chance.randrange(3)))
        pieces = (data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True))
        return all(line.send(piece) for piece in pieces if piece)

    def _login(self, line: Line) -> bool:
        """Log in as one of the users; a maildrop that the last session still holds is asked for again."""
        target = self._target
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            user = self._chance.choice(target.users)
            if target.server is not None:
                self._refill(target.server, user)
            line.send(b"USER %s\r\nPASS %s\r\n" % (user.encode(), target.password.encode()))
            if not line.settle():
                return False
            if line.observer.state is State.TRANSACTION:
                self.tally.logins += 1
                return True
            time.sleep(0.02)
        raise Failed("no login succeeded: are the name and the password right?")

    @staticmethod
    def _refill(server: LiveServer, user: str) -> None:
        for message in MESSAGES[len(server.messages(user)) :]:
            server.deliver(user, message)

    @contextlib.contextmanager
    def _connected(self, *, tls: bool) -> Iterator[socket.socket]:
        target = self._target
        with socket.create_connection((target.host, target.tls_port if tls else target.port), PATIENCE) as raw:
            if not tls:
                yield raw
                return
            with target.tls.wrap_socket(raw, server_hostname=target.host) as secured:
                yield secured

    # ---- the server as a whole ------------------------------------------------------------------------------------

    def _look_at_processes(self, *, warm: bool) -> None:
        tally, pid = self.tally, self._target.pid
        if not alive(pid):
            raise Failed(f"the server is gone (seed {self._seed}, session {tally.sessions})")
        if tally.sessions % 20 and tally.warm:
            return
        tally.last = resident(pid)
        tally.peak = max(tally.peak, tally.last)
        if warm and not tally.warm:
            tally.warm = tally.last
        if tally.warm and tally.last > tally.warm + GROWTH:
            raise Failed(f"memory grew from {tally.warm:,} to {tally.last:,} octets (seed {self._seed})")

    def _look_at_log(self, server: LiveServer) -> None:
        for kind in ("WorkerEnded", "InternalError"):
            found = server.events(kind)
            if found:
                raise Failed(f"{kind} in the log: {found[0]} (seed {self._seed})")
        ends = {event["how"] for event in server.events("SessionEnded")}
        if ends - _ORDERLY:
            raise Failed(f"sessions ended by {sorted(ends - _ORDERLY)} (seed {self._seed})")


USERS = ("ada", "bob", "eve")
PASSWORD = "only the owner knows"

# Closing a connection after a few bad lines is right, and would make the fuzzer measure handshakes.
_SETTINGS: dict[str, dict[str, Value]] = {
    "limits": {"bad_commands_before_login": 1000, "bad_commands": 10_000, "login_failures": 100},
    "log": {"level": "info"},
}


def own_server() -> LiveServer:
    """A server of our own, on loopback, not started yet."""
    return LiveServer(dict.fromkeys(USERS, PASSWORD), settings=_SETTINGS)


def own_target(server: LiveServer) -> Target:
    """How to reach it."""
    return Target(
        "localhost", server.pop3_port, server.pop3s_port, USERS, PASSWORD, server.client_context(), server.pid, server
    )
