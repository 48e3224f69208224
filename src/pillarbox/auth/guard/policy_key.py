"""The key of the policy API: the secret that another server shows before it may ask the guard.

Rules: it is kept in a file that only its owner can read, and made by a command, never by the server; it is shown and
compared as the header field that HTTP carries it in, in constant time. Basic authentication with the user name
"wforce", as Weakforced has it (RFC 7617).
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from pathlib import Path

from pillarbox.files import NotAFile, OpenToOthers, made_once, read_private, write_durably

USER = "wforce"

_KEY = re.compile(rb"([!-~]{16,200})\r?\n?")
_LONGEST = 256  # octets of a file that can hold a key


class PolicyKeyUnavailable(Exception):
    """There is no usable key. `reason` is a sentence for the administrator and holds no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PolicyKey:
    """A key. It never prints."""

    __slots__ = ("_field", "_key")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._field = base64.b64encode(USER.encode() + b":" + key)

    def __repr__(self) -> str:
        return "PolicyKey(…)"

    def is_shown_by(self, field: bytes) -> bool:
        """Whether the value of an Authorization field shows the key."""
        scheme, _, credentials = field.partition(b" ")
        return hmac.compare_digest(credentials.strip(), self._field) and scheme.lower() == b"basic"

    def reveal_field(self) -> str:
        """The value of the Authorization field that shows the key, for another server's configuration."""
        return f"Basic {self._field.decode()}"

    def derived(self, use: str) -> bytes:
        """The 32-octet key of another use."""
        return hmac.digest(self._key, b"pillarbox " + use.encode(), "sha256")


def load(path: Path) -> PolicyKey:
    """The key in a file.

    Raises:
        PolicyKeyUnavailable: it is missing, no key, open to others, or cannot be read.
    """
    try:
        line = read_private(path, _LONGEST)
    except FileNotFoundError:
        raise PolicyKeyUnavailable(f"there is no file {path}; make it with: pillarbox guard dovecot") from None
    except NotAFile:
        raise PolicyKeyUnavailable(f"{path} is not a file") from None
    except OpenToOthers:
        raise PolicyKeyUnavailable(
            f"other users of this machine can use {path}; make a new key, with chmod 600"
        ) from None
    except OSError as error:
        raise PolicyKeyUnavailable(f"{path}: {error.strerror}") from None
    found = _KEY.fullmatch(line)
    if found is None:
        raise PolicyKeyUnavailable(f"{path} holds no key: one line of 16 to 200 printable characters without spaces")
    return PolicyKey(found[1])


def load_or_create(path: Path) -> PolicyKey:
    """The key in a file; a new one is made where there is none. Made by root, it belongs to its directory's owner.

    Raises:
        PolicyKeyUnavailable: as `load`, or it cannot be made.
    """
    if not path.exists():
        try:
            with made_once(path) as scratch:
                write_durably(scratch, f"{secrets.token_urlsafe(32)}\n".encode("ascii"))
        except FileExistsError:
            pass  # of two programs that make a key at once, both use the first
        except OSError as error:
            raise PolicyKeyUnavailable(f"{path} cannot be made: {error.strerror}") from None
    return load(path)
