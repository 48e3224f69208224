"""Perl's Net::POP3: it writes line ends as the machine has them (LF). TLS needs IO::Socket::SSL."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.interop.conftest import PASSWORD, Box, crlf, digest, needs

pytestmark = [pytest.mark.peer, needs("perl", "perl")]

_SCRIPT = Path(__file__).with_name("fetch.pl")


def _has(module: str) -> bool:
    if shutil.which("perl") is None:
        return False
    return subprocess.run(["perl", f"-M{module}", "-e1"], capture_output=True, check=False).returncode == 0


without_tls = pytest.mark.skipif(not _has("Net::POP3"), reason="needs Net::POP3 (Debian package perl-modules)")
with_tls = pytest.mark.skipif(not _has("IO::Socket::SSL"), reason="needs libio-socket-ssl-perl for TLS")


@pytest.mark.parametrize(
    "tls",
    [
        pytest.param("none", marks=without_tls),
        pytest.param("implicit", marks=with_tls),
        pytest.param("stls", marks=with_tls),
    ],
)
def test_net_pop3_fetches_everything_and_deletes(box: Box, tls: str) -> None:
    done = box.run(["perl", _SCRIPT, str(box.port(tls)), box.user, PASSWORD, box.server.certificate, tls])
    assert done.returncode == 0, done.stderr
    got = [digest(crlf((box.directory / str(number)).read_bytes())) for number in range(1, 6)]
    assert got == box.expected
    assert box.left() == 0
