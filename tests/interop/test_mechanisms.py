"""SASL with other people's clients: mpop, curl and gsasl, each with every mechanism it knows. P40, P45-P47.

The worker runs in the test's own process; the account is `tests.peers.secrets_of_one`'s.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.interop.conftest import needs
from tests.mechanisms import ALL
from tests.peers.authority import Authority
from tests.peers.secrets_of_one import SECRET, USER, OneAccount
from tests.peers.served import Client, Served, run, serving

from pillarbox.config.schema_listener import Tls
from pillarbox.events import LoginFailed, LoginSucceeded
from pillarbox.server.tls import build_context

pytestmark = pytest.mark.peer

MESSAGE = b"Subject: hello\r\n\r\nhello\r\n"


class Site:
    """A server with its certificates, and one message for "ada"."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.certificate, key = self.authority.issue("localhost", server=True)
        self.user, self.user_key = self.authority.issue(USER)
        settings = Tls(
            certificate=self.certificate, key=key, client_ca=self.authority.path, client_certificates="optional"
        )
        context = build_context(settings)
        assert context is not None
        self.tls = context
        self.accounts = OneAccount(self.authority.der(self.user))

    def serving(self, mechanisms: Sequence[str] = ALL) -> AbstractAsyncContextManager[Served]:
        """A worker with all mechanisms."""
        return serving(authenticator=self.accounts, mechanisms=mechanisms, tls=self.tls)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    async def run(self, *command: str | Path) -> tuple[int, str]:
        """Run a client; its status, and all it said."""
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.directory,
            env={"PATH": os.environ["PATH"], "HOME": str(self.directory), "LC_ALL": "C"},
        )
        said, _ = await asyncio.wait_for(process.communicate(), 30)
        return process.returncode or 0, said.decode("utf-8", "replace")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def logged_in(served: Served) -> LoginSucceeded:
    await served.ended()
    assert not served.sink.of(LoginFailed), served.sink.of(LoginFailed)
    return served.sink.of(LoginSucceeded)[-1]


# ---- mpop ---------------------------------------------------------------------------------------------------------


def mpop(site: Site, port: int, method: str, *, secret: str = SECRET, more: str = "") -> Path:
    for part in ("tmp", "new", "cur"):
        (site.directory / "in" / part).mkdir(parents=True, exist_ok=True)
    text = f"""account default
host localhost
port {port}
user {USER}
password {secret}
auth {method}
tls on
tls_starttls off
tls_trust_file {site.authority.path}
received_header off
delivery maildir {site.directory}/in
uidls_file {site.directory}/uidls
keep off
{more}"""
    return site.write("mpoprc", text)


@needs("mpop", "mpop")
@pytest.mark.parametrize(
    ("method", "mechanism"),
    [
        ("user", "USER/PASS"),
        ("plain", "PLAIN"),
        ("login", "LOGIN"),
        ("scram-sha-256", "SCRAM-SHA-256"),
        ("cram-md5", "CRAM-MD5"),
        ("apop", "APOP"),
        ("oauthbearer", "OAUTHBEARER"),
        ("xoauth2", "XOAUTH2"),
        ("external", "EXTERNAL"),
    ],
)
def test_mpop(site: Site, method: str, mechanism: str) -> None:
    async def test() -> None:
        async with site.serving() as served:
            served.store.deliver(USER, MESSAGE)
            more = f"tls_cert_file {site.user}\ntls_key_file {site.user_key}\n" if method == "external" else ""
            config = mpop(site, served.pop3s, method, more=more)
            status, said = await site.run("mpop", "--file", config)
            assert status == 0, (said, served.sink.events)
            assert (await logged_in(served)).mechanism.startswith(mechanism)
            assert len(list((site.directory / "in" / "new").iterdir())) == 1

    run(test)


@needs("mpop", "mpop")
@pytest.mark.parametrize("method", ["scram-sha-256", "oauthbearer", "xoauth2", "cram-md5", "apop", "login"])
def test_mpop_understands_the_refusal(site: Site, method: str) -> None:
    """P46, P47: it ends, and says that the server refused."""

    async def test() -> None:
        async with site.serving() as served:
            status, said = await site.run("mpop", "--file", mpop(site, served.pop3s, method, secret="wrong"))
            assert status != 0
            assert "login failed" in said or "authentication failed" in said, said
            await served.ended()
            assert len(served.sink.of(LoginFailed)) == 1

    run(test)


# ---- curl ---------------------------------------------------------------------------------------------------------


