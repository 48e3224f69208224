"""Passwords: argon2id hashes.

Rules: parameters are explicit; a password that cannot be right (empty, over-long) costs what a wrong one costs (P42).
Elsewhere: where hashing runs (`hashing`), hashes of other servers (`passwd_file`), who may come in (`pipeline`).
"""

from __future__ import annotations

import os
import unicodedata
from base64 import b64encode
from collections.abc import Callable

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

# Longer than any passphrase a person or a manager makes; bounds the work before login.
MAX_PASSWORD_OCTETS = 1024
# OWASP's first choice for argon2id, and what NIST SP 800-63B-4 calls a memory-hard function.
MEMORY_KIB = 19456
TIME_COST = 2
PARALLELISM = 1
_SALT_OCTETS = 16
_HASH_OCTETS = 32


def may_be_right(password: bytes) -> bool:
    """Whether the password's length (in octets) is one that any account may have."""
    return 0 < len(password) <= MAX_PASSWORD_OCTETS


def prepared(password: bytes) -> bytes:
    """The octets that are hashed: NFC where the password is UTF-8 (RFC 8265 §4.2.2), else just as they came."""
    if password.isascii():
        return password
    try:
        return unicodedata.normalize("NFC", password.decode()).encode()
    except UnicodeDecodeError:
        return password


class Hasher:
    """Makes and checks argon2id hashes. Every method but the constructor blocks for some 30 ms.

    Args:
        memory_kib: memory of one hash, in KiB.
        time_cost: passes over it.
        parallelism: lanes.
        random: gives so many random octets.
    """

    def __init__(
        self,
        *,
        memory_kib: int = MEMORY_KIB,
        time_cost: int = TIME_COST,
        parallelism: int = PARALLELISM,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._random = random
        self._argon2 = PasswordHasher(
            time_cost=time_cost,
            memory_cost=memory_kib,
            parallelism=parallelism,
            hash_len=_HASH_OCTETS,
            salt_len=_SALT_OCTETS,
            type=Type.ID,
        )
        # The hash of nothing: random octets in the right form cost a whole verification and match no password.
        self._nobody = (
            f"$argon2id$v={ARGON2_VERSION}$m={memory_kib},t={time_cost},p={parallelism}"
            f"${_base64(random(_SALT_OCTETS))}${_base64(random(_HASH_OCTETS))}"
        )

    def hash(self, password: bytes) -> str:
        """The hash of a password, in the PHC string format.

        Raises:
            ValueError: the password is empty or longer than `MAX_PASSWORD_OCTETS`.
        """
        if not may_be_right(password):
            raise ValueError(f"a password has 1 to {MAX_PASSWORD_OCTETS} octets")
        return self._argon2.hash(prepared(password), salt=self._random(_SALT_OCTETS))

    def verify(self, stored: str, password: bytes) -> bool:
        """Whether the password belongs to the hash. False for a hash that is not an argon2 one."""
        if not may_be_right(password):
            return self.verify_nobody()
        try:
            return self._argon2.verify(stored, prepared(password))
        except (VerificationError, InvalidHashError):
            return False

    def verify_nobody(self) -> bool:
        """Spend the time of one verification; always False. For unknown users and impossible passwords."""
        try:
            return self._argon2.verify(self._nobody, b"nobody")
        except VerificationError:
            return False

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was made with weaker parameters, or another variant, than new ones are."""
        try:
            old = extract_parameters(stored)
        except InvalidHashError:
            return True
        return (
            old.type is not Type.ID
            or old.version < ARGON2_VERSION
            or old.memory_cost < self._argon2.memory_cost
            or old.time_cost < self._argon2.time_cost
        )


def _base64(octets: bytes) -> str:
    return b64encode(octets).rstrip(b"=").decode()
