"""Our clients against real servers: Pillarbox's own, and Dovecot. The SHA-256 of every message is equal.

What a server does to the octets before it sends them is its own affair: Dovecot, unlike ours, keeps a bare CR.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.conftest import AWKWARD, PASSWORD, SMALL, Box, crlf, digest
from tests.interop.test_mechanisms import MESSAGE, Site, logged_in
from tests.peers import dovecot
from tests.peers.dovecot import Dovecot
from tests.peers.secrets_of_one import SECRET, USER
from tests.peers.served import run

from pillarbox.client import (
    AsyncClient,
    Auth,
    AuthenticationFailed,
    Client,
    ClientCertificate,
    InUse,
    Password,
    TlsError,
    TlsRules,
)
from pillarbox.events import MemorySink, Secret

pytestmark = pytest.mark.peer


class Token:
    """A bearer token that is never refreshed."""

    def access_token(self) -> Secret:
        return Secret(SECRET)

    def rejected(self) -> None:
        """Nothing is to be done."""


def fetched(url: str, rules: TlsRules, password: str, *, delete: bool = False) -> list[str]:
    """The SHA-256 of every message, by the blocking client; the framing of each is judged by its size, too."""
    events = MemorySink()
    with Client(url, password=password, tls=rules, events=events) as box:
        entries = box.listing()
        found = []
        for one in box.retrieve(entries):
            octets = sum(len(chunk) for chunk in one.chunks())
            assert octets == one.octets == one.size
            assert one.sha256 is not None
            found.append(one.sha256.hex())
        heads = [head for _, head in box.headers(entries)]
        assert all(head.endswith(b"\r\n\r\n") for head in heads)
        if delete:
            assert all(status.ok for status in box.delete([entry.number for entry in entries]).values())
    assert box.committed is True
    assert not events.events
    assert len({entry.unique_id for entry in entries}) == len(entries)
    return found


async def fetched_async(url: str, rules: TlsRules, password: str) -> list[str]:
    """The same by the asynchronous client."""
    async with AsyncClient(url, password=password, tls=rules) as box:
        found = []
        async for one in box.retrieve(await box.listing()):
            async for _ in one.chunks():
                pass
            assert one.sha256 is not None
            found.append(one.sha256.hex())
    assert box.committed is True
    return found


# ---- Pillarbox ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["implicit", "stls", "none"])
def test_our_server(box: Box, tls: str) -> None:
    rules = TlsRules(cleartext=True, stls=False) if tls == "none" else TlsRules(ca_file=box.server.certificate)
    url = f"{'pops' if tls == 'implicit' else 'pop3'}://{box.user}@localhost:{box.port(tls)}"
    assert asyncio.run(fetched_async(url, rules, PASSWORD)) == box.expected
    assert fetched(url, rules, PASSWORD, delete=True) == box.expected
    assert box.left() == 0


def test_our_server_gives_its_reasons(box: Box) -> None:
    rules = TlsRules(ca_file=box.server.certificate)
    url = f"pops://{box.user}@localhost:{box.server.pop3s_port}"
    with pytest.raises(AuthenticationFailed):
        Client(url, password="wrong", tls=rules).open()
    with Client(url, password=PASSWORD, tls=rules), pytest.raises(InUse):
        Client(url, password=PASSWORD, tls=rules).open()
    with pytest.raises(TlsError, match="self-signed"):
        Client(url, password=PASSWORD).open()


def test_a_large_message_needs_no_memory(box: Box) -> None:
    """50 MB; measured in a process of its own."""
    script = """
import re, sys
from pathlib import Path
from pillarbox.client import Client, TlsRules
def most():  # of this process alone: what getrusage says begins with its parent's
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
with Client(sys.argv[1], password=sys.argv[2], tls=TlsRules(ca_file=sys.argv[3])) as box:
    for _ in box.message(1).chunks():
        pass
    before = most()
    box.message(4).save_to(sys.argv[4])
    print(most() - before)
