"""A certificate authority that lives as long as the test: good certificates, and each kind of bad one.

Rules: nothing made here is ever trusted by anything but a test that was given `Authority.path`; keys are made afresh in
every process and lie in a directory that only this user can read.
"""

from __future__ import annotations

import datetime
import enum
import ipaddress
import itertools
import ssl
import threading
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pillarbox.server.tls_stream import ServerContext

_DAY = datetime.timedelta(days=1)
_LOCAL = ("localhost", "127.0.0.1")


class Quality(enum.Enum):
    """What is right or wrong with a server's certificate."""

    VALID = "valid"
    EXPIRED = "expired"  # ended yesterday
    NOT_YET = "not yet valid"  # begins next week
    WRONG_HOST = "wrong host"  # valid for another name
    SELF_SIGNED = "self-signed"  # nobody vouches for it
    UNTRUSTED = "untrusted"  # issued by an authority that nobody knows


class Pair(NamedTuple):
    """A certificate and its key, as PEM files; `der` is the certificate itself."""

    certificate: Path
    key: Path
    der: bytes


class Authority:
    """A throw-away certificate authority.

    Attributes:
        path: its own certificate, as a PEM file: what a client has to trust.
    """

    def __init__(self, directory: Path, name: str = "Pillarbox throw-away authority") -> None:
        self._directory = directory
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._serials = itertools.count(1)
        self._lock = threading.Lock()
        self._contexts: dict[Quality, ServerContext] = {}
        # RFC 5280 §4.2.1.2: the key's identifier joins a certificate to its issuer.
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        own = (
            self._builder(name, name, self._key, (-7 * _DAY, 365 * _DAY))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(self._identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.path = self._write("authority", own, None).certificate

    def server_context(self, quality: Quality = Quality.VALID) -> ServerContext:
        """A context for a server on this machine; it accepts client certificates of this authority."""
        with self._lock:
            if quality not in self._contexts:
                self._contexts[quality] = self._context(self.server_pair(quality))
            return self._contexts[quality]

    def server_pair(self, quality: Quality = Quality.VALID) -> Pair:
        """A server's certificate for localhost, or one with a fault."""
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        match quality:
            case Quality.VALID:
                return self._issue(_LOCAL, usage)
            case Quality.EXPIRED:
                return self._issue(_LOCAL, usage, (-30 * _DAY, -1 * _DAY))
            case Quality.NOT_YET:
                return self._issue(_LOCAL, usage, (7 * _DAY, 30 * _DAY))
            case Quality.WRONG_HOST:
                return self._issue(("pop.example.net",), usage)
            case Quality.SELF_SIGNED:
                return self._issue(_LOCAL, usage, own_key=True)
            case Quality.UNTRUSTED:
                stranger = self._directory / "stranger"
                stranger.mkdir(mode=0o700, exist_ok=True)
                return Authority(stranger, "an authority nobody knows").server_pair()

    def client_pair(self, user: str) -> Pair:
        """A client's certificate, whose common name is the user: for EXTERNAL."""
        return self._issue((user,), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _context(self, pair: Pair) -> ServerContext:
        context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        context.load_verify_locations(self.path)
        context.verify_mode = ssl.CERT_OPTIONAL
        digest = hashes.Hash(hashes.SHA256())
        digest.update(pair.der)
        context.end_point = digest.finalize()  # RFC 5929 §4.1
        return context

    def _issue(
        self,
        names: tuple[str, ...],
        usage: x509.ObjectIdentifier,
        life: tuple[datetime.timedelta, datetime.timedelta] = (-1 * _DAY, 30 * _DAY),
        *,
        own_key: bool = False,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        signer = key if own_key else self._key
        issuer = names[0] if own_key else self._name
        certificate = (
            self._builder(names[0], issuer, key, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        return self._write(f"{names[0]}-{next(self._serials)}", certificate, key)

    def _write(self, stem: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | None) -> Pair:
        path, key_path = self._directory / f"{stem}.pem", self._directory / f"{stem}.key"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        if key is not None:
            key_path.touch(0o600)
            key_path.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
        return Pair(path, key_path, certificate.public_bytes(serialization.Encoding.DER))

    @staticmethod
    def _builder(
        name: str,
        issuer: str,
        key: ec.EllipticCurvePrivateKey,
        life: tuple[datetime.timedelta, datetime.timedelta],
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + life[0])
            .not_valid_after(now + life[1])
        )


def common_name(der: bytes) -> str:
    """The common name in a certificate's subject, or ""."""
    found = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
