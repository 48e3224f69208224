"""getmail6 with an external MDA that writes what it is given into a file, with the machine's line ends (LF).

It puts a line `Return-Path: <unknown>` in front of a message that has none; the test takes it away again. Not over
STLS, which getmail6 does not speak; not into a Maildir, which it refuses to root.
"""

from __future__ import annotations

import pytest
from tests.interop.conftest import PASSWORD, Box, crlf, digest, needs

pytestmark = [pytest.mark.peer, needs("getmail", "getmail6")]


def test_getmail_fetches_everything_and_deletes(box: Box) -> None:
    (box.directory / "in").mkdir()
    box.write(
        "getmailrc",
        f"""[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {box.port("implicit")}
username = {box.user}
password = {PASSWORD}
ca_certs = {box.server.certificate}

[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat > {box.directory}/in/$$")
allow_root_commands = true

[options]
read_all = true
delete = true
delivered_to = false
received = false
""",
    )
    done = box.run(["getmail", f"--getmaildir={box.directory}"])
    assert done.returncode == 0, done.stdout + done.stderr
    added = b"Return-Path: <unknown>\n"
    got = {digest(crlf(path.read_bytes().removeprefix(added))) for path in (box.directory / "in").iterdir()}
    assert got == set(box.expected)
    assert box.left() == 0
