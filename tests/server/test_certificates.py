"""Certificate and key files: every problem is found and told with what to do."""

from __future__ import annotations

import datetime
import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pillarbox.config.schema_listener import Sni, Tls
from pillarbox.server.certificates import certificate_problems, certificate_warnings, make_self_signed

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def pair(directory: Path, *names: str, now: datetime.datetime = NOW, days: int = 825) -> tuple[Path, Path]:
    return make_self_signed(directory, names, now, days)


def told(tls: Tls) -> list[tuple[str, str, str]]:
    problems = certificate_problems(tls)
    assert all(problem.instead for problem in problems)
    return [(problem.key, problem.source, problem.what) for problem in problems]


def test_good_files_have_no_problems_and_no_warnings(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "pop.example.org")
    tls = Tls(certificate=certificate, key=key)
    assert certificate_problems(tls) == []
    assert certificate_warnings(tls, NOW) == []
    assert certificate_problems(Tls()) == []


def test_missing_files(tmp_path: Path) -> None:
    certificate, key = tmp_path / "a.pem", tmp_path / "a.key"
    assert told(Tls(certificate=certificate, key=key)) == [
        ("tls.certificate", str(certificate), "the file does not exist"),
        ("tls.key", str(key), "the file does not exist"),
    ]


def test_a_directory_and_rubbish(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("-----BEGIN CERTIFICATE-----\nrubbish\n")
    assert told(Tls(certificate=tmp_path, key=rubbish)) == [
        ("tls.certificate", str(tmp_path), "the file cannot be read: Is a directory"),
        ("tls.key", str(rubbish), "the file holds no readable private key"),
    ]
    assert told(Tls(certificate=rubbish))[0] == (
        "tls.certificate",
        str(rubbish),
        "the file holds no readable certificate",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    key.chmod(0)
    assert told(Tls(certificate=certificate, key=key)) == [("tls.key", str(key), "the file may not be read")]


def test_certificate_and_key_swapped(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    assert [key for key, _, _ in told(Tls(certificate=key, key=certificate))] == ["tls.certificate", "tls.key"]


def test_a_key_of_another_certificate_is_told_with_its_position(tmp_path: Path) -> None:
    one, two = pair(tmp_path / "one"), pair(tmp_path / "two")
    tls = Tls(certificate=one[0], key=one[1], sni=(Sni(names=("a.test",), certificate=one[0], key=two[1]),))
    assert told(tls) == [("tls.sni[1].key", str(two[1]), "the key does not belong to the certificate")]


def test_an_encrypted_key_is_refused_without_asking(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    locked = tmp_path / "locked.key"
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    [problem] = certificate_problems(Tls(certificate=certificate, key=locked))
    assert problem.what == "the key is encrypted; a server cannot ask for the passphrase"
    assert f"openssl pkey -in {locked}" in problem.instead


@pytest.mark.parametrize(
    ("made", "days", "text"),
    [
        (NOW - 30 * DAY, 10, "expired on"),
        (NOW, 10, "expires on"),
        (NOW + 2 * DAY, 100, "valid only from"),
    ],
)
def test_what_is_wrong_with_the_time_is_a_warning(
    tmp_path: Path, made: datetime.datetime, days: int, text: str
) -> None:
    certificate, key = pair(tmp_path, now=made, days=days)
    tls = Tls(certificate=certificate, key=key)
    assert certificate_problems(tls) == []
    [warning] = certificate_warnings(tls, NOW)
    assert text in warning.what
    assert warning.source == str(certificate)


def test_a_key_that_everybody_may_read_is_a_warning(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    key.chmod(0o644)
    [warning] = certificate_warnings(Tls(certificate=certificate, key=key), NOW)
    assert (warning.key, warning.instead) == ("tls.key", f"chmod o= {key}")


def test_names_a_certificate_is_not_for_are_a_warning(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "pop.example.org", "*.wild.test")
    names = ("pop.example.org", "a.wild.test", "*.wild.test", "other.example.org")
    tls = Tls(certificate=certificate, key=key, sni=(Sni(names=names, certificate=certificate, key=key),))
    [warning] = certificate_warnings(tls, NOW)
    assert (warning.key, warning.what) == ("tls.sni[1].names", "the certificate is not for other.example.org")


def test_self_signed_certificates_suit_clients(tmp_path: Path) -> None:
    certificate_path, key_path = pair(tmp_path / "deep" / "down", "pop.example.org", "192.0.2.1", "localhost")
    certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pop.example.org", "localhost"]
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["192.0.2.1", "127.0.0.1", "::1"]
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= 825 * DAY
    assert key_path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in certificate_path.parent.iterdir()) == ["self-signed.key", "self-signed.pem"]
    for name in ("pop.example.org", "localhost", "127.0.0.1", "::1", "192.0.2.1"):
        assert client_accepts(certificate_path, key_path, name)
    assert not client_accepts(certificate_path, key_path, "elsewhere.test")


def client_accepts(certificate: Path, key: Path, name: str) -> bool:
    """Whether a client that trusts this certificate takes it for `name`."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = serving.wrap_bio(to_server, to_client, server_side=True)
    trusting = ssl.create_default_context(cafile=str(certificate))
    theirs = trusting.wrap_bio(to_client, to_server, server_hostname=name)
    for side in (theirs, ours):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    try:
        theirs.do_handshake()
    except ssl.SSLCertVerificationError:
        return False
    return True


def test_a_long_name_still_fits(tmp_path: Path) -> None:
    long = ".".join(["a" * 60] * 4)
    certificate = x509.load_pem_x509_certificate(pair(tmp_path, long)[0].read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert long in names.get_values_for_type(x509.DNSName)


def test_making_them_again_replaces_both(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in pair(tmp_path)]
    (tmp_path / f".self-signed.key.{os.getpid()}").write_text("left by a crash")
    second = pair(tmp_path)
    assert all(path.read_bytes() != old for path, old in zip(second, first, strict=True))
    assert certificate_problems(Tls(certificate=second[0], key=second[1])) == []
    assert len(list(tmp_path.iterdir())) == 2
