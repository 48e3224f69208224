"""Whom to trust."""

from __future__ import annotations

import base64
import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.client.tls_server import Certificate

from pillarbox.client.errors import TlsError, UsageError
from pillarbox.client.tls_rules import TlsRules, Verify, end_point, key_digest


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("certificate"))


def der(certificate: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.file.read_text())


def test_a_key_is_known_by_the_hash_of_its_info(certificate: Certificate) -> None:
    """RFC 7469 §2.4."""
    key = x509.load_pem_x509_certificate(certificate.file.read_bytes()).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key_digest(der(certificate)) == hashlib.sha256(info).digest()
    with pytest.raises(TlsError):
        key_digest(b"no certificate")


def test_the_end_point_is_the_hash_of_the_certificate(certificate: Certificate) -> None:
    """RFC 5929 §4.1; the certificate is signed with SHA-256."""
    assert end_point(der(certificate)) == hashlib.sha256(der(certificate)).digest()
    assert end_point(b"no certificate") == b""


def test_pins_in_all_spellings(certificate: Certificate) -> None:
    key = certificate.key
    in_base64 = base64.b64encode(key).decode()
    for text in (key.hex(), key.hex().upper(), key.hex(":"), in_base64, f"sha256//{in_base64}"):
        rules = TlsRules(verify=Verify.PINS, pins=[text])
        assert rules.digests == {key}
        rules.judge("h", 995, der(certificate))


def test_what_makes_no_sense_is_refused_at_once() -> None:
    for wrong in ({"pins": ["abc"]}, {"pins": ["z" * 64]}, {"pins": "a" * 64}, {"stls": False}):
        with pytest.raises(UsageError):
            TlsRules(**wrong)
    with pytest.raises(UsageError, match="needs pins"):
        TlsRules(verify=Verify.PINS)
    with pytest.raises(UsageError, match="known"):
        TlsRules(verify=Verify.FIRST_USE)


def test_verified_by_default() -> None:
    context = TlsRules().client_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_files_that_cannot_be_used(tmp_path: Path, certificate: Certificate) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for rules in (
        TlsRules(ca_file=tmp_path / "missing.pem"),
        TlsRules(ca_file=empty),
        TlsRules(ca_file=certificate.file, certificate=empty),
        TlsRules(ca_file=certificate.file, certificate=certificate.file),  # without its key
    ):
        with pytest.raises(TlsError, match="cannot be used"):
            rules.client_context()


def test_a_context_of_ones_own_replaces_ours() -> None:
    own = ssl.create_default_context()
    assert TlsRules(context=own).client_context() is own
