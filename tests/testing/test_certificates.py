"""The throw-away authority: each kind of bad certificate is refused for its own reason, the good one is not."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from tests.testing.client import Raw

from pillarbox.testing import Quality, ScriptedServer
from pillarbox.testing.certificates import Authority, common_name

REASONS = {
    Quality.EXPIRED: "expired",
    Quality.NOT_YET: "not yet valid",
    Quality.WRONG_HOST: "Hostname mismatch",
    Quality.SELF_SIGNED: "self-signed certificate",
    Quality.UNTRUSTED: "unable to get local issuer certificate",
}


@pytest.mark.parametrize("quality", [*REASONS])
def test_bad_certificates_are_bad_for_one_reason(quality: Quality) -> None:
    with ScriptedServer(certificate=quality) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match=REASONS[quality]):
            Raw(server)
        assert server.wait_for_sessions(1)[0].how.startswith("TLS failed")


def test_the_good_one_is_good_for_strict_clients() -> None:
    with ScriptedServer() as server:
        context = server.client_context()
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with Raw(server) as client:
            assert context.get_ca_certs()
            assert client.greeting.startswith(b"+OK")


def test_client_certificates_name_their_user(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.client_pair("bob")
    assert common_name(pair.der) == "bob"
    assert pair.key.stat().st_mode & 0o077 == 0
    assert authority.client_pair("bob").certificate != pair.certificate


def test_external_with_a_certificate() -> None:
    with ScriptedServer(users={"ada": "a", "bob": "b"}) as server:
        pair = server.client_certificate("bob")
        context = server.client_context()
        context.load_cert_chain(pair.certificate, pair.key)
        server.client_context = lambda: context  # type: ignore[method-assign]
        with Raw(server) as client:
            assert client.say("AUTH EXTERNAL =").startswith(b"+OK 0 messages")
        assert (server.logins[0].user, server.logins[0].accepted) == ("bob", True)
