"""After getmail, mpop or fetchmail, nothing is downloaded twice: their own files, as they wrote them."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.fetching import FetchFiles
from tests.fetch.accounts import mail
from tests.interop.conftest import needs

from pillarbox.testing.scripted import ScriptedServer

pytestmark = pytest.mark.peer

OLD = [mail(number) for number in range(1, 5)]
NEW = mail(99)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(OLD, users={"ada@example.org": "open-sesame"}) as running:
        yield running


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


def goes_on(server: ScriptedServer, tmp_path: Path, program: str, state: Path) -> None:
    """Take the state over; then only what is new comes."""
    before = len(server.retrieved)
    files = FetchFiles(tmp_path)
    files.add(server)
    assert "4 messages taken over" in files.run("import", program, str(state), "ada").stdout
    assert "(4 of them known already)" in files.run("import", program, str(state), "ada").stdout
    server.add(NEW)
    files.run("run", "--once")
    assert files.mail() == Counter([NEW])
    assert len(server.retrieved) == before + 1


@needs("getmail", "getmail6")
def test_getmail(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "getmailrc").write_text(
        f"""[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {server.port}
username = {server.user}
password = {server.password}
ca_certs = {server.ca}

[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat > {tmp_path}/in/$$")
allow_root_commands = true

[options]
read_all = false
delete = false
"""
    )
    run("getmail", f"--getmaildir={tmp_path}")
    (state,) = tmp_path.glob("oldmail-*")
    goes_on(server, tmp_path, "getmail", state)


@needs("mpop", "mpop")
def test_mpop(server: ScriptedServer, tmp_path: Path) -> None:
    for part in ("tmp", "new", "cur"):
        (tmp_path / "in" / part).mkdir(parents=True)
    config = tmp_path / "mpoprc"
    config.write_text(
        f"""account default
host localhost
port {server.port}
user {server.user}
password {server.password}
auth user
tls on
tls_starttls off
tls_trust_file {server.ca}
delivery maildir {tmp_path}/in
uidls_file {tmp_path}/uidls
keep on
"""
    )
    config.chmod(0o600)
    run("mpop", "--file", str(config))
    goes_on(server, tmp_path, "mpop", tmp_path / "uidls")


@needs("fetchmail", "fetchmail")
def test_fetchmail(server: ScriptedServer, tmp_path: Path) -> None:
    config = tmp_path / "fetchmailrc"
    config.write_text(
        f'poll localhost service {server.port} protocol pop3 uidl username "{server.user}" '
        f'password "{server.password}" ssl sslcertck sslcertfile {server.ca} keep mda "cat > /dev/null"\n'
    )
    config.chmod(0o600)
    run("fetchmail", "-f", str(config), "-i", f"{tmp_path}/ids", "--pidfile", f"{tmp_path}/pid")
    goes_on(server, tmp_path, "fetchmail", tmp_path / "ids")
