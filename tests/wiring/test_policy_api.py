"""The policy API of a real `pillarbox serve`: shared with its POP3 workers, and there again after every kind of end."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.wiring.ways import Client

from pillarbox.auth.guard import policy_key
from pillarbox.testing.live import LiveServer, LiveServerError, Value, free_ports

PASSWORD = "correct-canary-horse-7351"
PATIENCE = 10.0


class Asking:
    """A server with a policy API, and another server that asks it."""

    def __init__(self, directory: Path, settings: Mapping[str, Value] | None = None) -> None:
        (self.port,) = free_ports(1)
        policy = {"enabled": True, "port": self.port, **(settings or {})}
        self.server = LiveServer({"anna": PASSWORD}, workers=2, directory=directory, settings={"policy_api": policy})
        self.key = policy_key.load_or_create(directory / "state" / "policy-api.key")
        self.tls: ssl.SSLContext | None = None

    def ask(self, command: str, body: object = None) -> dict[str, Any]:
        connection = (
            http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=self.tls)
            if self.tls
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        )
        with closing(connection):
            fields = {"Authorization": self.key.reveal_field(), "Content-Type": "application/json"}
            connection.request("POST", f"/?command={command}", json.dumps(body or {}), fields)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            told = json.loads(answer.read())
            assert isinstance(told, dict)
            return told

    def allow(self, login: str, password: str, remote: str) -> int:
        status = self.ask("allow", {"login": login, "remote": remote, "pwhash": password, "protocol": "imap"})["status"]
        assert isinstance(status, int)
        return status

    def log_in(self, login: str, password: str, remote: str, *, right: bool = False) -> int:
        status = self.allow(login, password, remote)
        body = {"login": login, "remote": remote, "pwhash": password, "success": right, "policy_reject": status < 0}
        assert self.ask("report", body) == {"status": "ok"}
        return status

    def until(self, login: str, remote: str, status: int) -> None:
        """What workers learn from each other takes a moment."""
        end = time.monotonic() + PATIENCE
        while self.allow(login, "0001", remote) != status:
            assert time.monotonic() < end
            time.sleep(0.05)

    def policy_process(self) -> int:
        """The process that listens on the API's port, and no other does."""
        wanted = f":{self.port:04X} 00000000:0000 0A"
        inodes = [line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines() if wanted in line]
        found = set()
        for pid in self.server.workers():
            held = {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()}
            if any(f"socket:[{inode}]" in held for inode in inodes):
                found.add(pid)
        [pid] = found
        return pid


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    made = Asking(tmp_path)
    with made.server:
        yield made
    assert not made.server.events("InternalError")


def test_it_shares_what_it_knows_with_the_pop3_workers_both_ways(asking: Asking) -> None:
    server = asking.server
    [started] = server.events("ServerStarted")
    assert f"127.0.0.1:{asking.port} (policy API)" in started["listeners"]
    assert started["workers"] == 2
    # What is guessed at the other server blocks the address here, also for the right password.
    for guess in range(9):
        assert asking.log_in("other", f"{guess:04x}", "127.50.1.1") == 0
    server.wait_for("SourceBlocked", where=lambda event: event["source"] == "127.50.1.1")
    end = time.monotonic() + PATIENCE
    while not any(event["reason"] == "guard: address blocked" for event in server.events("LoginFailed")):
        assert time.monotonic() < end
        with closing(Client(server, "127.50.1.1")) as client:
            assert client.user_pass("nobody", "x").startswith(b"-ERR")
    with closing(Client(server, "127.50.1.1")) as client:
        assert client.user_pass("anna", PASSWORD).startswith(b"-ERR")
    [refused] = server.wait_for("LoginFailed", where=lambda event: event["user"] == "anna")
    assert refused["reason"] == "guard: address blocked"
    # And what is guessed here blocks it there.
    for guess in range(9):
        with closing(Client(server, "127.60.1.1")) as client:
            assert client.user_pass("anna", f"wrong {guess}").startswith(b"-ERR")
    asking.until("other", "127.60.1.1", -1)
    # Where an account logs in with POP3, it is familiar at the other server too.
    with closing(Client(server, "127.70.1.1")) as client:
        assert client.user_pass("anna", PASSWORD).startswith(b"+OK")
    for guess in range(20):
        asking.log_in(f"user{guess}", "0001", "127.70.1.1")
    assert asking.allow("stranger", "0001", "127.70.1.1") == -1
    asking.until("anna", "127.70.1.1", 0)
    assert asking.allow("stranger", "0001", "127.70.1.1") == -1
    # The command reaches it.
    command = [sys.executable, "-m", "pillarbox.cli", "guard", "release", "127.50.1.1", "-c", str(server.config)]
    subprocess.run(command, check=True, capture_output=True)
    asking.until("anna", "127.50.1.1", 0)


