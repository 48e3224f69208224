"""A real Dovecot that asks our guard, configured with what `pillarbox guard dovecot` prints. P42."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.peers.dovecot import MISSING, Dovecot

from pillarbox.testing.live import LiveServer, free_ports

pytestmark = [pytest.mark.peer, pytest.mark.skipif(MISSING is not None, reason=MISSING or "")]

PASSWORD = "correct-canary-horse-7351"
# Failures still take half a second each: Dovecot lets them go in such ticks.
QUICK = "auth_failure_delay = 0\n"
PATIENCE = 10.0


def log_in(dovecot: Dovecot, user: str, password: str, source: str, mechanism: str = "") -> bytes:
    """Dovecot's answer to a log-in from an address of our own choice."""
    plain = socket.create_connection(("127.0.0.1", dovecot.pop3s_port), timeout=30, source_address=(source, 0))
    with closing(dovecot.client_context().wrap_socket(plain, server_hostname="localhost")) as client:
        lines = client.makefile("rb")
        assert lines.readline().startswith(b"+OK")
        if mechanism:
            response = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
            client.sendall(f"AUTH {mechanism} {response}\r\n".encode())
        else:
            client.sendall(f"USER {user}\r\n".encode())
            assert lines.readline().startswith(b"+OK")
            client.sendall(f"PASS {password}\r\n".encode())
        answer = lines.readline()
        lines.close()
        return answer


class Pair:
    """Our server and a Dovecot beside it."""

    def __init__(self, server: LiveServer, dovecot: Dovecot) -> None:
        self.server, self.dovecot = server, dovecot

    def guard(self, *arguments: str) -> str:
        return guard(self.server, *arguments)

    def refused(self, count: int) -> None:
        self.server.wait_for("PolicyRefused", count=count)

    def told(self, word: str) -> None:
        """Wait until `guard explain` says something: reports come behind the answer to the client."""
        end = time.monotonic() + PATIENCE
        while word not in self.guard("explain", "bob"):
            assert time.monotonic() < end, self.guard("explain", "bob")
            time.sleep(0.1)


def guard(server: LiveServer, *arguments: str) -> str:
    command = [sys.executable, "-m", "pillarbox.cli", "guard", *arguments, "-c", str(server.config)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory: Path = tmp_path_factory.mktemp("server")
    (port,) = free_ports(1)
    settings = {"policy_api": {"enabled": True, "port": port}}
    server = LiveServer({}, directory=directory, settings=settings)
    more = guard(server, "dovecot")
    with server, Dovecot(dict.fromkeys(("bob", "carol", "dora", "eve"), PASSWORD), more + QUICK) as dovecot:
        yield Pair(server, dovecot)
    assert not server.events("InternalError")
    assert not server.events("PolicyClientRefused")


def test_a_brute_force_is_stopped_and_the_owner_is_served_all_through_it(pair: Pair) -> None:
    dovecot = pair.dovecot
    assert log_in(dovecot, "bob", PASSWORD, "127.9.0.1").startswith(b"+OK")
    pair.told("127.9.0.0/24")
    wrong = {log_in(dovecot, "bob", f"guess {number}", "127.77.0.1") for number in range(10)}
    pair.refused(1)
    # Now the right password is refused from there, with the very words of a wrong one.
    refused = log_in(dovecot, "bob", PASSWORD, "127.77.0.1")
    assert wrong == {refused}
    assert refused.startswith(b"-ERR")
    assert log_in(dovecot, "carol", PASSWORD, "127.77.0.1") == refused
    assert log_in(dovecot, "bob", PASSWORD, "127.9.0.1").startswith(b"+OK")
    assert log_in(dovecot, "carol", PASSWORD, "127.9.0.2").startswith(b"+OK")
    explained = pair.guard("explain", "127.77.0.1")
    assert "refused, because 127.77.0.1 is blocked" in explained
    assert "bob (" in explained
    assert "127.77.0.1" in pair.guard("explain", "bob")
    told = pair.server.events("PolicyRefused")[0]
    assert (told["user"], told["peer"], told["protocol"]) == ("bob", "127.77.0.1", "pop3")
    [blocked] = pair.server.events("SourceBlocked")
    assert blocked["source"] == "127.77.0.1"
    # It lasts beyond a restart of ours.
    pair.server.stop()
    pair.server.start()
    assert log_in(dovecot, "carol", PASSWORD, "127.77.0.1") == refused
    assert log_in(dovecot, "bob", PASSWORD, "127.9.0.1").startswith(b"+OK")
    # And ends by a command.
    pair.guard("release", "127.77.0.1")
    end = time.monotonic() + PATIENCE
    while not log_in(dovecot, "carol", PASSWORD, "127.77.0.1").startswith(b"+OK"):
        assert time.monotonic() < end


def test_a_device_with_an_old_password_is_one_guess(pair: Pair) -> None:
    for _ in range(11):
        assert log_in(pair.dovecot, "dora", "old password", "127.78.0.1").startswith(b"-ERR")
    assert log_in(pair.dovecot, "dora", PASSWORD, "127.78.0.1").startswith(b"+OK")


def test_a_spray_is_stopped(pair: Pair) -> None:
    before = len(pair.server.events("PolicyRefused"))
    for number in range(10):
        assert log_in(pair.dovecot, f"user{number}", "Summer2026", "127.79.0.1", "PLAIN").startswith(b"-ERR")
    pair.refused(before + 1)
    assert log_in(pair.dovecot, "eve", PASSWORD, "127.79.0.1", "PLAIN").startswith(b"-ERR")


def test_when_nobody_answers_dovecot_goes_on(pair: Pair) -> None:
    """`auth_policy_reject_on_fail` is "no" by default: our absence must lock nobody out."""
    pair.server.stop()
    try:
        assert log_in(pair.dovecot, "dora", PASSWORD, "127.9.0.9").startswith(b"+OK")
    finally:
        pair.server.start()
    assert log_in(pair.dovecot, "dora", PASSWORD, "127.9.0.9").startswith(b"+OK")
