"""What the client's logic asks the world for: it yields one of these, and is sent the answer, or the error.

Rules: logic is a generator (`Work`) that never waits, reads a socket or calls a stranger's slow code itself; the two
shells (`blocking`, `aio`) carry wants out with a transport, and throw what goes wrong back in: `TimeoutError` at a
deadline, `ssl.SSLError` for TLS, other `OSError`s; whatever a user's function raises. Deadlines are on the clock the
logic was given.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Connect(NamedTuple):
    """Open a connection. Answer: None."""

    host: str
    port: int
    deadline: float


class Send(NamedTuple):
    """Send all of these octets; they may be secret. Answer: None."""

    data: bytes
    deadline: float

    def __repr__(self) -> str:
        return f"<Send {len(self.data)} octets>"


class Receive(NamedTuple):
    """Wait for octets. Answer: those that are there, b"" when the server has closed."""

    deadline: float


class StartTls(NamedTuple):
    """Do a TLS handshake. Answer: a `Channel`."""

    context: ssl.SSLContext
    name: str
    deadline: float


class Close(NamedTuple):
    """Close the connection. Never fails. Answer: None."""


class Call(NamedTuple):
    """Call a function of the user's, which may take long. Answer: what it returns (or what it resolves to)."""

    function: Callable[[], Any]  # what it returns is known to who asks


class Channel(NamedTuple):
    """What a TLS handshake has led to.

    Attributes:
        version: such as "TLSv1.3".
        cipher: its name.
        certificate: the server's, DER.
        unique: the channel binding "tls-unique", or b"" (with TLS 1.3 there is none).
    """

    version: str
    cipher: str
    certificate: bytes
    unique: bytes


Want = Connect | Send | Receive | StartTls | Close | Call

Work = Generator[Want, Any, T]  # Any: what is sent in depends on the want before it
"""A piece of logic that ends in a `T`."""
