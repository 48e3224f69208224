"""The beginning of a session: TLS and its rules, CAPA again and again."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from tests.client.scripted import SILENT_CAPA, Server, client
from tests.client.tls_server import Certificate, serving
from tests.listening import listening

from pillarbox.client import (
    Client,
    ConnectError,
    DeadlineExceeded,
    KnownHostsFile,
    ProtocolError,
    Timeout,
    TlsError,
    TlsRules,
    Verify,
)
from pillarbox.events import MemorySink, ServerMisbehaved

STLS_CAPA = b"+OK\r\nTOP\r\nUIDL\r\nSTLS\r\n.\r\n"
MAIL = [b"Subject: hello\r\n\r\nbody\r\n"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("other"))


def fetch(port: int, rules: TlsRules, *, scheme: str = "pops", events: MemorySink | None = None) -> Client:
    with Client(f"{scheme}://ada@localhost:{port}", password="secret", tls=rules, events=events) as box:
        assert box.message(1).read() == MAIL[0]
    return box


@pytest.mark.parametrize("scheme", ["pops", "pop3"])
def test_a_trusted_certificate(certificate: Certificate, scheme: str) -> None:
    servers: list[Server] = []

    def script() -> Server:
        servers.append(Server(MAIL, {} if scheme == "pops" else {b"CAPA": STLS_CAPA}))
        return servers[-1]

    with serving(script, certificate, implicit=scheme == "pops") as port:
        box = fetch(port, TlsRules(ca_file=certificate.file), scheme=scheme)
    assert box.secured is not None
    assert box.secured.version == "TLSv1.3"
    assert box.committed
    expected = [b"CAPA", b"USER ada", b"PASS secret", b"CAPA"]
    assert servers[0].heard[: 6 if scheme == "pop3" else 4] == (
        expected if scheme == "pops" else [b"CAPA", b"STLS", *expected]
    )


def test_what_is_not_trusted_gets_nothing(certificate: Certificate, other: Certificate, tmp_path: Path) -> None:
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=3000)
    expired = Certificate(tmp_path / "expired", made=long_ago)
    for shown, rules, text in (
        (certificate, TlsRules(), "self-signed"),
        (certificate, TlsRules(ca_file=other.file), "self-signed|verify"),
        (certificate, TlsRules(ca_file=certificate.file, name="mail.example.org"), "Hostname mismatch"),
        (expired, TlsRules(ca_file=expired.file), "expired"),
        (certificate, TlsRules(ca_file=certificate.file, pins=[other.key.hex()]), "none of the pins"),
        (certificate, TlsRules(verify=Verify.PINS, pins=[other.key.hex()]), "none of the pins"),
    ):
        server = Server(MAIL)
        events = MemorySink()
        with serving(lambda server=server: server, shown) as port, pytest.raises(TlsError, match=text):  # type: ignore[misc]
            fetch(port, rules, events=events)
        assert server.heard == []
        assert [event.stage for event in events.of(ServerMisbehaved)] == ["TLS"]


def test_pins(certificate: Certificate, other: Certificate) -> None:
    with serving(lambda: Server(MAIL), certificate) as port:
        fetch(port, TlsRules(verify=Verify.PINS, pins=[other.key.hex(), certificate.key.hex()]))
        fetch(port, TlsRules(ca_file=certificate.file, pins=[certificate.key.hex()]))


def test_trust_on_first_use(certificate: Certificate, other: Certificate, tmp_path: Path) -> None:
    known = KnownHostsFile(tmp_path / "known")
    rules = TlsRules(verify=Verify.FIRST_USE, known=known)
    with serving(lambda: Server(MAIL), certificate) as port:
        fetch(port, rules)
        fetch(port, rules)
        assert known.key("localhost", port) == certificate.key
        known.remember("localhost", port, other.key)
        with pytest.raises(TlsError, match="has changed"):
            fetch(port, rules)


def test_a_server_that_answers_no_tls_at_all(certificate: Certificate) -> None:
    def plain(connection: object) -> None:
        connection.sendall(b"+OK in the clear\r\n")  # type: ignore[attr-defined]

    with listening(plain) as port, pytest.raises(TlsError, match="no TLS with localhost"):
        fetch(port, TlsRules(ca_file=certificate.file))


def test_a_handshake_that_never_ends(certificate: Certificate) -> None:
    def silent(connection: object) -> None:
        connection.recv(65536)  # type: ignore[attr-defined]
        connection.recv(65536)  # type: ignore[attr-defined]

    events = MemorySink()
    with listening(silent) as port:
        box = Client(f"pops://ada@localhost:{port}", password="x", timeout=Timeout(connect=0.2), events=events)
        with pytest.raises(DeadlineExceeded, match="handshake"):
            box.open()
    assert len(events.of(ServerMisbehaved)) == 1


def test_nobody_listens() -> None:
    with pytest.raises(ConnectError, match=r"no connection to pops://ada@127\.0\.0\.1:9"):
        Client("pops://ada@127.0.0.1:9", password="x").open()


# ---- STLS, with a server in memory --------------------------------------------------------------------------------


def stls(server: Server, rules: TlsRules, events: MemorySink | None = None) -> Client:
    with client(server, tls=rules, events=events) as box:
        return box


def test_capa_is_asked_again_after_tls_and_after_the_login() -> None:
    said = [STLS_CAPA, b"+OK\r\nSASL PLAIN\r\n.\r\n", SILENT_CAPA]
    server = Server(MAIL, {b"CAPA": lambda _: said.pop(0)})
    box = stls(server, TlsRules())
    assert [line.split()[0] for line in server.heard] == [b"CAPA", b"STLS", b"CAPA", b"AUTH", b"CAPA", b"QUIT"]
    assert box.capabilities.uidl
    assert not box.capabilities.stls
    assert server.tls == ["mail.example.org"]


@pytest.mark.parametrize("offered", [True, False])
def test_required_means_that_the_channel_is_tls(offered: bool) -> None:
    """Whatever the server says, no name and no password goes out in clear."""
    events = MemorySink()
    server = Server(MAIL, {b"CAPA": STLS_CAPA if offered else SILENT_CAPA, b"STLS": b"-ERR not now\r\n"})
    with pytest.raises(TlsError, match="nothing was sent"):
        stls(server, TlsRules(), events)
    assert b"USER" not in server.keywords()
    assert server.closed
    assert [event.stage for event in events.of(ServerMisbehaved)] == ["STLS"]


def test_without_capa_stls_is_tried() -> None:
    answers = {b"CAPA": b"-ERR what?\r\n"}
    server = Server(MAIL, answers)
    stls(server, TlsRules())
    assert server.tls
    server = Server(MAIL, {**answers, b"STLS": b"-ERR what?\r\n"})
    with pytest.raises(TlsError):
        stls(server, TlsRules())
    server = Server(MAIL, {**answers, b"STLS": b"-ERR what?\r\n"})
    assert stls(server, TlsRules(cleartext=True)).secured is None


@pytest.mark.parametrize("behind", [b"+OK injected\r\n", b"x", b"\r\n"])
def test_octets_before_the_handshake_are_fatal(behind: bytes) -> None:
    events = MemorySink()
    server = Server(MAIL, {b"CAPA": STLS_CAPA, b"STLS": b"+OK go\r\n" + behind})
    with pytest.raises(ProtocolError, match="handshake"):
        stls(server, TlsRules(), events)
    assert not server.tls
    assert server.closed
    assert len(events.of(ServerMisbehaved)) == 1


def test_cleartext_only_by_name_and_never_with_a_host_that_had_tls(tmp_path: Path) -> None:
    known = KnownHostsFile(tmp_path / "known")
    answers = {b"CAPA": SILENT_CAPA}
    assert stls(Server(MAIL, answers), TlsRules(cleartext=True, known=known)).secured is None
    known.remember("mail.example.org", 110, b"k" * 32)
    for rules in (TlsRules(cleartext=True, known=known), TlsRules(cleartext=True, stls=False, known=known)):
        server = Server(MAIL, answers)
        with pytest.raises(TlsError, match="had TLS before"):
            stls(server, rules)
        assert b"USER" not in server.keywords()


def test_cleartext_that_is_allowed_still_takes_tls_and_does_not_fall_back() -> None:
    server = Server(MAIL, {b"CAPA": STLS_CAPA})
    assert stls(server, TlsRules(cleartext=True)).secured is not None
    refusing = Server(MAIL, {b"CAPA": STLS_CAPA, b"STLS": b"-ERR no\r\n"})
    with pytest.raises(TlsError):
        stls(refusing, TlsRules(cleartext=True))
    never = Server(MAIL, {b"CAPA": STLS_CAPA})
    assert stls(never, TlsRules(cleartext=True, stls=False)).secured is None
    assert b"STLS" not in never.heard
