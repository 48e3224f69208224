"""Looks into certificate and key files before they are used, and makes self-signed ones for trying things out.

Rules: every file is looked at, and every problem is told at once, with its setting and what to do; what only looks
wrong (expired, soon to expire, readable by all) is a warning and stops nothing; no key material is in any message.

Elsewhere: the TLS contexts (`tls`).
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pillarbox.config.problem import ConfigError, Problem
from pillarbox.config.schema_listener import Tls
from pillarbox.files import write_whole

EXPIRY_NOTICE = datetime.timedelta(days=14)
"""How long before its end a certificate is warned about: automatic renewal should have happened by then."""

MAX_SELF_SIGNED_DAYS = 825
"""The longest life that Apple's systems accept, also of certificates a user trusts by hand."""

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class TlsConfigError(ConfigError):
    """Certificates cannot be used. Each problem's `source` is the file, `instead` what to do."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """One certificate, its key, and the names it is to be shown for ("" prefix and no names: the default one)."""

    prefix: str
    certificate: Path
    key: Path
    names: tuple[str, ...] = ()


def certificate_problems(tls: Tls) -> list[Problem]:
    """What makes the configured certificates unusable; empty when all can be served."""
    return [problem for pair in _pairs(tls) for problem in _pair_problems(pair)]


def certificate_warnings(tls: Tls, now: datetime.datetime) -> list[Problem]:
    """What an administrator should know about usable certificates at `now` (aware)."""
    return [problem for pair in _pairs(tls) for problem in _pair_warnings(pair, now)]


def _pairs(tls: Tls) -> Iterator[_Pair]:
    if tls.certificate is not None:
        yield _Pair("tls", tls.certificate, tls.key or tls.certificate)
    for position, sni in enumerate(tls.sni, start=1):
        yield _Pair(f"tls.sni[{position}]", sni.certificate, sni.key, sni.names)


def _pair_problems(pair: _Pair) -> Iterator[Problem]:
    chain = _load_chain(pair)
    key = _load_key(pair)
    for found in (chain, key):
        if isinstance(found, Problem):
            yield found
    if isinstance(chain, Problem) or isinstance(key, Problem):
        return
    if chain[0].public_key() != key.public_key():
        instead = "name the key it was issued for; in the file, the server's own certificate must come first"
        yield Problem(f"{pair.prefix}.key", "the key does not belong to the certificate", instead, str(pair.key))


def _load_chain(pair: _Pair) -> list[x509.Certificate] | Problem:
    setting = f"{pair.prefix}.certificate"
    data = _read(pair.certificate, setting)
    if isinstance(data, Problem):
        return data
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        instead = 'give a PEM file with "-----BEGIN CERTIFICATE-----", the whole chain if there is one'
        return Problem(setting, "the file holds no readable certificate", instead, str(pair.certificate))


def _load_key(pair: _Pair) -> PrivateKeyTypes | Problem:
    setting, source = f"{pair.prefix}.key", str(pair.key)
    data = _read(pair.key, setting)
    if isinstance(data, Problem):
        return data
    try:
        return serialization.load_pem_private_key(data, password=None)
    except TypeError:
        instead = f"remove the passphrase: openssl pkey -in {pair.key} -out NEW-FILE"
        return Problem(setting, "the key is encrypted; a server cannot ask for the passphrase", instead, source)
    except (ValueError, UnsupportedAlgorithm):
        instead = 'give a PEM file with "-----BEGIN PRIVATE KEY-----"'
        return Problem(setting, "the file holds no readable private key", instead, source)


def _read(path: Path, setting: str) -> bytes | Problem:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        what, instead = "the file does not exist", "correct the path, or create the file"
    except PermissionError:
        what, instead = "the file may not be read", f"let the account the server starts as read it (uid {os.geteuid()})"
    except OSError as error:
        what, instead = f"the file cannot be read: {error.strerror}", "name a regular file"
    return Problem(setting, what, instead, str(path))


def _pair_warnings(pair: _Pair, now: datetime.datetime) -> Iterator[Problem]:
    chain = _load_chain(pair)
    if isinstance(chain, Problem):
        return
    setting, source = f"{pair.prefix}.certificate", str(pair.certificate)
    first, last = chain[0].not_valid_before_utc, chain[0].not_valid_after_utc
    renew = "renew it, then reload the server (SIGHUP)"
    if last < now:
        yield Problem(setting, f"the certificate expired on {last:%Y-%m-%d}: clients will refuse it", renew, source)
    elif last < now + EXPIRY_NOTICE:
        yield Problem(setting, f"the certificate expires on {last:%Y-%m-%d}", renew, source)
    if first > now:
        what = f"the certificate is valid only from {first:%Y-%m-%d %H:%M} UTC"
        yield Problem(setting, what, "check the clock of this machine", source)
    covered = set(_names_of(chain[0]))
    for name in pair.names:
        if name not in covered and "*." + name.partition(".")[2] not in covered:
            instead = "correct the names, or have the certificate issued for this one too"
            yield Problem(f"{pair.prefix}.names", f"the certificate is not for {name}", instead, source)
    if _readable_by_all(pair.key):
        what = "every account of this machine may read the private key"
        yield Problem(f"{pair.prefix}.key", what, f"chmod o= {pair.key}", str(pair.key))


def _readable_by_all(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _names_of(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]


# ---- self-signed ----------------------------------------------------------------------------------------------


def make_self_signed(
    directory: Path, names: Iterable[str], now: datetime.datetime, days: int = MAX_SELF_SIGNED_DAYS
) -> tuple[Path, Path]:
    """Write a new self-signed certificate and its key into `directory`, and return their paths.

    It is an ECDSA P-256 certificate for `names` (host names or IP addresses) and for localhost, 127.0.0.1 and ::1. The
    key can be read by its owner only. Files of these names are replaced, each as a whole.

    Raises:
        OSError: the directory cannot be written to.
    """
    wanted = list(dict.fromkeys([*names, *_LOCAL_NAMES]))
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(key, wanted, now, min(days, MAX_SELF_SIGNED_DAYS))
    directory.mkdir(parents=True, exist_ok=True)
    certificate_path, key_path = directory / "self-signed.pem", directory / "self-signed.key"
    write_whole(
        key_path,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    write_whole(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return certificate_path, key_path


def _sign(key: ec.EllipticCurvePrivateKey, names: list[str], now: datetime.datetime, days: int) -> x509.Certificate:
    # The subject is for people only; a common name holds 64 characters at most (RFC 5280 appendix A).
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    # An hour back, for clients whose clock is slow.
    start = now - datetime.timedelta(hours=1)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
