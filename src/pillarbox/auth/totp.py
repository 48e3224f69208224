"""TOTP: codes that an authenticator app shows for thirty seconds, each good once; and recovery codes.

Rules: SHA-1, six digits, thirty seconds, because that is what every authenticator app knows; a code of the step before
or after is taken too; a step is used up by one UPDATE in the database, so that no code is taken twice, by whatever
worker or process, nor an older one after it (RFC 6238 §5.2); the secret is stored sealed with the installation key,
recovery codes as a keyed hash, each deleted by its use. When a code is needed is in `mfa`.

The fifteen lines of RFC 6238 and RFC 4226 are here and not pyotp's, because it tells whether a code fits but not for
which step, and the step is what must be used up. The tests use the RFC's vectors, and pyotp where it is installed.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Callable
from urllib.parse import quote, urlencode

from pillarbox.auth.accounts_database import AccountsDatabase
from pillarbox.auth.accounts_file import AccountsError, raise_epoch
from pillarbox.auth.app_password_text import crockford
from pillarbox.auth.keys import KeyFile

STEP = 30  # seconds
DIGITS = 6
WINDOW = 1  # steps before and after (RFC 6238 §5.2: at most one for the network's delay; one for a clock ahead)
SECRET_OCTETS = 20  # RFC 4226 §4, R6: 160 bits
RECOVERY_CODES = 10
_RECOVERY_CHARACTERS = 16  # 80 bits
_GROUP = 4
_RECOVERY_FOLDED = str.maketrans("oil", "011", " -")


class TotpEnrolled(AccountsError):
    """The account has TOTP already."""


class TotpMissing(AccountsError):
    """The account has no TOTP."""


class WrongCode(AccountsError):
    """The code does not belong to the secret."""


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of one step (RFC 4226 §5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}d}"


def step_at(now: float) -> int:
    """The step of a time in UTC seconds."""
    return int(now // STEP)


def matching_step(secret: bytes, code: str, now: float) -> int | None:
    """The step that a code belongs to, of those near `now`; None for no such step. The newest, if it is several's."""
    found = None
    for step in range(max(0, step_at(now) - WINDOW), step_at(now) + WINDOW + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def split(given: bytes) -> tuple[bytes, str] | None:
    """The password and the code of "password, then code"; None where there are no six digits behind a password.

    A password that ends in digits is no special case: the last six are the code, always.
    """
    password, code = given[:-DIGITS], given[-DIGITS:]
    # bytes.isdigit knows ASCII digits alone.
    return (password, code.decode()) if password and code.isdigit() else None


def new_secret(random: Callable[[int], bytes] = os.urandom) -> bytes:
    """A secret for a new enrolment."""
    return random(SECRET_OCTETS)


def shown(secret: bytes) -> str:
    """The secret as people type it into an app: base32."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(account: str, secret: bytes, issuer: str) -> str:
    """The otpauth URI that authenticator apps read from a QR code."""
    # Only what differs from the defaults of every app is written: some refuse a URI with more.
    return f"otpauth://totp/{quote(issuer, safe='')}:{quote(account, safe='')}?" + urlencode(
        {"secret": shown(secret), "issuer": issuer}, quote_via=quote
    )


class TotpStore:
    """The TOTP secrets and recovery codes of all accounts, in the accounts database.

    Every method writes, or may wait for writers: none belongs on an event loop.

    Args:
        database: where they are.
        keys: the installation key.
        clock: UTC seconds.
        random: gives so many random octets.
    """

    def __init__(
        self,
        database: AccountsDatabase,
        keys: KeyFile,
        *,
        clock: Callable[[], float],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._random = random

    def enrol(self, account: str, secret: bytes, code: str) -> list[str]:
        """Store a secret, once its owner has shown that the app knows it; the code is used up. Gives recovery codes.

        Raises:
            WrongCode, TotpEnrolled, NoSuchAccount: as they say.
            AccountsUnavailable, KeyUnavailable: it cannot be stored.
        """
        with self._database.change() as (connection, epoch, now):
            raise_epoch(connection, account, epoch, now)
            if connection.execute("SELECT 1 FROM totp WHERE account = ?", (account,)).fetchone():
                raise TotpEnrolled(account)
            step = matching_step(secret, code, now)
            if step is None:
                raise WrongCode(account)
            key = self._keys.for_storing(connection)
            connection.execute(
                "INSERT INTO totp (account, sealed, key_id, last_step, created) VALUES (?, ?, ?, ?, ?)",
                (account, key.seal(secret, _place(account), self._random), key.id, step, now),
            )
            codes = [crockford(self._random, _RECOVERY_CHARACTERS) for _ in range(RECOVERY_CODES)]
            tag_key = key.derived("recovery-code")
            connection.executemany(
                "INSERT INTO recovery_code (account, tag) VALUES (?, ?)",
                [(account, _tag(tag_key, account, one)) for one in codes],
            )
        return [
            "-".join(one[start : start + _GROUP] for start in range(0, _RECOVERY_CHARACTERS, _GROUP)) for one in codes
        ]

    def use_code(self, account: str, code: str) -> bool:
        """Whether the code is right and its step was not used yet, nor a later one; it is now. False without TOTP.

        Raises:
            AccountsUnavailable, KeyUnavailable: nobody can tell now.
        """
        row = self._database.row("SELECT sealed, key_id FROM totp WHERE account = ?", (account,))
        if row is None:
            return False
        step = matching_step(self._keys.check(row[1]).open(row[0], _place(account)), code, self._clock())
        if step is None:
            return False
        with self._database.transaction() as connection:
            # `sealed` is compared, too: a code of a secret that was replaced meanwhile uses up nothing of the new one.
            used = connection.execute(
                "UPDATE totp SET last_step = ? WHERE account = ? AND sealed = ? AND last_step < ?",
                (step, account, row[0], step),
            ).rowcount
        return used == 1

    def use_recovery_code(self, account: str, code: str) -> bool:
        """Whether it is a recovery code of this account; it is none any more. Case, hyphens and spaces do not count.

        Raises:
            AccountsUnavailable, KeyUnavailable: nobody can tell now.
        """
        row = self._database.row("SELECT key_id FROM totp WHERE account = ?", (account,))
        canonical = code.lower().translate(_RECOVERY_FOLDED)
        if row is None or len(canonical) != _RECOVERY_CHARACTERS:
            return False
        tag = _tag(self._keys.check(row[0]).derived("recovery-code"), account, canonical)
        with self._database.transaction() as connection:
            used = connection.execute(
                "DELETE FROM recovery_code WHERE account = ? AND tag = ?", (account, tag)
            ).rowcount
        return used == 1

    def remove(self, account: str) -> None:
        """Forget the secret and the recovery codes. Needs no installation key.

        Raises:
            TotpMissing, NoSuchAccount, AccountsUnavailable: as they say.
        """
        with self._database.change() as (connection, epoch, now):
            raise_epoch(connection, account, epoch, now)
            if connection.execute("DELETE FROM totp WHERE account = ?", (account,)).rowcount == 0:
                raise TotpMissing(account)
            connection.execute("DELETE FROM recovery_code WHERE account = ?", (account,))


def _place(account: str) -> str:
    return f"totp {account}"


def _tag(key: bytes, account: str, code: str) -> bytes:
    return hmac.digest(key, f"{code}\0{account}".encode(), "sha256")
