"""A small server under a real supervisor, to be run as a program by the tests beside it.

Usage: supervised.py SETTINGS.json [BEHAVIOUR]

Each worker greets with its number, its process id and the greeting of its settings, then echoes lines. Events are
written to standard output as JSON lines. BEHAVIOUR is a file; its text makes workers misbehave when they start:
"fail" raises ("fail2" in worker 2 only), "wrong" raises a ConfigError, "hang" never gets ready, "deaf" ignores SIGTERM.
"""

from __future__ import annotations

import datetime
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

import msgspec

from pillarbox.config.problem import ConfigError, Problem
from pillarbox.config.schema import Settings
from pillarbox.events import Event
from pillarbox.server import generation, supervisor
from pillarbox.server.process import WorkerStart
from pillarbox.server.supervisor import Supervisor, World

SETTINGS = Path(sys.argv[1])
BEHAVIOUR = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("/nonexistent")


class Out:
    def emit(self, event: Event) -> None:
        os.write(1, msgspec.json.encode(event) + b"\n")


def load_settings() -> Settings:
    return Settings.model_validate(json.loads(SETTINGS.read_text()), strict=False)


def report() -> dict[str, object]:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    regained = True
    try:
        os.setuid(0)
    except PermissionError:
        regained = False
    return {
        "uid": os.getresuid(),
        "gid": os.getresgid(),
        "groups": os.getgroups(),
        "regained": regained,
        "capabilities": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
        "no_new_privileges": status["NoNewPrivs"].strip(),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "umask": os.umask(0o077),
        "sockets": sum("listening" in kind(fd) for fd in range(3, 200)),
    }


def kind(descriptor: int) -> str:
    try:
        found = socket.socket(fileno=os.dup(descriptor))
        listening = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        found.close()
    except OSError:
        return "no socket"
    return "listening" if listening else "connected"


def asked_behaviour() -> list[str]:
    try:
        return BEHAVIOUR.read_text().split()
    except OSError:  # none, or none that this account may read
        return []


def misbehave(start: WorkerStart) -> None:
    behaviour = asked_behaviour()
    if f"fail{start.number}" in behaviour or "fail" in behaviour:
        raise ValueError("a secret detail")
    if "wrong" in behaviour:
        raise ConfigError([Problem("maildir.path", "it does not suit this worker")])
    if "hang" in behaviour:
        time.sleep(3600)


def run_worker(start: WorkerStart) -> None:
    Server(start).run()


class Server:
    def __init__(self, start: WorkerStart) -> None:
        self.start = start
        self.selector = selectors.DefaultSelector()
        self.sessions: dict[socket.socket, str] = {}  # and the address each is counted by, if it is
        self.ending = ""
        misbehave(start)
        if "deaf" in asked_behaviour():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGTERM, lambda *_: self.end("stop"))
        signal.signal(signal.SIGQUIT, lambda *_: self.end("drain"))
        for share in start.sockets:
            self.selector.register(share.socket, selectors.EVENT_READ, self.accept)

    def end(self, how: str) -> None:
        self.ending = self.ending or how

    def run(self) -> None:
        self.start.ready()
        closed = False
        while not (self.ending == "stop" or (self.ending and not self.sessions)):
            if self.ending and not closed:
                closed = True
                for share in self.start.sockets:
                    self.selector.unregister(share.socket)
                    share.socket.close()
                continue
            for key, _ in self.selector.select(0.02):
                key.data(key.fileobj)

    def accept(self, listening: socket.socket) -> None:
        try:
            session, address = listening.accept()
        except BlockingIOError:
            return
        limit = self.start.gate.admit(address[0])
        self.sessions[session] = "" if limit else address[0]
        self.selector.register(session, selectors.EVENT_READ, self.echo)
        greeting = [str(self.start.number), str(os.getpid()), self.start.settings.server.greeting, limit or "-"]
        session.sendall(" ".join(greeting).encode() + b"\n")

    def echo(self, session: socket.socket) -> None:
        try:
            line = session.recv(1000)
        except ConnectionResetError:
            line = b""
        if line == b"report\n":
            session.sendall(json.dumps(report()).encode() + b"\n")
        elif line == b"crash\n":
            os.abort()
        elif line == b"leave\n":
            os._exit(3)
        elif line:
            session.sendall(line)
        else:
            self.selector.unregister(session)
            if address := self.sessions.pop(session):
                self.start.gate.leave(address)
            session.close()


def main() -> int:
    supervisor.START_SECONDS = 1.5
    generation.FIRST_DELAY = 0.2
    supervisor.KILL_MARGIN = 0.3
    world = World(
        load_settings=load_settings,
        run_worker=run_worker,
        sink=Out(),
        environ=os.environ,
        now=lambda: datetime.datetime.now(datetime.UTC),
        key=os.urandom(16),
        version="0",
    )
    try:
        return Supervisor(world).run()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
