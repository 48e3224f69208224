"""TLS contexts, shown by real handshakes in memory. P52–P56 are the connection's; here: what is spoken, and with which
certificate."""

from __future__ import annotations

import datetime
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pillarbox.config.schema_listener import Sni, Tls
from pillarbox.server.certificates import TlsConfigError, make_self_signed
from pillarbox.server.tls import build_context, end_point

NOW = datetime.datetime.now(datetime.UTC)
Pair = tuple[Path, Path]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pair]:
    return lambda *names: make_self_signed(tmp_path_factory.mktemp("tls"), names, NOW)


@pytest.fixture(scope="module")
def default(pair: Callable[..., Pair]) -> Pair:
    return pair("default.test")


def settings(default: Pair, **more: object) -> Tls:
    return Tls.model_validate({"certificate": default[0], "key": default[1], **more})


def server(tls: Tls) -> ssl.SSLContext:
    context = build_context(tls)
    assert context is not None
    return context


def client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def shake(
    server_context: ssl.SSLContext,
    client_context: ssl.SSLContext,
    name: str | None = None,
    session: ssl.SSLSession | None = None,
) -> ssl.SSLObject:
    """A whole handshake in memory, and one octet in each direction; returns the client's side."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server_context.wrap_bio(to_server, to_client, server_side=True)
    theirs = client_context.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    pending = [theirs, ours]
    for _ in range(10):
        for side in list(pending):
            try:
                side.do_handshake()
                pending.remove(side)
            except ssl.SSLWantReadError:
                pass
        if not pending:
            break
    ours.write(b"+")
    assert theirs.read(1) == b"+"
    return theirs


def shown(context: ssl.SSLContext, name: str | None) -> bytes | None:
    return shake(context, client(), name).getpeercert(binary_form=True)


def der(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


def test_no_certificate_no_context() -> None:
    assert build_context(Tls()) is None


def test_tls_1_2_and_1_3_are_spoken_and_older_versions_are_not(default: Pair) -> None:
    context = server(settings(default))
    for version, text in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        only = client()
        only.minimum_version = only.maximum_version = version
        assert shake(context, only).version() == text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old = client()
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake(context, old)


def test_minimum_version_1_3_refuses_1_2(default: Pair) -> None:
    only = client()
    only.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(server(settings(default, minimum_version="1.3")), only)


def test_every_tls_1_2_cipher_has_ephemeral_keys_and_aead(default: Pair) -> None:
    old = [one for one in server(settings(default)).get_ciphers() if one["protocol"] != "TLSv1.3"]
    assert old
    assert all(one["name"].startswith("ECDHE-") and one["aead"] for one in old)


@pytest.mark.parametrize(
    "cipher", ["AES256-SHA256", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA384", "AECDH-AES256-SHA"]
)
def test_weak_ciphers_are_not_agreed_on(default: Pair, cipher: str) -> None:
    weak = client()
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake(server(settings(default)), weak)


def test_the_servers_order_of_ciphers_decides(default: Pair) -> None:
    modest = client()
    modest.maximum_version = ssl.TLSVersion.TLSv1_2
    modest.set_ciphers("ECDHE+AESGCM+AES128:ECDHE+AESGCM+AES256")
    agreed = shake(server(settings(default, ciphers="ECDHE+AES256+AESGCM:ECDHE+AES128+AESGCM")), modest).cipher()
    assert agreed is not None
    assert agreed[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_no_compression_no_renegotiation(default: Pair) -> None:
    options = server(settings(default)).options
    assert options & ssl.OP_NO_COMPRESSION
    assert options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, "default"),
        ("elsewhere.test", "default"),
        ("pop.example.org", "one"),
        ("POP.Example.ORG", "one"),
        ("mail.wild.test", "two"),
        ("a.mail.wild.test", "default"),  # a star is one label
        ("wild.test", "default"),
        ("special.wild.test", "one"),  # the exact name goes before the wildcard
    ],
)
def test_the_certificate_follows_the_name(
    default: Pair, pair: Callable[..., Pair], name: str | None, expected: str
) -> None:
    pairs = {"default": default, "one": pair("pop.example.org"), "two": pair("*.wild.test")}
    sni = (
        Sni(names=("pop.example.org", "special.wild.test"), certificate=pairs["one"][0], key=pairs["one"][1]),
        Sni(names=("*.wild.test",), certificate=pairs["two"][0], key=pairs["two"][1]),
    )
    tls = Tls(certificate=default[0], key=default[1], sni=sni)
    assert shown(server(tls), name) == der(pairs[expected][0])


@pytest.mark.parametrize(("offered", "agreed"), [(["pop3"], "pop3"), (["imap"], None), (["h2", "pop3"], "pop3")])
def test_alpn_pop3_is_accepted_and_others_are_not_refused(
    default: Pair, offered: list[str], agreed: str | None
) -> None:
    offering = client()
    offering.set_alpn_protocols(offered)
    assert shake(server(settings(default)), offering).selected_alpn_protocol() == agreed


def test_sessions_are_resumed(default: Pair) -> None:
    context, returning = server(settings(default)), client()
    session = shake(context, returning).session
    assert session is not None
    assert shake(context, returning, session=session).session_reused


def test_one_file_may_hold_certificate_and_key(default: Pair, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(default[0].read_text() + default[1].read_text())
    assert shown(server(Tls(certificate=both)), None) == der(default[0])


def test_problems_stop_it_with_their_setting(default: Pair, tmp_path: Path) -> None:
    with pytest.raises(TlsConfigError) as caught:
        build_context(Tls(certificate=tmp_path / "none.pem", key=default[1]))
    assert [problem.key for problem in caught.value.problems] == ["tls.certificate"]


def test_a_key_openssl_finds_too_weak_is_told_as_such(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65_537, 1024)
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + datetime.timedelta(days=1))
    file = tmp_path / "weak.pem"
    file.write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(TlsConfigError, match="key too small"):
        build_context(Tls(certificate=file))


# ---- client certificates (what a handshake makes of them is in test_tls_stream) -------------------------------------


@pytest.mark.parametrize(("name", "content"), [("missing.pem", None), ("empty.pem", b""), ("broken.pem", b"no PEM")])
def test_authorities_that_cannot_be_used(default: Pair, tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TlsConfigError) as caught:
        server(settings(default, client_ca=path, client_certificates="optional"))
    (problem,) = caught.value.problems
    assert problem.key == "tls.client_ca"
    assert problem.source == str(path)


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_client_certificates_need_authorities(default: Pair, mode: str) -> None:
    with pytest.raises(ValueError, match="client_ca"):
        settings(default, client_certificates=mode)


def test_authorities_alone_ask_nobody(default: Pair) -> None:
    context = server(settings(default, client_ca=default[0]))
    assert context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [(hashes.SHA256(), hashes.SHA256()), (hashes.SHA384(), hashes.SHA384()), (hashes.SHA512(), hashes.SHA512())],
    ids=lambda one: one.name,
)
def test_the_end_points_hash_is_the_signatures(algorithm: hashes.SHA256, digest: hashes.HashAlgorithm) -> None:
    """RFC 5929 §4.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _bare(key.public_key()).sign(key, algorithm)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    assert end_point(pem) == certificate.fingerprint(digest)


def test_a_signature_without_a_hash_has_no_end_point() -> None:
    """Ed25519 names none, and RFC 5929 §4.1 leaves the binding undefined then."""
    key = ed25519.Ed25519PrivateKey.generate()
    assert end_point(_bare(key.public_key()).sign(key, None).public_bytes(serialization.Encoding.PEM)) == b""


def _bare(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bare")])
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key).serial_number(1)
    return builder.not_valid_before(NOW - day).not_valid_after(NOW + day)
