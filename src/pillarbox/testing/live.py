r"""A real `pillarbox serve` on loopback, in a directory of its own: for tests that need the whole server.

Rules: what runs is the command a user runs, with a configuration file, a certificate, accounts and Maildirs made for
it; mail is delivered as Postfix does it (tmp/, then rename into new/); only processes started here are ever signalled;
the server has ended when the `with` block has. Waiting is for events, never for a guess of seconds.

    with LiveServer({"anna": "secret"}) as server:
        server.deliver("anna", b"Subject: hello\n\nhello\n")
        pop3 = poplib.POP3_SSL("localhost", server.pop3s_port, context=server.client_context())

Elsewhere: tests of parts run in process and need none of this. Linux only, as the server is.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pillarbox.auth.accounts import AccountStore
from pillarbox.auth.passwords import Hasher
from pillarbox.server.certificates import make_self_signed

__all__ = ["LiveServer", "LiveServerError", "deliver_to", "free_ports", "make_maildir"]

START_SECONDS = 30.0
"""How long a start may take before it counts as failed: far more than the second it needs on a busy machine."""

STOP_SECONDS = 30.0
"""How long an orderly stop may take before the server is killed, and the test failed."""

_POLL = 0.02  # seconds between looks at the log

Value = str | int | float | bool | Sequence[str]
"""What a setting can be in the configuration made here."""

_deliveries = itertools.count(1)


class LiveServerError(Exception):
    """The server did not do what was waited for. The text holds what it said about it."""


def free_ports(count: int) -> list[int]:
    """So many different TCP ports of 127.0.0.1 that nobody listens on at this moment."""
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def make_maildir(path: Path) -> Path:
    """Create an empty Maildir with its three directories, unless it is there; return its path."""
    for part in ("tmp", "new", "cur"):
        (path / part).mkdir(parents=True, exist_ok=True)
    return path


def deliver_to(maildir: Path, message: bytes, name: str = "", *, sync: bool = False) -> Path:
    """Put a message into a Maildir as Postfix does: written into tmp/, then renamed into new/. Return its path there.

    Args:
        maildir: an existing Maildir.
        message: the octets, stored exactly so.
        name: the file's name; by default a fresh one of the usual form.
        sync: make the octets durable before the rename.

    Raises:
        OSError: it cannot be written; nothing is left in new/ then.
    """
    now = time.time_ns()
    name = name or f"{now // 10**9}.M{now // 1000 % 10**6:06d}P{os.getpid()}Q{next(_deliveries)}.localhost"
    temporary, final = maildir / "tmp" / name, maildir / "new" / name
    try:
        with open(temporary, "xb") as file:
            file.write(message)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.rename(final)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return final


class LiveServer:
    """One server with its accounts. Use it as a context manager, or call `start` and `stop`.

    Args:
        accounts: passwords by account name (without a domain).
        workers: worker processes.
        directory: where everything is kept; by default a temporary directory that goes with the server.
        settings: more settings, by section and key, as in the configuration file; they win over those made here.
        cleartext: also listen on `open_port`, where loopback may log in without TLS (a dated exception).
        proxy: expect a PROXY protocol header on all connections (P61).
        mail: the directory of the Maildirs; by default one inside `directory`.

    Attributes:
        pop3s_port, pop3_port: implicit TLS, and STLS.
        open_port: cleartext login, or 0 without `cleartext`.
        certificate: the PEM file clients have to trust; it is for localhost and 127.0.0.1.
        config, log: the files.
    """

    def __init__(
        self,
        accounts: Mapping[str, str],
        *,
        workers: int = 1,
        directory: Path | None = None,
        settings: Mapping[str, Mapping[str, Value]] | None = None,
        cleartext: bool = False,
        proxy: bool = False,
        mail: Path | None = None,
    ) -> None:
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="pillarbox-"))
        self._mail = mail or self.directory / "mail"
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None
        self.config = self.directory / "pillarbox.toml"
        self.log = self.directory / "events.jsonl"
        self._errors = self.directory / "stderr.txt"
        ports = free_ports(3)
        self.pop3s_port, self.pop3_port = ports[:2]
        self.open_port = ports[2] if cleartext else 0
        now = datetime.datetime.now(datetime.UTC)
        self.certificate, key = make_self_signed(self.directory, ["localhost"], now)
        self._write_config(key, settings or {}, proxy=proxy)
        self.add_accounts(accounts)

    # ---- what is made for it --------------------------------------------------------------------------------------

    def _write_config(self, key: Path, settings: Mapping[str, Mapping[str, Value]], *, proxy: bool) -> None:
        sections: dict[str, dict[str, Value]] = {
            "server": {"workers": self._workers, "state_directory": str(self.directory / "state"), **_user()},
            "tls": {"certificate": str(self.certificate), "key": str(key)},
            # All clients of a test share one address, and a refused login should not cost it a second.
            "limits": {"connections_per_address": 4096},
            "auth": {"failure_delay": 0.0, "failure_step": 0.01},
            "maildir": {"path": f"{self._mail}/{{user}}"},
            "log": {"format": "json", "target": str(self.log), "level": "debug"},
        }
        for section, values in settings.items():
            sections.setdefault(section, {}).update(values)
        lines = [self._listener("pop3s", "implicit", self.pop3s_port, proxy=proxy)]
        lines.append(self._listener("pop3", "starttls", self.pop3_port, proxy=proxy))
        if self.open_port:
            until = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=2)
            lines.append(self._listener("open", "starttls", self.open_port, proxy=proxy))
            lines.append('[[listener.cleartext_login]]\nnetworks = ["127.0.0.0/8"]')
            lines.append(f'until = {until}\nreason = "clients without TLS"\n')
        for section, values in sections.items():
            lines.append(f"[{section}]")
            lines += [f"{name} = {_toml(value)}" for name, value in values.items()]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @staticmethod
    def _listener(name: str, tls: str, port: int, *, proxy: bool) -> str:
        table = f'[[listener]]\nname = "{name}"\ntls = "{tls}"\naddress = "127.0.0.1"\nport = {port}\n'
        return table + ('proxy_protocol = ["127.0.0.0/8"]\n' if proxy else "")

    def add_accounts(self, accounts: Mapping[str, str]) -> None:
        """Add accounts with empty Maildirs; those that exist stay as they are. Works while the server runs, too."""
        store = AccountStore(self.directory / "state" / "accounts.sqlite", clock=time.time)
        store.create()
        hasher = Hasher()
        hashes = {password: hasher.hash(password.encode()) for password in set(accounts.values())}
        known = {account.name for account in store.list()}
        for name, password in accounts.items():
            if name not in known:
                store.add(name, hashes[password])
            make_maildir(self.maildir(name))
        store.close()

    # ---- mail -----------------------------------------------------------------------------------------------------

    def maildir(self, account: str) -> Path:
        """The Maildir of an account."""
        return self._mail / account

    def deliver(self, account: str, message: bytes, name: str = "") -> Path:
        """Deliver a message to an account; see `deliver_to`."""
        return deliver_to(self.maildir(account), message, name)

    def messages(self, account: str) -> list[Path]:
        """The files of an account's messages, in new/ and cur/."""
        maildir = self.maildir(account)
        return [*sorted((maildir / "new").iterdir()), *sorted((maildir / "cur").iterdir())]

    # ---- life -----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the server, and return when it answers.

        Raises:
            LiveServerError: it ended instead, or took too long.
        """
        started = len(self.events("ServerStarted"))
        command = [sys.executable, "-m", "pillarbox.cli", "serve", "--config", str(self.config)]
        with open(self._errors, "wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, cwd=self.directory
            )
        try:
            self.wait_for("ServerStarted", count=started + 1, seconds=START_SECONDS)
        except LiveServerError:
            self.kill()
            raise
        return self

    def stop(self) -> int:
        """Stop the server in order (SIGTERM), and return its exit status. Safe to repeat.

        Raises:
            LiveServerError: it did not end in time and was killed.
        """
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise LiveServerError(f"the server did not stop in {STOP_SECONDS:.0f} seconds\n{self.said()}") from None

    def kill(self) -> None:
        """End the server and its workers at once (SIGKILL), as a crash of the machine would."""
        if self._process is not None:
            workers = self.workers()
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            for pid in workers:
                _kill(pid)

    def reload(self) -> None:
        """Let the server read its configuration and certificates anew (SIGHUP)."""
        self._running().send_signal(signal.SIGHUP)

    def workers(self) -> list[int]:
        """The process ids of the workers that run now."""
        process = self._process
        if process is None or process.poll() is not None:
            return []
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
        except OSError:  # it ended just now
            return []
        return [int(pid) for pid in children.split()]

    def kill_worker(self, choose: Callable[[Sequence[int]], int] = lambda pids: pids[0]) -> int:
        """Kill -9 one worker, and return its process id. `choose` picks it from the running ones.

        Raises:
            LiveServerError: there is none.
        """
        pids = self.workers()
        if not pids:
            raise LiveServerError(f"no worker runs\n{self.said()}")
        pid = choose(pids)
        _kill(pid)
        return pid

    @property
    def pid(self) -> int:
        """The process id of the server (the parent of its workers)."""
        return self._running().pid

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise LiveServerError("the server was not started")
        return self._process

    # ---- what it says ---------------------------------------------------------------------------------------------

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """The events it has logged, oldest first; of one type, or all."""
        # `Any`: each type has fields of its own.
        if not self.log.exists():
            return []
        lines = self.log.read_bytes().split(b"\n")[:-1]  # what is behind the last line end is still being written
        events = [json.loads(line) for line in lines if line.startswith(b"{")]
        return [event for event in events if not kind or event["event"] == kind]

    def wait_for(
        self,
        kind: str,
        *,
        count: int = 1,
        seconds: float = 10.0,
        where: Callable[[dict[str, Any]], bool] = lambda event: True,
    ) -> list[dict[str, Any]]:
        """Wait until `count` events of a type, for which `where` holds, have been logged, and return them.

        Raises:
            LiveServerError: they did not come in time, or the server ended.
        """
        end = time.monotonic() + seconds
        while True:
            ended = self._process is not None and self._process.poll() is not None
            found = [event for event in self.events(kind) if where(event)]
            if len(found) >= count:
                return found
            if ended or time.monotonic() > end:
                state = "the server ended" if ended else f"{seconds:.0f} seconds passed"
                raise LiveServerError(f"{state} before {count} {kind}; it said:\n{self.said()}")
            time.sleep(_POLL)

    def said(self) -> str:
        """The end of what the server wrote, for messages of failed tests."""
        texts = [path.read_text("utf-8", "replace") for path in (self._errors, self.log) if path.exists()]
        return "\n".join(text[-4000:] for text in texts)

    # ---- clients --------------------------------------------------------------------------------------------------

    def client_context(self) -> ssl.SSLContext:
        """A TLS context for clients that trusts this server's certificate, and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._tidy()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._tidy()

    def _tidy(self) -> None:
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)


def _user() -> dict[str, Value]:
    """Root must be asked for by name; everyone else stays who they are."""
    return {"user": "root"} if os.geteuid() == 0 else {}


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself


def _toml(value: Value) -> str:
    """A value as TOML writes it; its strings, numbers, booleans and lists of strings are those of JSON."""
    return json.dumps(value if isinstance(value, (str, int, float)) else list(value))
