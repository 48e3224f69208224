"""The password schemes of Dovecot's passwd-files: "{SCHEME}hash" in, right or wrong out.

Rules: a scheme is an entry in one table; an unknown one is refused when the file is read, not when somebody logs in;
comparisons take constant time; octets are compared as they come, without Unicode normalisation, as Dovecot does. Our
own hashes are made by `passwords` alone: nothing here makes one. The crypt family comes from libpass and bcrypt, which
the extra `pillarbox[passwd-file]` installs, ARGON2 from argon2-cffi, the rest from the standard library.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

Verifier = Callable[[str, bytes], bool]

# bcrypt looks at no more than this many octets; Dovecot's libcrypt drops the rest in silence, so must we.
_BCRYPT_OCTETS = 72
# The work factors that one login may cost; a hostile or mistyped line must not hold a thread for minutes.
_MAX_PBKDF2_ROUNDS = 10_000_000


class UnusableHash(ValueError):
    """The stored form cannot be used. The message names the scheme and the remedy, never the hash."""


class MissingLibrary(Exception):
    """A library that the schemes need is not installed. The message says what to install."""


class Schemes:
    """Checks passwords against stored forms.

    Args:
        default: the scheme of a stored form without "{…}".

    Raises:
        MissingLibrary: the extra is not installed.
        UnusableHash: `default` is not a scheme.
    """

    def __init__(self, default: str = "CRYPT") -> None:
        self._table = _table()
        self._default = default.upper()
        if self._default not in self._table:
            raise UnusableHash(_unknown(default))

    def checked(self, stored: str) -> str:
        """The stored form in its full spelling, "{SCHEME}hash", with the default filled in.

        Raises:
            UnusableHash: unknown scheme, encoding, or form of crypt.
        """
        scheme, encoding, text = self._parsed(stored)
        if scheme in _CRYPT_NAMES and not encoding and _crypt_prefix(text) not in _CRYPT_PREFIXES:
            raise UnusableHash(f"crypt's form {_crypt_prefix(text)!r} is not supported; set that password anew")
        return f"{{{scheme}{encoding}}}{text}"

    def verify(self, stored: str, password: bytes) -> bool:
        """Whether the password belongs to the stored form; False for a malformed one."""
        try:
            scheme, encoding, text = self._parsed(stored)
            return bool(text) and self._table[scheme](_decoded(scheme, encoding, text), password)
        except (ValueError, TypeError, ArithmeticError):
            # Malformed text, or a password that the scheme cannot take (a NUL in crypt): nobody's.
            return False

    def _parsed(self, stored: str) -> tuple[str, str, str]:
        scheme, text = self._default, stored
        if stored.startswith("{"):
            scheme, closed, text = stored[1:].partition("}")
            if not closed:
                raise UnusableHash('the "{" before its scheme is never closed')
        scheme, _, suffix = scheme.upper().partition(".")
        encoding = _ENCODINGS.get(suffix)
        if scheme not in self._table:
            raise UnusableHash(_unknown(scheme))
        if encoding is None:
            raise UnusableHash("the encoding behind its scheme is not .b64, .base64 or .hex")
        return scheme, encoding, text


_ENCODINGS = {"": "", "B64": ".b64", "BASE64": ".b64", "HEX": ".hex"}


def _unknown(scheme: str) -> str:
    known = ", ".join(sorted(_table()))
    # What stands in braces may be a mistyped password: only a plain word is repeated.
    shown = scheme if scheme.replace("-", "").isalnum() and len(scheme) <= 20 else "…"
    return f"the scheme {shown} is not supported; supported are {known}"


def _decoded(scheme: str, encoding: str, text: str) -> str:
    """Undo .b64 and .hex. Digests come out as base64 whatever they were, everything else as its text."""
    if scheme in _HEX_BY_DEFAULT and not encoding:
        encoding = ".hex"
    if scheme not in _DIGESTS:
        if not encoding:
            return text
        octets = bytes.fromhex(text) if encoding == ".hex" else base64.b64decode(text, validate=True)
        return octets.decode("utf-8", "surrogateescape")
    if encoding == ".hex" or (not encoding and len(text) == 2 * _DIGESTS[scheme] and _is_hex(text)):
        return base64.b64encode(bytes.fromhex(text)).decode()
    return text


def _is_hex(text: str) -> bool:
    try:
        return bytes.fromhex(text).hex() == text.lower()
    except ValueError:
        return False


# ---- digests: base64 of digest or of digest and salt ----------------------------------------------------------

_DIGESTS = {
    "SHA": 20,
    "SHA1": 20,
    "SHA256": 32,
    "SHA512": 64,
    "SSHA": 20,
    "SSHA256": 32,
    "SSHA512": 64,
    "SMD5": 16,
    "LDAP-MD5": 16,
    "PLAIN-MD5": 16,
}
_HEX_BY_DEFAULT = {"PLAIN-MD5"}


def _digest(algorithm: str) -> Verifier:
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size

    def verify(text: str, password: bytes) -> bool:
        octets = base64.b64decode(text, validate=True)
        digest, salt = octets[:size], octets[size:]
        return hmac.compare_digest(digest, hashlib.new(algorithm, password + salt, usedforsecurity=False).digest())

    return verify


# ---- the others -----------------------------------------------------------------------------------------------


def _plain(text: str, password: bytes) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "surrogateescape"), password)


def _pbkdf2(text: str, password: bytes) -> bool:
    # Dovecot: $1$salt$rounds$hex, HMAC-SHA-1, the salt taken as its text.
    _, version, salt, rounds, digest = text.split("$")
    count = int(rounds)
    if version != "1" or not 0 < count <= _MAX_PBKDF2_ROUNDS:
        return False
    expected = bytes.fromhex(digest)
    return hmac.compare_digest(expected, hashlib.pbkdf2_hmac("sha1", password, salt.encode(), count, len(expected)))


def _scram(algorithm: str) -> Verifier:
    def verify(text: str, password: bytes) -> bool:
        # rounds,salt,StoredKey,ServerKey (RFC 5803's fields in Dovecot's order).
        rounds, salt, stored_key, _ = text.split(",")
        count = int(rounds)
        if not 0 < count <= _MAX_PBKDF2_ROUNDS:
            return False
        salted = hashlib.pbkdf2_hmac(algorithm, password, base64.b64decode(salt, validate=True), count)
        client_key = hmac.digest(salted, b"Client Key", algorithm)
        return hmac.compare_digest(hashlib.new(algorithm, client_key).digest(), base64.b64decode(stored_key))

    return verify


_argon2_hasher = PasswordHasher()  # its parameters are for new hashes; a check takes them from the stored one


def _argon2(text: str, password: bytes) -> bool:
    try:
        return _argon2_hasher.verify(text, password)
    except (VerificationError, InvalidHashError):
        return False


# Any crypt scheme takes what crypt(3) takes, as in Dovecot; the name only says what new hashes would be.
_CRYPT_NAMES = ("CRYPT", "DES-CRYPT", "MD5-CRYPT", "MD5", "BLF-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT")
_CRYPT_PREFIXES = ("", "$1$", "$2a", "$2b", "$2y", "$5$", "$6$")


def _crypt_prefix(text: str) -> str:
    return text[:3] if text.startswith("$") else ""


def _crypt_family() -> dict[str, Verifier]:
    try:
        import bcrypt
        from passlib.hash import des_crypt, md5_crypt, sha256_crypt, sha512_crypt
    except ImportError as error:
        raise MissingLibrary(
            f"passwd-files need the library {error.name}: install it with: pip install 'pillarbox[passwd-file]'"
        ) from error

    def blowfish(text: str, password: bytes) -> bool:
        return bcrypt.checkpw(password[:_BCRYPT_OCTETS], text.encode("ascii"))

    def of(handler: Any) -> Verifier:
        # `Any`: libpass has no type information; each handler has verify(secret, hash) -> bool.
        return lambda text, password: bool(handler.verify(password, text))

    handlers = (of(des_crypt), of(md5_crypt), blowfish, blowfish, blowfish, of(sha256_crypt), of(sha512_crypt))
    by_prefix = dict(zip(_CRYPT_PREFIXES, handlers, strict=True))

    def crypt(text: str, password: bytes) -> bool:
        handler = by_prefix.get(_crypt_prefix(text))
        return handler is not None and handler(text, password)

    return dict.fromkeys(_CRYPT_NAMES, crypt)


def _table() -> dict[str, Verifier]:
    table: dict[str, Verifier] = dict.fromkeys(("PLAIN", "CLEARTEXT", "CLEAR"), _plain)
    table |= dict.fromkeys(("ARGON2I", "ARGON2ID"), _argon2)
    table |= dict.fromkeys(("SHA", "SHA1", "SSHA"), _digest("sha1"))
    table |= dict.fromkeys(("SHA256", "SSHA256"), _digest("sha256"))
    table |= dict.fromkeys(("SHA512", "SSHA512"), _digest("sha512"))
    table |= dict.fromkeys(("SMD5", "LDAP-MD5", "PLAIN-MD5"), _digest("md5"))
    table |= {"PBKDF2": _pbkdf2, "SCRAM-SHA-1": _scram("sha1"), "SCRAM-SHA-256": _scram("sha256")}
    return table | _crypt_family()
