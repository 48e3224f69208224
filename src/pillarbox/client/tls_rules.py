"""Whom a client trusts on the other end of TLS, and when it does without.

Rules: verified by default, against the system's authorities and the host's name; without TLS only when the caller says
so, and never with a host that is remembered to have had it; what is checked is the channel itself, never a reply that
claims something about it.
Serves RFC 8314 §4-5, RFC 9525, RFC 7469 §2.4 (what a pin is), RFC 5929 §4 (tls-server-end-point).
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pillarbox.client.errors import TlsError, UsageError


class Verify(enum.Enum):
    """What has to be true of a server's certificate."""

    AUTHORITIES = "authorities"  # an authority we trust signed it for this name; and it fits a pin, where there are any
    PINS = "pins"  # its key is one of the pins; who signed it does not matter
    FIRST_USE = "first use"  # its key is the one seen the first time (needs `TlsRules.known`)


class KnownHosts(Protocol):
    """Remembers servers; may be called from any thread. `KnownHostsFile` keeps them in a file."""

    def key(self, host: str, port: int) -> bytes | None:
        """The SHA-256 of the public key that this server showed, or None: it never had TLS with us."""
        ...

    def remember(self, host: str, port: int, key: bytes) -> None:
        """This server has TLS, with this key. Must be durable when it returns."""
        ...


@dataclass(frozen=True, slots=True)
class TlsRules:
    """Whom to trust.

    Attributes:
        verify: what has to be true of the server's certificate.
        ca_file: PEM file of the authorities to trust instead of the system's.
        pins: SHA-256 of the public key (SubjectPublicKeyInfo), in hex, base64, or as "sha256//…base64".
        known: remembers which hosts had TLS, and their keys: then a host that had it is never talked to without.
        cleartext: go on without TLS where the server offers none. With STLS offered, it is used, and has to work.
        stls: False, together with `cleartext`: do not even ask for TLS.
        certificate, key: PEM files of the client's own certificate.
        name: what the certificate is for, where it is not the host's name.
        minimum: of the versions of TLS.
        context: replaces everything above that goes into a context (for tests and special needs).
    """

    verify: Verify = Verify.AUTHORITIES
    ca_file: Path | str | None = None
    pins: Iterable[str] = ()
    known: KnownHosts | None = None
    cleartext: bool = False
    stls: bool = True
    certificate: Path | str | None = None
    key: Path | str | None = None
    name: str = ""
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    context: ssl.SSLContext | None = field(default=None, repr=False)
    digests: frozenset[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.pins, str):
            raise UsageError("pins is a list of pins")
        object.__setattr__(self, "digests", frozenset(_pin(text) for text in self.pins))
        if not self.stls and not self.cleartext:
            raise UsageError("stls=False asks for a connection without TLS: say so with cleartext=True")
        if self.verify is Verify.PINS and not self.digests:
            raise UsageError("Verify.PINS needs pins")
        if self.verify is Verify.FIRST_USE and self.known is None:
            raise UsageError("Verify.FIRST_USE needs known, where the first key is kept")

    def client_context(self) -> ssl.SSLContext:
        """The context for a handshake.

        Raises:
            TlsError: a file cannot be read, or holds something else.
        """
        if self.context is not None:
            return self.context
        try:
            context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
            context.minimum_version = self.minimum
            if self.verify is not Verify.AUTHORITIES:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE  # the key is compared instead (`judge`)
            if self.certificate is not None:
                # The empty passphrase keeps OpenSSL from asking for one on the terminal.
                context.load_cert_chain(str(self.certificate), None if self.key is None else str(self.key), password="")
        except (OSError, ssl.SSLError) as error:
            what = error.reason if isinstance(error, ssl.SSLError) else error.strerror
            raise TlsError(f"a certificate file cannot be used: {words(what)}") from None
        return context

    def judge(self, host: str, port: int, certificate: bytes) -> None:
        """Check the server's key after the handshake, and remember it.

        Raises:
            TlsError: it is another than it has to be.
        """
        if not self.digests and self.known is None:
            return
        key = key_digest(certificate)
        if self.digests and not any(hmac.compare_digest(key, pin) for pin in self.digests):
            raise TlsError(f"the key of {host} is none of the pins; it is sha256//{_base64(key)}")
        if self.known is None:
            return
        before = self.known.key(host, port)
        if self.verify is Verify.FIRST_USE and before is not None and not hmac.compare_digest(before, key):
            raise TlsError(
                f"the key of {host} has changed: it was sha256//{_base64(before)}, now it is sha256//{_base64(key)};"
                " if the server's owner says that is right, forget the old key"
            )
        if before != key:
            self.known.remember(host, port, key)

    def refuse_cleartext(self, host: str, port: int) -> None:
        """Called where TLS is not to be had, before anything secret is sent.

        Raises:
            TlsError: it has to be.
        """
        if not self.cleartext:
            raise TlsError(f"{host} offers no TLS: nothing was sent (cleartext has to be allowed by name)")
        if self.known is not None and self.known.key(host, port) is not None:
            raise TlsError(f"{host} had TLS before, and now offers none: somebody may be in between; nothing was sent")


def key_digest(certificate: bytes) -> bytes:
    """SHA-256 of a certificate's public key (SubjectPublicKeyInfo); the certificate is DER.

    Raises:
        TlsError: it is no certificate.
    """
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError:
        raise TlsError("the server's certificate cannot be read") from None
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def end_point(certificate: bytes) -> bytes:
    """The channel binding "tls-server-end-point" (RFC 5929 §4.1) of the server's certificate, or b"" for none."""
    try:
        read = x509.load_der_x509_certificate(certificate)
        algorithm = read.signature_hash_algorithm
    except ValueError:
        return b""
    if algorithm is None:  # Ed25519 and its like: not defined
        return b""
    if isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
        algorithm = hashes.SHA256()
    return read.fingerprint(algorithm)


def words(reason: str | None) -> str:
    """OpenSSL's "CERTIFICATE_VERIFY_FAILED" as words."""
    return (reason or "unknown reason").lower().replace("_", " ")


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _pin(text: str) -> bytes:
    body = text.removeprefix("sha256//")
    compact = body.replace(":", "")
    try:
        octets = bytes.fromhex(compact) if len(compact) == 64 else base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error):
        octets = b""
    if len(octets) != 32:
        raise UsageError("a pin is a SHA-256 of a public key: 64 hex digits, or 44 characters of base64")
    return octets
