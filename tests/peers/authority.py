"""A certificate authority in a directory: issues certificates for servers and clients, good ones and bad ones."""

from __future__ import annotations

import datetime
import itertools
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """Signs what it is asked to. `path` is its own certificate."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._serials = itertools.count(1)
        self.path = directory / f"{name}.pem"
        own = self._builder(name, 0, 365, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self._write(self.path, own.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, *, server: bool = False, days: int = 30, mail: bool = False) -> tuple[Path, Path]:
        """A certificate for a name, and its key, as PEM files.

        Negative `days` is one that has expired; `mail`: the name is a mail address.
        """
        named: x509.GeneralName = x509.RFC822Name(name) if mail else x509.DNSName(name)
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        certificate = (
            self._builder(name, min(days, 0) - 1, days, key)
            .add_extension(x509.SubjectAlternativeName([named]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        stem = f"{self._name}-{name}-{next(self._serials)}"
        path, key_path = self._directory / f"{stem}.pem", self._directory / f"{stem}.key"
        self._write(path, certificate)
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key_path.chmod(0o600)
        return path, key_path

    @staticmethod
    def der(certificate: Path) -> bytes:
        """The octets of a PEM file's certificate."""
        return ssl.PEM_cert_to_DER_cert(certificate.read_text())

    def _builder(self, name: str, first: int, last: int, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + first * DAY)
            .not_valid_after(now + last * DAY)
        )

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
