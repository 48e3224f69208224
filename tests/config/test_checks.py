import datetime
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pillarbox.config import ConfigError
from pillarbox.config.checks import check_files, warnings
from pillarbox.config.load import parse
from pillarbox.config.schema import Settings

TODAY = datetime.date(2027, 1, 1)
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


def pair(directory: Path, name: str = "a", passphrase: bytes = b"") -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.org")])
    builder = x509.CertificateBuilder(subject, subject, secret.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(datetime.datetime(2050, 1, 1))  # noqa: DTZ001 - UTC by definition
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    certificate.write_bytes(builder.sign(secret, hashes.SHA256()).public_bytes(PEM))
    locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    key.write_bytes(secret.private_bytes(PEM, PKCS8, locked))
    key.chmod(0o600)
    return certificate, key


def configured(certificate: Path, key: Path, more: str = "") -> Settings:
    return parse(f'[tls]\ncertificate = "{certificate}"\nkey = "{key}"\n{more}')


def found(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return {problem.key: problem.what for problem in caught.value.problems}


TLS = '[tls]\ncertificate = "/c.pem"\nkey = "/k.pem"\n'


def test_listeners_need_a_certificate() -> None:
    problems = found("")
    assert list(problems) == ["tls.certificate"]
    assert "pop3s (port 995), pop3 (port 110)" in problems["tls.certificate"]
    assert list(found('[tls]\ncertificate = "/c"\n')) == ["tls.key"]
    assert list(found('[tls]\nkey = "/c"\n')) == ["tls.certificate"]


def test_a_listener_with_only_dated_exceptions_needs_none() -> None:
    parse("""
        [[listener]]
        tls = "starttls"
        [[listener.cleartext_login]]
        networks = ["192.0.2.17"]
        until = 2027-06-30
        reason = "the one old printer"
    """)


def test_names_and_sockets_belong_to_one_listener() -> None:
    problems = found(TLS + "[[listener]]\n[[listener]]\nport = 1995\n")
    assert list(problems) == ["listener[2].name"]
    same = '[[listener]]\nname = "{}"\nsystemd = "s"\n'
    assert list(found(TLS + same.format("a") + same.format("b"))) == ["listener[2].systemd"]


@pytest.mark.parametrize(
    ("first", "second"),
    [('"*"', '"*"'), ('"*"', '"192.0.2.1"'), ('"::1"', '"*"'), ('"::1"', '["192.0.2.1", "0::1"]')],
)
def test_a_port_belongs_to_one_listener(first: str, second: str) -> None:
    text = f'{TLS}[[listener]]\nname = "a"\naddress = {first}\n[[listener]]\nname = "b"\naddress = {second}\n'
    assert list(found(text)) == ["listener[2].port"]


def test_the_same_port_of_other_addresses_is_free() -> None:
    text = '[[listener]]\nname = "{0}"\naddress = "{0}"\n'
    assert len(parse(TLS + text.format("192.0.2.1") + text.format("192.0.2.2")).listener) == 2


def test_a_name_has_one_certificate() -> None:
    sni = '[[tls.sni]]\nnames = ["a.example", "{}.example"]\ncertificate = "/c"\nkey = "/k"\n'
    assert list(found(TLS + sni.format("b") + sni.format("c"))) == ["tls.sni[2].names"]


def test_a_source_that_is_named_is_configured() -> None:
    assert list(found(TLS + '[auth]\nsources = ["passwd-file"]\n')) == ["auth.passwd_file.path"]


def test_a_good_pair_of_files_is_fine(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    assert check_files(configured(certificate, key)) == []
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    assert check_files(configured(both, both)) == []


def test_files_that_cannot_be_used_are_all_named(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    _, other = pair(tmp_path, "b")
    text = tmp_path / "text"
    text.write_text("hello")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def words(certificate: Path, key: Path) -> str:
        return "\n".join(str(problem) for problem in check_files(configured(certificate, key)))

    assert "tls.certificate: there is no file" in words(tmp_path / "none", key)
    assert "tls.key: there is no file" in words(certificate, tmp_path / "none")
    assert f"tls.certificate: {tmp_path} is not a file" in words(tmp_path, key)
    assert f"tls.key: {pipe} is not a file" in words(certificate, pipe)
    assert f"{other} is not the key of {certificate}" in words(certificate, other)
    assert "no usable certificate" in words(text, key)
    assert f"tls.key: {text} holds no usable private key" in words(certificate, text)


def test_a_key_with_a_passphrase_is_refused_and_never_asked_for(tmp_path: Path) -> None:
    certificate, _ = pair(tmp_path)
    _, locked = pair(tmp_path, "c", passphrase=b"secret")
    [problem] = check_files(configured(certificate, locked))
    assert problem.key == "tls.key"
    assert "openssl pkey" in problem.instead


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    key.chmod(0)
    [problem] = check_files(configured(certificate, key))
    assert "Permission denied" in problem.what


def test_other_files_are_looked_at_too(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    more = f"""
        [[tls.sni]]
        names = ["a.example"]
        certificate = "{tmp_path}/none.pem"
        key = "{key}"
        [auth]
        sources = ["passwd-file"]
        passwd_file.path = "{tmp_path}/users"
        [server]
        state_directory = "{key}"
    """
    keys = [problem.key for problem in check_files(configured(certificate, key, more))]
    assert keys == ["tls.sni[1].certificate", "auth.passwd_file.path", "server.state_directory"]


def test_warnings_name_what_is_worth_a_look(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    key.chmod(0o644)
    more = """
        [maildir]
        path = "/home/{user}/Maildir"
        [[listener]]
        tls = "starttls"
        [[listener.cleartext_login]]
        networks = ["192.0.2.17"]
        until = 2026-12-31
        reason = "the one old printer"
    """
    problems = warnings(configured(certificate, key, more), TODAY)
    assert [problem.key for problem in problems] == [
        "listener[1].cleartext_login[1].until",
        "maildir.path",
        "tls.key",
    ]
    assert all(problem.instead for problem in problems)


def test_the_last_day_of_an_exception_still_counts() -> None:
    text = (
        TLS
        + """
        [[listener]]
        tls = "starttls"
        [[listener.cleartext_login]]
        networks = ["192.0.2.17"]
        until = 2027-01-01
        reason = "the one old printer"
    """
    )
    assert warnings(parse(text), TODAY) == []
    assert len(warnings(parse(text), TODAY + datetime.timedelta(days=1))) == 1
