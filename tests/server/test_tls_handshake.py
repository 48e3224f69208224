"""What a handshake tells: the client's certificate, and channel bindings that both sides compute alike."""

from __future__ import annotations

import contextlib
import hashlib
import ssl
from pathlib import Path

import pytest
from tests.peers.authority import Authority

from pillarbox.config.schema_listener import Sni, Tls
from pillarbox.server.tls import build_context
from pillarbox.server.tls_stream import Secured, ServerContext, TlsStream


class Both:
    """One handshake in memory between `TlsStream` and Python's own client."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> None:
        self.server = TlsStream(server)
        self._to_client, self._to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self._to_client, self._to_server, server_hostname=name)

    def shake(self) -> Secured:
        done = False
        for _ in range(10):
            try:
                self.client.do_handshake()
            except ssl.SSLWantReadError:
                pass
            if data := self._to_server.read():
                self.server.feed(data)
            if not done:
                try:
                    done = self.server.handshake()
                finally:
                    self._to_client.write(self.server.take())
        assert done
        return self.server.secured()

    def close(self, before: bytes) -> None:
        """The client's last octets and its close_notify, in one packet."""
        if before:
            self.client.write(before)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.client.unwrap()
        self.server.feed(self._to_server.read())


class Site:
    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.certificate, self.key = self.authority.issue("localhost", server=True)
        self.directory = directory

    def server(self, **more: object) -> ssl.SSLContext:
        context = build_context(Tls.model_validate({"certificate": self.certificate, "key": self.key, **more}))
        assert context is not None
        return context

    def client(
        self, pair: tuple[Path, Path] | None = None, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.path))
        context.maximum_version = newest
        if pair is not None:
            context.load_cert_chain(*pair)
        return context


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def asking(site: Site, mode: str) -> ssl.SSLContext:
    return site.server(client_ca=site.authority.path, client_certificates=mode)


VERSIONS = pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])


@VERSIONS
def test_the_bindings(site: Site, newest: ssl.TLSVersion) -> None:
    """RFC 5929 §3-§4, RFC 9266: tls-unique ends with TLS 1.2."""
    both = Both(site.server(), site.client(newest=newest))
    secured = both.shake()
    shown = both.client.getpeercert(binary_form=True)
    assert shown is not None
    assert secured.bindings["tls-server-end-point"] == hashlib.sha256(shown).digest()
    if newest is ssl.TLSVersion.TLSv1_2:
        assert secured.version == "TLSv1.2"
        assert secured.bindings["tls-unique"] == both.client.get_channel_binding("tls-unique")
        assert (
            Both(site.server(), site.client(newest=newest)).shake().bindings["tls-unique"]
            != secured.bindings["tls-unique"]
        )
    else:
        assert secured.version == "TLSv1.3"
        assert "tls-unique" not in secured.bindings


def test_the_end_point_is_the_certificate_that_was_shown(site: Site) -> None:
    certificate, key = site.authority.issue("pop.example.org", server=True)
    context = site.server(sni=(Sni(names=("pop.example.org",), certificate=certificate, key=key),))
    for name, path in (("localhost", site.certificate), ("pop.example.org", certificate)):
        expected = hashlib.sha256(site.authority.der(path)).digest()
        assert Both(context, site.client(), name).shake().bindings["tls-server-end-point"] == expected


def test_a_context_without_end_point_has_no_such_binding(site: Site) -> None:
    context = site.server()
    assert isinstance(context, ServerContext)
    context.end_point = b""
    assert "tls-server-end-point" not in Both(context, site.client()).shake().bindings


def test_close_notify_is_the_end_also_without_fin(site: Site) -> None:
    """P56: with what came before it, and whether or not it comes in one packet."""
    for before in (b"", b"QUIT\r\n"):
        both = Both(site.server(), site.client())
        both.shake()
        assert not both.server.ended
        both.close(before)
        assert both.server.read() == before
        assert both.server.ended


# ---- client certificates ------------------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("mode", ["optional", "required"])
def test_a_good_certificate(site: Site, mode: str, newest: ssl.TLSVersion) -> None:
    pair = site.authority.issue("ada")
    secured = Both(asking(site, mode), site.client(pair, newest=newest)).shake()
    assert secured.certificate == site.authority.der(pair[0])


def test_off_ignores_what_a_client_has(site: Site) -> None:
    for context in (site.server(), asking(site, "off")):
        assert Both(context, site.client(site.authority.issue("ada"))).shake().certificate == b""


@VERSIONS
def test_none_at_all(site: Site, newest: ssl.TLSVersion) -> None:
    assert Both(asking(site, "optional"), site.client(newest=newest)).shake().certificate == b""
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        Both(asking(site, "required"), site.client(newest=newest)).shake()


@VERSIONS
@pytest.mark.parametrize("mode", ["optional", "required"])
@pytest.mark.parametrize("what", ["expired", "of another authority", "a server's"])
def test_a_bad_certificate_ends_the_handshake(site: Site, mode: str, what: str, newest: ssl.TLSVersion) -> None:
    pair = {
        "expired": lambda: site.authority.issue("ada", days=-1),
        "of another authority": lambda: Authority(site.directory, "stranger").issue("ada"),
        "a server's": lambda: site.authority.issue("ada", server=True),
    }[what]()
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        Both(asking(site, mode), site.client(pair, newest=newest)).shake()
    assert caught.value.verify_message


def test_verification_is_the_same_for_every_name(site: Site) -> None:
    """The context that a name leads to verifies as the first one does."""
    certificate, key = site.authority.issue("pop.example.org", server=True)
    context = site.server(
        client_ca=site.authority.path,
        client_certificates="required",
        sni=(Sni(names=("pop.example.org",), certificate=certificate, key=key),),
    )
    pair = site.authority.issue("ada")
    assert Both(context, site.client(pair), "pop.example.org").shake().certificate == site.authority.der(pair[0])
    for bad in (None, Authority(site.directory, "stranger").issue("ada")):
        with pytest.raises(ssl.SSLError):
            Both(context, site.client(bad), "pop.example.org").shake()
