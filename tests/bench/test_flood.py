"""The flood's figures: what a poll counts as, and the attacker's own report."""

import itertools
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
from bench.flood import _SOURCE, Polls
from bench.load import build
from tests.listening import listening

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def test_p99_is_a_poll_that_was_made() -> None:
    assert Polls([number / 100 for number in range(1, 101)]).p99() == 0.99
    assert Polls([0.1, 0.2]).p99() == 0.2
    assert Polls().p99() == float("inf")  # nobody was served


@pytest.fixture
def server() -> Iterator[int]:
    """Refuses every second connection in its greeting, and the log-ins of the others."""
    full = itertools.cycle([False, True])

    def serve(client: socket.socket) -> None:
        assert not client.getpeername()[0].startswith("127.0.")
        if next(full):
            client.sendall(b"-ERR full\r\n")
            return
        client.sendall(b"+OK\r\n")
        assert client.recv(1000).startswith(b"USER bogus")
        client.sendall(b"+OK\r\n-ERR [AUTH] no\r\n")
        client.recv(1)

    with listening(serve) as port:
        yield port


@needs_compiler
def test_every_log_in_offered_has_its_end(server: int) -> None:
    command = [str(build(_SOURCE)), str(server), "100", "0.2", "unknown"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout)
    assert said["offered"] == 20
    assert said["wrong"] + said["refused"] == 20
    assert said["wrong"] >= 9
