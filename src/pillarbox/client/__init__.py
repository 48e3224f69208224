"""The POP3 client: `Client` and `AsyncClient`, two thin shells over one conversation that does no I/O itself.

    address settings tls_rules auth   what the caller says
    wants                             what the logic asks of the world
    line exchange                     deadlines; commands and replies in order
    opening login                     from the connection to the login
    conversation batch body           after it: listings, messages, deletions, QUIT
    listing probe                     judging LIST and UIDL; finding out about pipelining
    blocking aio                      the shells; transport aio_transport tls_stream: their sockets

The protocol itself, with all framing, is in `pillarbox.wire`; mechanisms are in `pillarbox.sasl`. The asynchronous
shell is imported when it is first used: the fetcher starts without it, and without asyncio.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pillarbox.client.auth import Auth, ClientCertificate, Password, TokenSource
from pillarbox.client.blocking import Client, Message, Messages, Retrieval
from pillarbox.client.errors import (
    AuthenticationFailed,
    ClientError,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    InUse,
    LimitExceeded,
    LoginDelay,
    PermanentError,
    ProtocolError,
    Refused,
    TemporaryError,
    TlsError,
    UsageError,
)
from pillarbox.client.known_hosts import KnownHostsFile
from pillarbox.client.seen import Seen
from pillarbox.client.settings import Limits, MiB, Timeout
from pillarbox.client.tls_rules import KnownHosts, TlsRules, Verify
from pillarbox.client.values import Entry, Progress, ServerCapabilities, Stat
from pillarbox.client.wants import Channel

if TYPE_CHECKING:
    from pillarbox.client.aio import AsyncClient, AsyncMessage, AsyncMessages, AsyncRetrieval

__all__ = [
    "AsyncClient",
    "AsyncMessage",
    "AsyncMessages",
    "AsyncRetrieval",
    "Auth",
    "AuthenticationFailed",
    "Channel",
    "Client",
    "ClientCertificate",
    "ClientError",
    "ConnectError",
    "ConnectionLost",
    "DeadlineExceeded",
    "Entry",
    "InUse",
    "KnownHosts",
    "KnownHostsFile",
    "LimitExceeded",
    "Limits",
    "LoginDelay",
    "Message",
    "Messages",
    "MiB",
    "Password",
    "PermanentError",
    "Progress",
    "ProtocolError",
    "Refused",
    "Retrieval",
    "Seen",
    "ServerCapabilities",
    "Stat",
    "TemporaryError",
    "Timeout",
    "TlsError",
    "TlsRules",
    "TokenSource",
    "UsageError",
    "Verify",
]


def __getattr__(name: str) -> Any:
    """Import a name of the asynchronous shell from its home (PEP 562). `Any`: whatever it is."""
    if name not in ("AsyncClient", "AsyncMessage", "AsyncMessages", "AsyncRetrieval"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = vars(importlib.import_module("pillarbox.client.aio"))[name]
    globals()[name] = found
    return found
