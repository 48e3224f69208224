"""Makes the one TLS context a worker serves with, from the settings.

Rules: TLS 1.2 with forward secrecy and AEAD at least (RFC 9325, RFC 8996); no compression (RFC 7457 §2.6), no
renegotiation; the certificate follows the name the client asks for, and an unknown name gets the default certificate,
as mail clients expect; a client certificate that was asked for and does not verify ends the handshake; files are read
here once, while the process still may, and never again before the next reload.

Elsewhere: what may be wrong with the files (`certificates`); handshakes and their limits (`connection`).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pillarbox.config.problem import Problem
from pillarbox.config.schema_listener import Tls
from pillarbox.server.certificates import TlsConfigError, certificate_problems
from pillarbox.server.tls_stream import ServerContext

SAFE_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The TLS 1.2 ciphers with ephemeral keys and AEAD (RFC 9325 §4.2). Those of TLS 1.3 are all safe and always on."""

ALPN = "pop3"
"""POP3's identifier in the IANA registry of ALPN protocol ids (RFC 7301)."""

_CLIENT_CERTIFICATES: Mapping[str, ssl.VerifyMode] = {
    "off": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}

_VERSIONS: Mapping[str, ssl.TLSVersion] = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def build_context(tls: Tls) -> ssl.SSLContext | None:
    """The context for all listeners, or None where no certificate is set.

    Workers forked after this share its ticket keys, so a client resumes its TLS session at any of them.

    Raises:
        TlsConfigError: a file is missing or wrong; it lists every problem of every file.
    """
    if tls.certificate is None:
        return None
    problems = certificate_problems(tls)
    if problems:
        raise TlsConfigError(problems)
    default = _load(tls, tls.certificate, tls.key or tls.certificate, "tls")
    by_name: dict[str, ssl.SSLContext] = {}
    for position, sni in enumerate(tls.sni, start=1):
        context = _load(tls, sni.certificate, sni.key, f"tls.sni[{position}]")
        for name in sni.names:
            by_name.setdefault(name, context)
    if by_name:
        _choose_by_name(default, by_name)
    return default


def _load(tls: Tls, certificate: Path, key: Path, prefix: str) -> ServerContext:
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.minimum_version]
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE
    )
    try:
        context.set_ciphers(tls.ciphers or SAFE_CIPHERS)
    except ssl.SSLError:
        what = f'OpenSSL knows no cipher in "{tls.ciphers}"'
        raise TlsConfigError([Problem("tls.ciphers", what, 'write "" for a safe choice')]) from None
    # A client that offers only other protocols is served all the same: mail clients send ALPN rarely and wrongly.
    context.set_alpn_protocols([ALPN])
    try:
        # The empty passphrase keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        what = f"OpenSSL does not accept the certificate and its key: {_words(reason)}"
        instead = "use an ECDSA P-256 key, or RSA with 2,048 bits or more, and the matching certificate"
        raise TlsConfigError([Problem(f"{prefix}.certificate", what, instead, source=str(certificate))]) from None
    context.end_point = end_point(certificate.read_bytes())
    _ask_clients(context, tls)
    return context


def _ask_clients(context: ssl.SSLContext, tls: Tls) -> None:
    """Ask clients for a certificate, as `tls.client_certificates` says."""
    # In every context: verification uses the one that the client's name led to.
    mode = _CLIENT_CERTIFICATES[tls.client_certificates]
    if mode is ssl.CERT_NONE or tls.client_ca is None:
        return
    try:
        context.load_verify_locations(tls.client_ca)
    except (ssl.SSLError, OSError) as error:
        what = error.strerror if not isinstance(error, ssl.SSLError) else "it holds no usable certificate"
        instead = "name a PEM file with the certificates of the authorities that issue client certificates"
        raise TlsConfigError([Problem("tls.client_ca", str(what), instead, source=str(tls.client_ca))]) from None
    context.verify_mode = mode


def end_point(pem: bytes) -> bytes:
    """The channel binding "tls-server-end-point" of the first certificate in `pem` (RFC 5929 §4.1), or b"".

    Its hash is the one the certificate was signed with, but SHA-256 for MD5 and SHA-1; a signature without one hash of
    its own (Ed25519) has no such binding.
    """
    certificate = x509.load_pem_x509_certificates(pem)[0]
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:
        return b""
    if isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
        algorithm = hashes.SHA256()
    return certificate.fingerprint(algorithm)


def _words(reason: str | None) -> str:
    """OpenSSL's "EE_KEY_TOO_SMALL" as words."""
    return (reason or "unknown reason").lower().replace("_", " ")


def _choose_by_name(default: ssl.SSLContext, by_name: Mapping[str, ssl.SSLContext]) -> None:
    """Let `default` switch to the context of the name the client asks for (RFC 6066 §3, RFC 9525 §6.3)."""

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if not name:
            return
        asked = name.lower().rstrip(".")
        # A wildcard stands for exactly one label.
        found = by_name.get(asked) or by_name.get("*." + asked.partition(".")[2])
        if found is not None:
            connection.context = found

    default.sni_callback = choose
