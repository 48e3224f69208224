"""node-pop3: it streams the octets as they are on the wire, still stuffed, and drops the last line end with the dot.

Only over implicit TLS: it does not speak STLS. It finds the end of a message only where the last five octets come in
one piece (P11).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.interop.conftest import PASSWORD, Box, digest, needs

_SCRIPT = Path(__file__).with_name("fetch.mjs")
_INSTALLED = (_SCRIPT.parent / "node_modules" / "node-pop3").is_dir()

pytestmark = [
    pytest.mark.peer,
    needs("node", "nodejs"),
    pytest.mark.skipif(not _INSTALLED, reason="needs node-pop3 (npm package; npm install --prefix tests/interop)"),
]


def _message(data: bytes) -> bytes:
    return re.sub(rb"(?m)^\.", b"", data) + b"\r\n"


def test_node_pop3_fetches_everything_and_deletes(box: Box) -> None:
    done = box.run(["node", _SCRIPT, str(box.port("implicit")), box.user, PASSWORD, box.server.certificate])
    assert done.returncode == 0, done.stderr
    got = [digest(_message((box.directory / str(number)).read_bytes())) for number in range(1, 6)]
    assert got == box.expected
    assert box.left() == 0
