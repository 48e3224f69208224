"""What an app password looks like: `pbx_`, a public id, the secret, and two check characters.

    pbx_ k3v9x2m1 7q0hn4w8zr2c5t6y9jd1v3xkfg 4e        (written without spaces)
         id: 8    secret: 26 (130 bits)       check: 2

Rules: the check is looked at before anything else, so that a slip of the finger is told from a guess; people may write
capitals, group with hyphens and spaces, and confuse o with 0, i and l with 1; the canonical form is what was printed.
Nothing is looked up here: what an app password may do is in `app_passwords`.

The alphabet is Crockford's base32. His check symbol (modulo 37) may be one of `*~$=U`, which break double-click and
shells; two letters of the alphabet, modulo the prime 1021, find the same slips (any one wrong character, any two of the
id and the secret exchanged) and let one random text in 1021 pass, not one in 37.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple

PREFIX = "pbx_"
PATTERN = r"pbx_[0-9a-hjkmnp-tv-z]{36}"
"""For secret scanners: finds every app password as it is printed."""

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_CHARACTERS = 8
SECRET_CHARACTERS = 26
_PAYLOAD = ID_CHARACTERS + SECRET_CHARACTERS
_CHARACTERS = _PAYLOAD + 2
_PRIME = 1021
_BITS = 5
# So near to the right length, and made of the alphabet alone, it is a slip and not somebody's own password.
_SLIPS = 3
# Grouped in twos, with a space and a hyphen between any two groups: more is no app password.
_LONGEST = 128

_PREFIX_OCTETS = PREFIX.encode()
_FOLDED = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZoil", b"abcdefgh1jk1mn0pqrstuvwxyz011")
# Python's own base 32 has the digits 0-9 and a-v.
_DIGITS = bytes.maketrans(ALPHABET.encode(), b"0123456789abcdefghijklmnopqrstuv")
_ALPHABET_OCTETS = ALPHABET.encode()


class AppPasswordText(NamedTuple):
    """A well-formed app password: perhaps not a right one. `canonical` is what is hashed, prefix included."""

    id: str
    canonical: bytes

    def __repr__(self) -> str:
        return f"AppPasswordText(id={self.id!r})"


class Slip(enum.Enum):
    """Not an app password, but meant as one."""

    MISTYPED = "mistyped app password"


def parse(secret: bytes) -> AppPasswordText | Slip | None:
    """Read what was given as a password; None if it is not meant as an app password."""
    if secret[:4].lower() != _PREFIX_OCTETS or len(secret) > _LONGEST:
        return None
    text = secret[4:].translate(_FOLDED, b" -")
    if text.translate(None, _ALPHABET_OCTETS) or abs(len(text) - _CHARACTERS) > _SLIPS:
        return None
    if len(text) != _CHARACTERS or _check(text[:_PAYLOAD]) != text[_PAYLOAD:]:
        return Slip.MISTYPED
    return AppPasswordText(text[:ID_CHARACTERS].decode(), _PREFIX_OCTETS + text)


def generate(random: Callable[[int], bytes]) -> AppPasswordText:
    """A new one: 40 random bits of id, 130 of secret."""
    payload = crockford(random, _PAYLOAD).encode()
    return AppPasswordText(payload[:ID_CHARACTERS].decode(), _PREFIX_OCTETS + payload + _check(payload))


def crockford(random: Callable[[int], bytes], characters: int) -> str:
    """So many random characters of the alphabet, each of five bits."""
    # 32 divides 256, so each character is as likely as any other.
    return "".join(ALPHABET[octet % len(ALPHABET)] for octet in random(characters))


def _check(payload: bytes) -> bytes:
    rest = int(payload.translate(_DIGITS), len(ALPHABET)) % _PRIME
    return bytes((_ALPHABET_OCTETS[rest >> _BITS], _ALPHABET_OCTETS[rest & (len(ALPHABET) - 1)]))
