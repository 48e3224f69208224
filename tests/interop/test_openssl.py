"""openssl s_client, as by hand: the raw octets of the connection."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.interop.conftest import PASSWORD, Box, digest, needs

pytestmark = [pytest.mark.peer, needs("openssl", "openssl")]


def _messages(raw: bytes) -> list[bytes]:
    """The bodies of the RETR replies in a raw conversation, unstuffed."""
    bodies = re.findall(rb"\+OK \d+ octets\r\n(.*?)\r\n\.\r\n", raw, re.DOTALL)
    return [re.sub(rb"(?m)^\.", b"", body + b"\r\n") for body in bodies]


@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_s_client_sees_the_stored_octets(box: Box, tls: str) -> None:
    command: list[str | Path] = ["openssl", "s_client", "-quiet", "-verify_return_error"]
    command += ["-CAfile", box.server.certificate, "-connect", f"localhost:{box.port(tls)}"]
    command += ["-starttls", "pop3"] if tls == "stls" else []
    said = [f"USER {box.user}", f"PASS {PASSWORD}", *(f"RETR {number}" for number in range(1, 6)), "QUIT"]
    done = box.run(command, stdin="".join(f"{line}\r\n" for line in said).encode())
    assert done.stdout.endswith(b"+OK bye\r\n"), done.stdout[-200:] + done.stderr
    assert [digest(message) for message in _messages(done.stdout)] == box.expected