def test_it_survives_restarts_crashes_and_reloads(asking: Asking) -> None:
    server = asking.server
    asking.log_in("bob", "beef", "127.51.1.1", right=True)
    for guess in range(9):
        asking.log_in("bob", f"{guess:04x}", "127.52.1.1")

    def remembers() -> None:
        assert asking.allow("bob", "1234", "127.52.1.1") == -1
        assert asking.allow("bob", "1234", "127.51.1.1") == 0

    remembers()
    first = asking.policy_process()
    server.stop()
    server.start()
    remembers()
    # A crash: the parent holds its port, so that whoever asks meanwhile waits, and starts another one.
    killed = asking.policy_process()
    assert killed != first
    assert server.kill_worker(lambda pids: next(pid for pid in pids if pid == killed)) == killed
    remembers()
    [ended] = server.wait_for("WorkerEnded")
    assert ended["worker"] == 0
    before = asking.policy_process()
    server.reload()
    server.wait_for("Reloaded")
    remembers()
    end = time.monotonic() + PATIENCE
    while before in server.workers():
        assert time.monotonic() < end
        time.sleep(0.05)
    remembers()


def test_a_reload_switches_it_off_and_on(asking: Asking) -> None:
    server, text = asking.server, asking.server.config.read_text()
    server.config.write_text(text.replace("[policy_api]\nenabled = true", "[policy_api]\nenabled = false"))
    server.reload()
    server.wait_for("Reloaded")
    end = time.monotonic() + PATIENCE
    while _answers(asking):  # until the old process has let go of the port
        assert time.monotonic() < end
        time.sleep(0.05)
    server.config.write_text(text)
    server.reload()
    server.wait_for("Reloaded", count=2)
    assert asking.ask("ping") == {"status": "ok"}


def _answers(asking: Asking) -> bool:
    try:
        asking.ask("ping")
    except (ConnectionError, http.client.HTTPException):
        return False
    return True


def test_https_with_the_servers_own_certificate(tmp_path: Path) -> None:
    asking = Asking(tmp_path, {"tls": True, "address": ["127.0.0.1", "::1"]})
    with asking.server as server:
        asking.tls = server.client_context()
        assert asking.ask("ping") == {"status": "ok"}
        assert asking.allow("bob", "1234", "127.1.1.1") == 0


def test_without_a_key_the_server_does_not_start(tmp_path: Path) -> None:
    asking = Asking(tmp_path)
    (tmp_path / "state" / "policy-api.key").chmod(0o644)
    with pytest.raises(LiveServerError, match=r"policy_api\.key: other users of this machine can use"):
        asking.server.start()
    (tmp_path / "state" / "policy-api.key").unlink()
    with pytest.raises(LiveServerError, match="make it with: pillarbox guard dovecot"):
        asking.server.start()


def test_without_the_guard_the_server_does_not_start(tmp_path: Path) -> None:
    asking = Asking(tmp_path)
    with asking.server.config.open("a") as file:
        file.write("[guard]\nenabled = false\n")
    with pytest.raises(LiveServerError, match="the guard that it asks is switched off"):
        asking.server.start()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    asking = Asking(tmp_path)
    text = asking.server.config.read_text().replace(f"port = {asking.port}", f"port = {asking.server.pop3_port}")
    asking.server.config.write_text(text)
    with pytest.raises(LiveServerError, match="policy_api: this listener opens the same port as"):
        asking.server.start()


def test_p60_no_key_and_no_hash_is_in_the_log_or_the_state_file(asking: Asking) -> None:
    asking.log_in("bob", "canary-pwhash", "127.53.1.1")
    asking.server.stop()
    shown = asking.key.reveal_field().removeprefix("Basic ")
    secret = (asking.server.directory / "state" / "policy-api.key").read_text().strip()
    for path in [asking.server.log, *(asking.server.directory / "state").glob("guard.sqlite*")]:
        data = path.read_bytes()
        for word in (shown, secret, "canary-pwhash"):
            assert word.encode() not in data, path
