"""s-nail: it copies the maildrop into an mbox file, with line ends as the machine has them (LF)."""

from __future__ import annotations

import pytest
from tests.interop.conftest import PASSWORD, Box, crlf, digest, needs, of_mbox

pytestmark = [pytest.mark.peer, needs("s-nail", "s-nail")]


@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_s_nail_copies_everything(box: Box, tls: str) -> None:
    scheme = "pop3s" if tls == "implicit" else "pop3"
    config = box.write(
        "mailrc",
        f"""set v15-compat
set pop3-no-apop
set tls-ca-file={box.server.certificate} tls-ca-no-defaults tls-verify=strict
{"set pop3-use-starttls" if tls == "stls" else ""}
set password="{PASSWORD}"
""",
    )
    url = f"{scheme}://{box.user}@localhost:{box.port(tls)}"
    done = box.run(["s-nail", "-#", "-R", "-f", url], env={"MAILRC": str(config)}, stdin=b"copy * ./out.mbox\nexit\n")
    assert (box.directory / "out.mbox").exists(), done.stdout + done.stderr
    messages = of_mbox((box.directory / "out.mbox").read_bytes())
    assert [digest(crlf(message)) for message in messages] == box.expected