@needs("curl", "curl")
@pytest.mark.parametrize("initial", [True, False], ids=["initial response", "empty challenge"])
@pytest.mark.parametrize(
    ("options", "mechanism"),
    [
        (["--login-options", "AUTH=PLAIN", "-u", f"{USER}:{SECRET}"], "PLAIN"),
        (["--login-options", "AUTH=LOGIN", "-u", f"{USER}:{SECRET}"], "LOGIN"),
        (["--login-options", "AUTH=CRAM-MD5", "-u", f"{USER}:{SECRET}"], "CRAM-MD5"),
        (["--login-options", "AUTH=+APOP", "-u", f"{USER}:{SECRET}"], "APOP"),
        (["--login-options", "AUTH=EXTERNAL", "-u", f"{USER}:"], "EXTERNAL"),
        (["--login-options", "AUTH=OAUTHBEARER", "--oauth2-bearer", SECRET, "-u", f"{USER}:"], "OAUTHBEARER"),
        (["--login-options", "AUTH=XOAUTH2", "--oauth2-bearer", SECRET, "-u", f"{USER}:"], "XOAUTH2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_curl(site: Site, options: list[str], mechanism: str, initial: bool) -> None:
    """P47: each with and without an initial response."""

    async def test() -> None:
        # Of two mechanisms for tokens, curl takes the first it knows, whatever it is told.
        names = [name for name in ALL if name == mechanism or name not in ("OAUTHBEARER", "XOAUTH2")]
        async with site.serving(names) as served:
            served.store.deliver(USER, MESSAGE)
            command = ["curl", "-sS", "--cacert", str(site.authority.path), *options]
            command += ["--sasl-ir"] if initial else []
            if mechanism == "EXTERNAL":
                command += ["--cert", str(site.user), "--key", str(site.user_key)]
            status, said = await site.run(*command, f"pop3s://localhost:{served.pop3s}/1")
            assert status == 0, (said, served.sink.events)
            assert said.encode().replace(b"\r\n", b"\n") == MESSAGE.replace(b"\r\n", b"\n")
            assert (await logged_in(served)).mechanism == mechanism

    run(test)


@needs("curl", "curl")
@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_curl_answers_the_error_of_a_refused_token(site: Site, mechanism: str) -> None:
    """P47."""

    async def test() -> None:
        async with site.serving() as served:
            options = ["--login-options", f"AUTH={mechanism}", "--oauth2-bearer", "expired", "-u", f"{USER}:"]
            url = f"pop3s://localhost:{served.pop3s}/"
            status, said = await site.run("curl", "-sS", "--cacert", site.authority.path, *options, url)
            assert status == 67, said  # CURLE_LOGIN_DENIED
            await served.ended()
            assert len(served.sink.of(LoginFailed)) == 1

    run(test)


# ---- gsasl: it speaks IMAP and SMTP only, so the lines of its exchange are carried to the server here ---------------


class Gsasl:
    """`gsasl` on its standard input and output, one base64 line a step."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *options: str) -> Gsasl:
        process = await asyncio.create_subprocess_exec(
            "gsasl",
            "--quiet",
            "--no-cb",
            *options,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return cls(process)

    async def line(self) -> bytes:
        assert self._process.stdout is not None
        return (await asyncio.wait_for(self._process.stdout.readline(), 10)).rstrip(b"\r\n")

    def say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")

    async def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 10)


async def _relayed(client: Client, mechanism: str, secret: str) -> bytes:
    """Hold one exchange of gsasl's client with the server; returns the server's last reply."""
    gsasl = await Gsasl.start("-c", "-m", mechanism, "-a", USER, "-z", "", "-p", secret)
    assert await gsasl.line() == mechanism.encode()
    initial = await gsasl.line()
    answer = await client.ask(b"AUTH " + mechanism.encode() + (b" " + initial if initial else b""))
    while answer.startswith(b"+ "):
        gsasl.say(answer[2:])
        answer = await client.ask(await gsasl.line())
    await gsasl.end()
    return answer


@needs("gsasl", "gsasl")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_the_client_of_gsasl(site: Site, mechanism: str) -> None:
    """P46: SCRAM's acknowledgment is what gsasl says to a server signature it has checked."""

    async def test() -> None:
        async with site.serving() as served:
            client = await served.connect()
            await client.line()
            assert (await _relayed(client, mechanism, "wrong")).startswith(b"-ERR [AUTH] "), served.sink.events
            assert (await _relayed(client, mechanism, SECRET)).startswith(b"+OK ")

    run(test)
