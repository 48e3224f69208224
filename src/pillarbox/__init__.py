"""Pillarbox: a POP3 system for real mail: server, client library, fetcher and archive.

The map, by layer; a file imports only from lower ones:

    wire       1  the protocol, sans I/O: grammar, replies, the state table, server, client and observer cores
    sasl       1  SASL mechanisms, both sides, pure
    events     1  what happens, as frozen types; secrets as a type that never prints
    config     1  the settings: schema, loading, explaining
    files      1  private files, and files that a power failure leaves whole
    maildrop   2  what POP3 sees of a mailbox, and the stores behind it
    auth       2  attempts in, decisions out
    watch      2  events as log lines
    session    3  one client's conversation
    server     4  sockets, TLS, worker processes
    client     4  the client library: `Client`, `AsyncClient`, OAuth2, autodiscovery
    fetch      5  mail from many accounts into its destinations, exactly once
    archive    5  mail kept in open formats: found again, and verified
    lab        6  the guard's simulator
    wiring     7  where the parts are put together
    testing    8  for your tests: POP3 servers with scripted faults, a live server, conformance kits
    cli        9  the `pillarbox` program

The names below are the public face; each is imported when it is first used, so that the server starts without the
client, and the client without the server.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pillarbox.archive import Archive as Archive
    from pillarbox.client import AuthenticationFailed as AuthenticationFailed
    from pillarbox.client import Client as Client
    from pillarbox.client import ClientCertificate as ClientCertificate
    from pillarbox.client import ClientError as ClientError
    from pillarbox.client import ConnectError as ConnectError
    from pillarbox.client import ConnectionLost as ConnectionLost
    from pillarbox.client import DeadlineExceeded as DeadlineExceeded
    from pillarbox.client import InUse as InUse
    from pillarbox.client import KnownHostsFile as KnownHostsFile
    from pillarbox.client import LimitExceeded as LimitExceeded
    from pillarbox.client import Limits as Limits
    from pillarbox.client import LoginDelay as LoginDelay
    from pillarbox.client import MiB as MiB
    from pillarbox.client import Password as Password
    from pillarbox.client import PermanentError as PermanentError
    from pillarbox.client import ProtocolError as ProtocolError
    from pillarbox.client import Refused as Refused
    from pillarbox.client import TemporaryError as TemporaryError
    from pillarbox.client import Timeout as Timeout
    from pillarbox.client import TlsError as TlsError
    from pillarbox.client import TlsRules as TlsRules
    from pillarbox.client import UsageError as UsageError
    from pillarbox.client import Verify as Verify
    from pillarbox.client.aio import AsyncClient as AsyncClient
    from pillarbox.client.discover import discover as discover
    from pillarbox.client.oauth import GOOGLE as GOOGLE
    from pillarbox.client.oauth import Application as Application
    from pillarbox.client.oauth import ConsentLost as ConsentLost
    from pillarbox.client.oauth import OAuth2 as OAuth2
    from pillarbox.client.oauth import OAuthError as OAuthError
    from pillarbox.client.oauth import ProviderUnavailable as ProviderUnavailable
    from pillarbox.client.oauth import TokenFile as TokenFile
    from pillarbox.client.oauth import browser_login as browser_login
    from pillarbox.client.oauth import device_login as device_login
    from pillarbox.client.oauth import microsoft as microsoft
    from pillarbox.client.oauth import pasted_login as pasted_login
    from pillarbox.fetch import FetchAccount as FetchAccount
    from pillarbox.fetch import Journal as Journal
    from pillarbox.fetch import RunResult as RunResult
    from pillarbox.fetch import run_account as run_account

__version__ = "0.1.0"

_HOMES = {
    "pillarbox.archive": ("Archive",),
    "pillarbox.client": (
        "AuthenticationFailed",
        "Client",
        "ClientCertificate",
        "ClientError",
        "ConnectError",
        "ConnectionLost",
        "DeadlineExceeded",
        "InUse",
        "KnownHostsFile",
        "LimitExceeded",
        "Limits",
        "LoginDelay",
        "MiB",
        "Password",
        "PermanentError",
        "ProtocolError",
        "Refused",
        "TemporaryError",
        "Timeout",
        "TlsError",
        "TlsRules",
        "UsageError",
        "Verify",
    ),
    "pillarbox.client.aio": ("AsyncClient",),
    "pillarbox.client.discover": ("discover",),
    "pillarbox.client.oauth": (
        "GOOGLE",
        "Application",
        "ConsentLost",
        "OAuth2",
        "OAuthError",
        "ProviderUnavailable",
        "TokenFile",
        "browser_login",
        "device_login",
        "microsoft",
        "pasted_login",
    ),
    "pillarbox.fetch": ("FetchAccount", "Journal", "RunResult", "run_account"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562). `Any`: whatever it is."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = vars(importlib.import_module(_HOME_OF[name]))[name]
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
