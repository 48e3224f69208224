"""Other people's attack tools against a live server, all on loopback: hydra, ncrack and nmap's scripts.

Each tries a list that holds the right password in its middle, from 127.0.0.1. None finds it, the guard's events and
`pillarbox guard explain` tell what happened, and the owner, who was let in before from another place, is served all
through it. Medusa 2.2's pop3 module knows no TLS newer than SSLv3, and gives up where STLS is offered.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.interop.conftest import needs

from pillarbox.auth.guard.interface import REASONS
from pillarbox.testing.live import LiveServer

pytestmark = pytest.mark.peer

PASSWORD = "correct-canary-horse-7351"
GUESSES = [f"guess-{number}" for number in range(24)]
GUESSES.insert(18, PASSWORD)
SECONDS = 90.0
CHECKED = 10
"""Different guesses that may be checked for one account from one address: `guard.guesses_per_source`. A tool asks from
many connections at once, which changes nothing."""


def hydra(port: int) -> list[str]:
    return ["hydra", "-I", "-t", "8", "-l", "ada", "-P", "words", "-s", str(port), "127.0.0.1", "pop3"]


def ncrack(port: int) -> list[str]:
    return ["ncrack", "--user", "ada", "-P", "words", f"pop3://127.0.0.1:{port}"]


def nmap(port: int) -> list[str]:
    scripts = "+pop3-brute,+pop3-capabilities,+pop3-ntlm-info"
    return ["nmap", "-n", "-Pn", "-sT", "-p", str(port), "--script", scripts, "--script-args",
            "userdb=users,passdb=words", "127.0.0.1"]  # fmt: skip


class Owner(threading.Thread):
    """Reads her mail from another network, again and again, until told to stop."""

    def __init__(self, server: LiveServer) -> None:
        super().__init__(daemon=True)
        self._server = server
        self.enough = threading.Event()
        self.replies: list[bytes] = []

    def poll(self) -> None:
        plain = socket.create_connection(
            ("127.0.0.1", self._server.pop3s_port), timeout=SECONDS, source_address=("127.77.0.9", 0)
        )
        with self._server.client_context().wrap_socket(plain, server_hostname="localhost") as tls:
            lines = tls.makefile("rb")
            lines.readline()
            for command in ("USER ada", f"PASS {PASSWORD}", "STAT", "QUIT"):
                tls.sendall(command.encode() + b"\r\n")
                self.replies.append(lines.readline())

    def run(self) -> None:
        while not self.enough.wait(0.3):
            self.poll()


@pytest.mark.parametrize(
    ("tool", "found"),
    [
        pytest.param(hydra, "0 valid password", marks=needs("hydra", "hydra")),
        pytest.param(ncrack, "Ncrack done", marks=needs("ncrack", "ncrack")),
        pytest.param(nmap, "No valid accounts found", marks=needs("nmap", "nmap")),
    ],
)
def test_a_tool_finds_nothing_and_the_owner_is_served(
    tmp_path: Path, tool: Callable[[int], list[str]], found: str
) -> None:
    (tmp_path / "words").write_text("\n".join(GUESSES) + "\n")
    (tmp_path / "users").write_text("ada\n")
    with LiveServer({"ada": PASSWORD}, cleartext=True, settings={"guard": {"penalty": 0.0}}) as server:
        owner = Owner(server)
        owner.poll()
        owner.start()
        done = subprocess.run(
            tool(server.open_port), cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False,
            stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        )  # fmt: skip
        owner.enough.set()
        owner.join(SECONDS)
        assert found in done.stdout, done.stdout + done.stderr
        assert PASSWORD not in done.stdout
        assert all(reply.startswith(b"+OK") for reply in owner.replies), owner.replies

        # A tool may give up before the end of its list.
        failed = server.wait_for("LoginFailed", count=CHECKED)
        assert {event["peer"] for event in failed} == {"127.0.0.1"}
        checked = [event for event in failed if event["reason"] not in REASONS]
        assert len(checked) <= CHECKED
        assert server.events("SourceBlocked")[0]["source"] == "127.0.0.1"
        command = [sys.executable, "-m", "pillarbox.cli", "guard", "explain", "127.0.0.1", "--config"]
        told = subprocess.run([*command, str(server.config)], capture_output=True, text=True, timeout=30, check=True)
        assert "blocked" in told.stdout.lower()
