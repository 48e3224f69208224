"""What every source of settings shares: the address that is asked for, host names, and a proposal.

Rules: names are compared in one form (ASCII, lower case, no final dot); what is no host name is "" and never becomes a
part of a URL. A proposal's URL always means TLS: "pops" inside it from the first octet, "pop3" with STLS required.
Serves RFC 5890 §2.3.2 (A-labels), RFC 1123 §2.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

__all__ = ["Address", "AuthKind", "Proposal", "Source", "host_name", "server_url"]

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})+\Z")
_NUMERIC = re.compile(r"[0-9]+\Z")
_MAX_HOST = 253
_MAX_LOCAL = 64  # RFC 5321 §4.5.3.1.1


class AuthKind(Enum):
    """How to log in."""

    PASSWORD = "password"  # noqa: S105 - a kind
    OAUTH2 = "oauth2"
    CERTIFICATE = "certificate"


class Source(Enum):
    """Who says so, best first."""

    PRESET = "preset"
    SRV = "srv"
    AUTOCONFIG = "autoconfig"
    ISPDB = "ispdb"
    MX = "mx"
    GUESS = "guess"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A server that may be the right one. Nobody has tried it.

    Attributes:
        url: "pops://HOST:PORT", or "pop3://HOST:PORT" for STLS.
        user: the name to log in with.
        auth: how to log in.
        source: who says so.
        needs_confirmation: show it to the user before a password goes there.
        provider: the OAuth2 preset's name; "" for none.
    """

    url: str
    user: str
    auth: AuthKind
    source: Source
    needs_confirmation: bool
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """A mail address. `domain` is in the form of host names, `text` has that domain."""

    local: str
    domain: str

    @classmethod
    def of(cls, text: str) -> Address:
        """Take an address apart.

        Raises:
            ValueError: it is none, or its domain is no name.
        """
        local, _, domain = text.strip().rpartition("@")
        host = host_name(domain)
        if not local or len(local) > _MAX_LOCAL or not local.isprintable() or set(local) & set(' "<>()@,;:\\'):
            raise ValueError("that is not a mail address: write one such as ada@example.org")
        if not host:
            raise ValueError("the part after the @ is not a domain: write an address such as ada@example.org")
        return cls(local, host)

    @property
    def text(self) -> str:
        """The whole address."""
        return f"{self.local}@{self.domain}"

    def has(self, host: str) -> bool:
        """Whether a host is in the address's domain."""
        return host == self.domain or host.endswith(f".{self.domain}")


def host_name(text: str) -> str:
    """The comparable form of a host name; "" for what is none, for an IP address, and for a name of one label."""
    try:
        name = text.encode("idna").decode("ascii") if not text.isascii() else text
    except UnicodeError:
        return ""
    name = name.removesuffix(".").lower()
    if len(name) > _MAX_HOST or _HOST.match(name) is None or _NUMERIC.match(name.rpartition(".")[2]):
        return ""
    return name


def server_url(scheme: str, host: str, port: int) -> str:
    """The URL of a server; "pops" or "pop3"."""
    return f"{scheme}://{host}:{port}"
