"""curl: its output is the message, with dots unstuffed and nothing else changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.interop.conftest import PASSWORD, Box, digest, needs

pytestmark = [pytest.mark.peer, needs("curl", "curl")]


@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_curl_fetches_everything_unchanged(box: Box, tls: str) -> None:
    scheme = "pop3s" if tls == "implicit" else "pop3"
    lines = ["silent", "show-error", "ssl-reqd"]
    lines += [f'user = "{box.user}:{PASSWORD}"', f'cacert = "{box.server.certificate}"']
    for number in range(1, 6):
        lines += [f'url = "{scheme}://localhost:{box.port(tls)}/{number}"', f'output = "{number}"']
    done = box.run(["curl", "--config", box.write("curlrc", "\n".join(lines))])
    assert done.returncode == 0, done.stderr
    got = [digest((box.directory / str(number)).read_bytes()) for number in range(1, 6)]
    assert got == box.expected


def test_curl_lists_and_deletes(box: Box) -> None:
    url = f"pop3s://localhost:{box.server.pop3s_port}/"
    base: list[str | Path] = ["curl", "-sS", "--cacert", box.server.certificate, "-u", f"{box.user}:{PASSWORD}"]
    assert len(box.run([*base, url]).stdout.splitlines()) == 5
    assert len(box.run([*base, "-X", "UIDL", url]).stdout.splitlines()) == 5
    assert box.run([*base, "-X", "TOP 1 0", url]).stdout.startswith(b"From: a@example.org\r\n")
    assert box.run([*base, "-X", "DELE", "-I", url + "1"]).returncode == 0
    assert box.left() == 4
