"""fetchmail with an MDA that writes what it is given into a file."""

from __future__ import annotations

import pytest
from tests.interop.conftest import PASSWORD, Box, crlf, digest, needs

pytestmark = [pytest.mark.peer, needs("fetchmail", "fetchmail")]


@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_fetchmail_fetches_everything_and_deletes(box: Box, tls: str) -> None:
    (box.directory / "in").mkdir()
    # `set invisible` and `no rewrite` keep fetchmail from adding and changing header lines.
    security = "ssl" if tls == "implicit" else 'sslproto "tls1.2+"'
    config = box.write(
        "fetchmailrc",
        f"""set invisible
set no bouncemail
poll localhost protocol pop3 port {box.port(tls)} timeout 60
  user "{box.user}" there with password "{PASSWORD}" is "me" here
  options fetchall no keep no rewrite no dropdelivered no mimedecode {security} sslcertck
  sslcertfile "{box.server.certificate}"
  mda "sh -c 'cat > {box.directory}/in/$$'"
""",
    )
    done = box.run(
        ["fetchmail", "--fetchmailrc", config, "--nodetach", "--nosyslog"], env={"FETCHMAILHOME": str(box.directory)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    got = {digest(crlf(path.read_bytes())) for path in (box.directory / "in").iterdir()}
    assert got == set(box.expected)
    assert box.left() == 0
