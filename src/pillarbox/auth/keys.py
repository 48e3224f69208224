"""The installation key: the one secret of this installation, kept in a file apart from the accounts database.

Whoever steals the database alone can neither check a guessed app password nor read a TOTP secret. Rules: the file is
made once, complete or not at all, readable by its owner alone, and never replaced by this program; every use has a key
of its own, derived from the installation key; every stored value names the key it was made with, so that a lost or
exchanged file is told from a wrong password. What is stored under these keys is in `app_passwords` and `totp`.

RFC 5869 §2.3 (derivation), RFC 5116 (sealing, with AES-256-GCM).
"""

from __future__ import annotations

import hmac
import os
import re
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from pillarbox.files import NotAFile, OpenToOthers, made_once, read_private, write_durably

__all__ = ["InstallationKey", "KeyFile", "KeyMissing", "KeyUnavailable"]

KEY_OCTETS = 32
_NONCE_OCTETS = 12
_SALT_OCTETS = 16
_LINE = re.compile(rb"pillarbox-secret-key-1 ([0-9a-f]{64})\n?")
_LONGEST = 256  # octets; more is some other file


class KeyUnavailable(Exception):
    """The installation key cannot be used. `reason` is a sentence for the administrator and holds no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyMissing(KeyUnavailable):
    """There is no file."""


class InstallationKey:
    """One installation key, and what is derived from it.

    Attributes:
        id: tells keys apart and gives nothing away; it is stored beside every value made with the key.
    """

    __slots__ = ("_master", "_salts", "_sealing", "id")

    def __init__(self, master: bytes) -> None:
        if len(master) != KEY_OCTETS:
            raise ValueError(f"an installation key has {KEY_OCTETS} octets")
        self._master = master
        self._salts = self.derived("scram-salt")
        self._sealing = self.derived("sealing")
        self.id = self.derived("id").hex()[:16]

    def __repr__(self) -> str:
        return f"InstallationKey({self.id})"

    def derived(self, use: str) -> bytes:
        """The 32-octet key of one use."""
        # HKDF-Expand's first block; the key is random already, so that nothing need be extracted first.
        return hmac.digest(self._master, b"pillarbox " + use.encode() + b"\x01", "sha256")

    def scram_salt(self, account: str) -> bytes:
        """The SCRAM salt of a name: the same each time, and made alike for known and unknown names (P42)."""
        return hmac.digest(self._salts, account.encode(), "sha256")[:_SALT_OCTETS]

    def seal(self, plain: bytes, place: str, random: Callable[[int], bytes] = os.urandom) -> bytes:
        """Encrypt a value. `place` names where it is stored: it cannot be opened anywhere else."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = random(_NONCE_OCTETS)
        return nonce + AESGCM(self._sealing).encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """The value of `seal`.

        Raises:
            KeyUnavailable: it was made with another key, for another place, or is damaged.
        """
        # Imported here: a server without TOTP and digests does not need it in memory.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(self._sealing).decrypt(sealed[:_NONCE_OCTETS], sealed[_NONCE_OCTETS:], place.encode())
        except (InvalidTag, ValueError):
            raise KeyUnavailable(f"a stored secret ({place}) is damaged, or was made with another key") from None


class KeyFile:
    """The file `secret.key` of one installation. The key is read once, when it is first needed.

    Args:
        path: the file.
        random: gives so many random octets.
    """

    def __init__(self, path: Path, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._path = str(path)
        self._random = random
        self._lock = threading.Lock()
        self._key: InstallationKey | None = None

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._path

    def load(self) -> InstallationKey:
        """The key.

        Raises:
            KeyUnavailable: it is missing (`KeyMissing`), damaged, open to others, or cannot be read.
        """
        key = self._key
        if key is None:
            with self._lock:
                key = self._key = self._key or InstallationKey(self._read())
        return key

    def load_or_create(self, *, in_use: bool) -> InstallationKey:
        """The key; a new one is made where there is none yet.

        Args:
            in_use: something is stored that was made with a key. A new key would not fit it, and is not made.

        Raises:
            KeyUnavailable: as `load`; or the file cannot be made.
        """
        try:
            return self.load()
        except KeyMissing:
            if in_use:
                raise
        self._create()
        return self.load()

    def for_storing(self, database: sqlite3.Connection) -> InstallationKey:
        """The key for new secrets of the accounts database: the one of those that it holds, or else any.

        Raises:
            KeyUnavailable: as `check` and `load_or_create`.
        """
        used = database.execute("SELECT key_id FROM app_password UNION SELECT key_id FROM totp").fetchall()
        key = self.load_or_create(in_use=bool(used))
        for (key_id,) in used:
            self.check(key_id)
        return key

    def check(self, key_id: str) -> InstallationKey:
        """The key, if it is the one with this id.

        Raises:
            KeyUnavailable: as `load`; or it is another one.
        """
        key = self.load()
        if key.id != key_id:
            raise KeyUnavailable(
                f"{self._path}: this is not the key with which the accounts' secrets were stored; restore the file "
                "that belongs to the accounts database, or revoke what was made with the other one"
            )
        return key

    def _read(self) -> bytes:
        try:
            line = read_private(self._path, _LONGEST)
        except FileNotFoundError:
            raise KeyMissing(
                f"{self._path}: the installation key is missing; restore it from a backup: app passwords and TOTP "
                "cannot be checked without it"
            ) from None
        except NotAFile:
            raise KeyUnavailable(f"{self._path}: it is not a file") from None
        except OpenToOthers:
            raise KeyUnavailable(
                f"{self._path}: other users of this machine can read it; run chmod 600 on it, and revoke what was "
                "made with it if they are not trusted"
            ) from None
        except OSError as error:
            raise KeyUnavailable(f"{self._path}: {error.strerror}") from error
        found = _LINE.fullmatch(line)
        if found is None:
            raise KeyUnavailable(f"{self._path}: it is damaged, or no installation key; restore it from a backup")
        return bytes.fromhex(found[1].decode())

    def _create(self) -> None:
        try:
            with made_once(Path(self._path)) as scratch:
                write_durably(scratch, b"pillarbox-secret-key-1 %s\n" % self._random(KEY_OCTETS).hex().encode())
        except FileExistsError:
            pass  # of two programs that make a key at once, both use the first
        except OSError as error:
            raise KeyUnavailable(f"{self._path}: {error.strerror}") from error
