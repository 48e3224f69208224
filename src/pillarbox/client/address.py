"""A server's address as a URL: `pops://ada@mail.example.org`, `pop3://[::1]:1110`.

Rules: a password in a URL is refused, because URLs end up in logs, process lists and histories; `pops` (also `pop3s`)
is TLS from the first octet (RFC 8314 §3.2), `pop3` (also `pop`) is STLS.
Serves RFC 2384 (the URL's form; its AUTH parameter is not used), RFC 8314 §3.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from pillarbox.client.errors import UsageError

_PORTS = {"pops": 995, "pop3s": 995, "pop3": 110, "pop": 110}


class Address(NamedTuple):
    """Where a maildrop is.

    Attributes:
        implicit: TLS from the first octet; otherwise STLS.
        user: of the URL, "" for none.
    """

    host: str
    port: int
    implicit: bool
    user: str

    @property
    def label(self) -> str:
        """The URL, for events and messages; it holds no password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return f"{'pops' if self.implicit else 'pop3'}://{user}{host}:{self.port}"


def parse(url: str, user: str = "") -> Address:
    """The address in a URL; `user` wins over the URL's own.

    Raises:
        UsageError: it is none, or holds a password. The text never repeats the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError("that is not a URL: write it like pops://ada@mail.example.org") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise UsageError("a mail server's URL begins with pops:// (TLS) or pop3:// (STLS)")
    if parts.password is not None:
        raise UsageError("a password does not belong in a URL: pass it as password=")
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UsageError("a mail server's URL is a host, and if need be a user and a port: pops://ada@mail.example.org")
    if port == 0:
        raise UsageError("0 is not a port")
    name = user or unquote(parts.username or "")
    for text in (parts.hostname, name):
        if any(character in text for character in "\r\n\0"):
            raise UsageError("a line break or NUL in a name")
    return Address(parts.hostname, port or _PORTS[scheme], scheme in ("pops", "pop3s"), name)
