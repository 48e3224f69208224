"""How a client proves who it is: with a password, a bearer token, or the certificate of its TLS connection.

Rules: these are values that say what may be used; which mechanism it becomes is decided by `login`, by what the server
offers. Secrets are `Secret`s, and where a function gives them, it is called anew at each login.
Elsewhere: where OAuth tokens come from and how they are refreshed (`oauth`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pillarbox.events import Secret

Given = str | bytes | Secret
SecretSource = Given | Callable[[], Given]
"""A password, or a function that gets it (from a keyring, a command); also a coroutine function for `AsyncClient`."""


def secret(given: Given) -> Secret:
    """Text (as UTF-8) or octets as a `Secret`."""
    return given if isinstance(given, Secret) else Secret(given)


@dataclass(frozen=True, slots=True)
class Password:
    """A password.

    Without `mechanisms` the best that the server offers is taken: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN,
    USER/PASS ("USER"). When SCRAM is refused, a mechanism that shows the server the password is tried once: some
    servers offer SCRAM, but know it for some accounts only. Name the mechanisms to keep a password from the server.

    Attributes:
        mechanisms: only these, in this order. "APOP" and "CRAM-MD5" are used only when they are named here.
        first: what let us in last time (`Client.mechanism`), to be tried first; inside TLS only. It saves the refusal
            of a mechanism that the server offers to all, and knows for some.
    """

    source: SecretSource = field(repr=False)
    mechanisms: tuple[str, ...] | None = None
    first: str = ""


@runtime_checkable
class TokenSource(Protocol):
    """Gives bearer tokens (RFC 6750)."""

    def access_token(self) -> Secret | Awaitable[Secret]:
        """A token that should be good now. May block, or be awaitable."""
        ...

    def rejected(self) -> object:
        """The server refused the last token: the next one has to be another. May block, or be awaitable."""
        ...


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """EXTERNAL: TLS has proved who we are (`TlsRules.certificate`). The user name asks for that very account."""


Auth = Password | TokenSource | ClientCertificate
