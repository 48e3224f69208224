"""The only exceptions that the protocol core raises."""

from __future__ import annotations


class ProtocolError(Exception):
    """The peer broke the protocol. The text is fixed and safe to show; it never holds what the peer sent."""


class BadCommand(ProtocolError):
    """A command line that cannot be carried out as written. The session goes on; the text is for the -ERR."""


class LocalError(ProtocolError):
    """Our own side tried something illegal in this state: a defect in the caller."""
