"""How patient a client is, and how much it takes: time-outs and limits, each with its default and its reason.

Rules: seconds and octets; everything here can be changed by the caller, nothing by the server.
Elsewhere: what the protocol itself bounds (`pillarbox.wire.limits`); who is trusted (`tls_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass

MiB = 1024 * 1024

PIPELINED_OCTETS = 4096
"""Octets of commands without a reply at most: any server's kernel takes them in, so that sending never waits for
reading (RFC 2449 §6.8: not more than the peer's window)."""

PROBE_PATIENCE = 1.0
"""Seconds a server that may have thrown away a command is given to answer it, or four round trips if these are more."""

SLACK_FACTOR = 1.1
SLACK_OCTETS = 64 * 1024
"""What a message may have over the size that LIST claims: servers that count LF where they send CRLF, or another
encoding of the same message."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds the server has.

    Only time spent waiting for it counts: what the caller does between two messages does not.

    Attributes:
        connect: for a TCP connection, and again for a TLS handshake.
        command: for the beginning of a reply, and what a reply may be late by `min_rate`.
        min_rate: octets a second that a reply has at least, once `command` seconds have passed.
        session: for all of it, from the connection on, whatever is done in it; None for no end.
    """

    connect: float = 30.0
    command: float = 60.0
    min_rate: float = 512.0
    session: float | None = 6 * 3600.0

    def __post_init__(self) -> None:
        if min(self.connect, self.command, self.min_rate) <= 0 or (self.session is not None and self.session <= 0):
            raise ValueError("a time-out and a rate have to be above zero")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken from a server before it counts as hostile.

    Attributes:
        message: octets that any message may have, whatever LIST says; beyond that, it is LIST x 1.1 + 64 KiB.
        messages: lines of a listing.
        headers: octets that TOP gives back; what comes beyond is read and dropped.
    """

    message: int = 1 * MiB
    messages: int = 250_000
    headers: int = 1 * MiB

    def octets(self, size: int) -> int:
        """The most octets of a message that is listed with `size`."""
        return max(int(size * SLACK_FACTOR) + SLACK_OCTETS, self.message)
