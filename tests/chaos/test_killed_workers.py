"""kill -9 of a worker at random moments, while clients read and delete and mail keeps coming in (P21, P49).

What must hold: a message is still there, or it was deleted in a session that sent QUIT; none comes back after +OK to
QUIT; no lock outlives its holder.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from pillarbox.testing.live import LiveServer

SEED = 8
CLIENTS = 8
SESSIONS = 500
PASSWORD = "secret"
KILLS = 40
CUTS = KILLS // 2
"""Sessions that a kill has cut off, at least: a machine with other work may take its time to come to that."""
WORKERS = 4
LONGEST = 100.0
"""Seconds after which no new session begins; the test then fails, for there were too few."""
SECONDS = 15.0
LOCKED = 2.0
"""Seconds after which a lock must have died with its holder."""
GROWN = 1.2
"""Seconds a worker lives at least."""
PAUSE = 0.01
"""Seconds between two commands at most, so that many sessions are under way when a worker dies."""

pytestmark = pytest.mark.slow


@dataclass(slots=True)
class Ledger:
    """What one account's client and its deliverer know. Messages are known by their Message-ID."""

    account: str
    delivered: set[bytes] = field(default_factory=set)
    asked: set[bytes] = field(default_factory=set)  # marked in a session whose QUIT was sent
    gone: set[bytes] = field(default_factory=set)  # … and answered with +OK
    sessions: int = 0
    refused: int = 0  # logins in a row
    cut: int = 0
    problems: list[str] = field(default_factory=list)


class Cut(Exception):
    """The connection broke: the worker was killed."""


class Client:
    """One connection in clear, from an address that may log in so."""

    def __init__(self, port: int) -> None:
        try:
            self._sock = socket.create_connection(("127.0.0.1", port), SECONDS)
        except OSError as error:
            raise Cut from error
        self._file = self._sock.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self._sock.close()

    def send(self, line: bytes) -> None:
        try:
            self._sock.sendall(line + b"\r\n")
        except OSError as error:
            raise Cut from error

    def line(self) -> bytes:
        try:
            line = self._file.readline()
        except ConnectionError as error:
            raise Cut from error
        if not line.endswith(b"\n"):
            raise Cut
        return line.rstrip(b"\r\n")

    def ask(self, line: bytes) -> bytes:
        self.send(line)
        return self.line()

    def body(self) -> Iterator[bytes]:
        while (line := self.line()) != b".":
            yield line


def _message(identity: bytes) -> bytes:
    return b"Subject: chaos\nMessage-ID: %s\n\n%s\n" % (identity, b"body\n" * 20)


