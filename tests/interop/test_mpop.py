"""mpop with pipelining: it delivers into a Maildir, with line ends as the machine has them (LF)."""

from __future__ import annotations

import pytest
from tests.interop.conftest import PASSWORD, Box, crlf, digest, needs

pytestmark = [pytest.mark.peer, needs("mpop", "mpop")]


@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_mpop_fetches_everything_pipelined_and_deletes(box: Box, tls: str) -> None:
    for part in ("tmp", "new", "cur"):
        (box.directory / "in" / part).mkdir(parents=True)
    config = box.write(
        "mpoprc",
        f"""account default
host localhost
port {box.port(tls)}
user {box.user}
password {PASSWORD}
auth user
tls on
tls_starttls {"on" if tls == "stls" else "off"}
tls_trust_file {box.server.certificate}
pipelining on
received_header off
delivery maildir {box.directory}/in
uidls_file {box.directory}/uidls
keep off
""",
    )
    done = box.run(["mpop", "--file", config])
    assert done.returncode == 0, done.stderr
    got = {digest(crlf(path.read_bytes())) for path in (box.directory / "in" / "new").iterdir()}
    assert got == set(box.expected)
    assert box.left() == 0
    assert box.run(["mpop", "--file", config]).returncode == 0
