"""`pillarbox test-server`: what it prints can be typed, and it ends with Ctrl-C."""

from __future__ import annotations

import poplib
import re
import signal
import ssl
import subprocess
from pathlib import Path

import pytest
from tests.cli.program import PATIENCE, PROGRAM, run


def test_it_serves_what_it_is_told_and_says_what_happened(tmp_path: Path) -> None:
    mail = tmp_path / "one.eml"
    mail.write_bytes(b"Subject: mine\r\n\r\nmine\r\n")
    arguments = ("--mail", str(mail), "--mail", str(mail), "--fault", "drop at RETR 2", "--unique-ids", "long")
    process = subprocess.Popen([*PROGRAM, "test-server", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        card = ""
        while "Ctrl-C ends it" not in card:
            line = process.stdout.readline()
            assert line, card
            card += line
        assert "2 messages" in card
        assert "fault      drop at RETR 2" in card
        found = re.search(r"port (\d+), .*\n +login +(\S+), password (\S+)\n +trust +(\S+)\n +try +curl ", card)
        assert found is not None
        context = ssl.create_default_context(cafile=found[4])
        client = poplib.POP3_SSL("localhost", int(found[1]), context=context, timeout=PATIENCE)
        client.user(found[2])
        client.pass_(found[3])
        assert client.retr(1)[1][0] == b"Subject: mine"
        assert len(client.uidl()[1][0]) == 202
        with pytest.raises(poplib.error_proto):
            client.retr(2)
        client.close()
        said = ""
        while "dropped" not in said:
            said += process.stdout.readline()
        assert "C: PASS *\n" in said
        assert found[3] not in said
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE)
        assert "logins: 1, retrieved: 1, deleted: 0" in rest
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("--fault", "explode"), 1, "error: 'explode': not understood"),
        (("--preset", "hotmail"), 2, "there is no 'hotmail'; there are: pillarbox, gmail"),
        (("--tls", "maybe"), 2, "there are: implicit, stls, none"),
        (("--certificate", "fine"), 2, "there are: valid, expired"),
        (("--listing", "x"), 2, "there are: zero, twice"),
        (("--mail", "/nonexistent"), 1, "error: /nonexistent: No such file or directory"),
    ],
)
def test_what_is_wrong_is_told(arguments: tuple[str, ...], status: int, told: str) -> None:
    found, shown, said = run("test-server", *arguments)
    assert (found, shown) == (status, "")
    assert told in " ".join(said.replace("│", " ").split())
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_told() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run("test-server", "--port", port)[::2] == (1, f"error: port {port}: Address already in use\n")