"""
    url = f"pops://{box.user}@localhost:{box.server.pop3s_port}"
    saved = box.directory / "big.eml"
    arguments = [url, PASSWORD, str(box.server.certificate), str(saved)]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8 * 1024  # KiB
    assert digest(saved.read_bytes()) == box.big


# ---- every mechanism, with a server of ours that has them all -----------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("tls", ["implicit", "stls"])
@pytest.mark.parametrize(
    ("auth", "offered", "mechanism"),
    [
        (Password(SECRET), None, "SCRAM-SHA-256-PLUS"),
        (Password(SECRET), ["SCRAM-SHA-256", "PLAIN"], "SCRAM-SHA-256"),
        (Password(SECRET), ["PLAIN", "LOGIN"], "PLAIN"),
        (Password(SECRET), ["LOGIN"], "LOGIN"),
        (Password(SECRET), [], "USER/PASS"),
        (Password(SECRET, ("CRAM-MD5",)), None, "CRAM-MD5"),
        (Password(SECRET, ("APOP",)), None, "APOP"),
        (Token(), None, "OAUTHBEARER"),
        (Token(), ["XOAUTH2"], "XOAUTH2"),
        (ClientCertificate(), None, "EXTERNAL"),
    ],
)
def test_every_mechanism(site: Site, auth: Auth, offered: list[str] | None, mechanism: str, tls: str) -> None:
    """P40, P45-P47 from the client's end."""

    async def test() -> None:
        async with site.serving() if offered is None else site.serving(offered) as served:
            served.store.deliver(USER, MESSAGE)
            rules = TlsRules(ca_file=site.authority.path)
            if isinstance(auth, ClientCertificate):
                rules = TlsRules(ca_file=site.authority.path, certificate=site.user, key=site.user_key)
            port = served.pop3s if tls == "implicit" else served.pop3
            url = f"{'pops' if tls == 'implicit' else 'pop3'}://{USER}@localhost:{port}"
            async with AsyncClient(url, auth=auth, tls=rules) as box:
                assert await (await box.message(1)).read() == MESSAGE
            assert (await logged_in(served)).mechanism == mechanism

    run(test)


def test_scram_bound_by_tls_unique_where_the_certificate_has_no_end_point(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with site.serving() as served:
            context = ssl.create_default_context(cafile=str(site.authority.path))
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            monkeypatch.setattr("pillarbox.client.opening.end_point", lambda certificate: b"")
            url = f"pops://{USER}@localhost:{served.pop3s}"
            async with AsyncClient(url, password=SECRET, tls=TlsRules(context=context)) as box:
                assert box.secured is not None
                assert box.secured.version == "TLSv1.2"
            assert (await logged_in(served)).mechanism == "SCRAM-SHA-256-PLUS"

    run(test)


# ---- Dovecot ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dovecot_server() -> Iterator[Dovecot]:
    if dovecot.MISSING:
        pytest.skip(dovecot.MISSING)
    with Dovecot({"anna": PASSWORD, "bert": PASSWORD}) as server:
        for account in ("anna", "bert"):
            for message in [*SMALL, AWKWARD] * 20:
                server.deliver(account, message)
        yield server


@pytest.mark.parametrize(("tls", "account"), [("implicit", "anna"), ("stls", "bert")])
def test_dovecot(dovecot_server: Dovecot, tls: str, account: str) -> None:
    port = dovecot_server.pop3s_port if tls == "implicit" else dovecot_server.pop3_port
    url = f"{'pops' if tls == 'implicit' else 'pop3'}://{account}@localhost:{port}"
    rules = TlsRules(ca_file=dovecot_server.certificate)
    expected = [digest(crlf(message)) for message in [*SMALL, AWKWARD] * 20]
    assert asyncio.run(fetched_async(url, rules, PASSWORD)) == expected
    assert fetched(url, rules, PASSWORD, delete=True) == expected
    with Client(url, password=PASSWORD, tls=rules) as box:
        assert box.listing() == ()
    with pytest.raises(AuthenticationFailed):
        Client(url, password="wrong", tls=rules).open()