class Storm:
    """Eight accounts, each with a client of its own; one deliverer; one killer."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._over = threading.Event()
        self.ledgers = [Ledger(f"account{number}") for number in range(CLIENTS)]
        self.kills = 0
        self._end = time.monotonic() + LONGEST

    @property
    def cuts(self) -> int:
        """Sessions that were cut off."""
        return sum(ledger.cut for ledger in self.ledgers)

    def run(self) -> None:
        for number, ledger in enumerate(self.ledgers):
            for start in range(5):
                self._deliver(ledger, f"start-{number}-{start}")
        clients = [threading.Thread(target=self._client, args=(ledger,)) for ledger in self.ledgers]
        others = [threading.Thread(target=self._deliverer), threading.Thread(target=self._killer)]
        for thread in (*clients, *others):
            thread.start()
        for thread in clients:
            thread.join()
        self._over.set()
        for thread in others:
            thread.join()

    def _deliver(self, ledger: Ledger, name: str) -> None:
        identity = f"<{ledger.account}-{name}@example.org>".encode()
        self._server.deliver(ledger.account, _message(identity))
        ledger.delivered.add(identity)

    def _deliverer(self) -> None:
        random_ = random.Random(SEED + 1)
        number = 0
        while not self._over.wait(random_.uniform(0, 0.02)):
            self._deliver(random_.choice(self.ledgers), str(number))
            number += 1

    def _killer(self) -> None:
        random_ = random.Random(SEED + 2)
        seen: dict[int, float] = {}
        while not self._over.wait(random_.uniform(0.05, 0.5)):
            now = time.monotonic()
            seen = {pid: seen.get(pid, now) for pid in self._server.workers()}
            # A worker that dies younger counts as one that cannot start, and is replaced ever more slowly.
            grown = [pid for pid, since in seen.items() if now - since > GROWN]
            if grown:
                victim = random_.choice(grown)
                self._server.kill_worker(lambda _: victim)  # noqa: B023 - called at once
                self.kills += 1

    def _client(self, ledger: Ledger) -> None:
        random_ = random.Random(f"{SEED} {ledger.account}")
        while not ledger.problems and time.monotonic() < self._end:
            if ledger.sessions > SESSIONS // CLIENTS and self.kills >= KILLS and self.cuts >= CUTS:
                break
            try:
                self._session(ledger, random_)
            except Cut:
                ledger.cut += 1
                time.sleep(random_.uniform(0, 0.05))
            except Exception as error:
                ledger.problems.append(repr(error))

    def _session(self, ledger: Ledger, random_: random.Random) -> None:
        client = Client(self._server.open_port)
        try:
            self._talk(client, ledger, random_)
        finally:
            client.close()

    def _talk(self, client: Client, ledger: Ledger, random_: random.Random) -> None:
        client.line()
        client.ask(b"USER " + ledger.account.encode())
        answer = client.ask(b"PASS " + PASSWORD.encode())
        if not answer.startswith(b"+OK"):
            # Nobody else uses this account. The server may notice the end of the last session a moment later than
            # the client does, and a dying process closes its connections before its locks; but soon it must be free.
            ledger.refused += 1
            if b"[IN-USE]" not in answer or ledger.refused > LOCKED / 0.02:
                ledger.problems.append(f"login: {answer!r}")
            time.sleep(0.02)
            return
        ledger.refused = 0
        ledger.sessions += 1
        count = int(client.ask(b"STAT").split()[1])
        marked = set()
        for number in range(1, count + 1):
            time.sleep(random_.uniform(0, PAUSE))
            identity = self._read(client, number)
            if identity in ledger.gone:
                ledger.problems.append(f"{identity!r} came back")
            if random_.random() < 0.7 and client.ask(b"DELE %d" % number).startswith(b"+OK"):
                marked.add(identity)
        if random_.random() < 0.1:
            return  # a drop: nothing may be deleted
        ledger.asked |= marked
        time.sleep(random_.uniform(0, PAUSE))
        client.send(b"QUIT")
        if client.line().startswith(b"+OK"):
            ledger.gone |= marked

    def _read(self, client: Client, number: int) -> bytes:
        assert client.ask(b"RETR %d" % number).startswith(b"+OK")
        lines = list(client.body())
        assert lines[2:] == [b"", *[b"body"] * 20, b""], lines
        return lines[1].removeprefix(b"Message-ID: ")


def test_nothing_is_lost_and_nothing_comes_back_when_workers_are_killed() -> None:
    accounts = {f"account{number}": PASSWORD for number in range(CLIENTS)}
    with LiveServer(accounts, workers=WORKERS, cleartext=True) as server:
        storm = Storm(server)
        storm.run()
        for ledger in storm.ledgers:
            assert ledger.problems == []
            client = Client(server.open_port)  # no lock stays: every maildrop opens at once
            try:
                client.line()
                client.ask(b"USER " + ledger.account.encode())
                answer = client.ask(b"PASS " + PASSWORD.encode())
                assert answer.startswith(b"+OK"), answer
                count = int(client.ask(b"STAT").split()[1])
                left = {storm._read(client, number) for number in range(1, count + 1)}
                client.ask(b"QUIT")
            finally:
                client.close()
            assert len(left) == count
            assert left <= ledger.delivered
            assert ledger.delivered - left <= ledger.asked, "lost"
            assert not left & ledger.gone, "came back"
        assert sum(ledger.sessions for ledger in storm.ledgers) >= SESSIONS
        assert storm.kills >= KILLS
        assert storm.cuts >= CUTS
        assert not server.events("InternalError")
