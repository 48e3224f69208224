"""The event types: the whole vocabulary of what Pillarbox tells about itself.

Rules: every type is frozen and tagged with its own name; text fields that hold what a peer sent are cleaned by whoever
renders them, never trusted; there is no field for a password, a token or mail data. `VERSION` rises when a field
changes its meaning. Times are UTC seconds since the epoch and are added by the renderer when `at` is 0.
"""

from __future__ import annotations

import enum

import msgspec

VERSION = 1


class Level(enum.IntEnum):
    """How much an event matters: the syslog severities people filter by."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


class Event(msgspec.Struct, frozen=True, tag_field="event", tag=True, kw_only=True):
    """Base of all events."""

    level = Level.INFO  # a class attribute, not a field: fixed per type

    at: float = 0.0


# ---- the server as a whole ------------------------------------------------------------------------------------


class ServerStarted(Event, frozen=True, tag=True, kw_only=True):
    """All workers answer. `listeners` are "address:port (kind)" texts."""

    listeners: list[str]
    workers: int
    version: str


class ServerStopping(Event, frozen=True, tag=True, kw_only=True):
    """No new sessions are taken; running ones get `grace` seconds."""

    grace: float


class ServerStopped(Event, frozen=True, tag=True, kw_only=True):
    """The last worker has ended."""


class WorkerEnded(Event, frozen=True, tag=True, kw_only=True):
    """A worker process ended on its own; it is replaced. `cause` names its exit status or signal."""

    level = Level.ERROR

    worker: int
    pid: int
    cause: str


class Reloaded(Event, frozen=True, tag=True, kw_only=True):
    """Configuration and certificates were read anew; running sessions keep what they started with."""


class ReloadRefused(Event, frozen=True, tag=True, kw_only=True):
    """The new configuration is wrong; the old one stays in force."""

    level = Level.ERROR

    problems: list[str]


class Warned(Event, frozen=True, tag=True, kw_only=True):
    """Something an administrator should know, that stops nothing. `about` is a short fixed word to filter by."""

    level = Level.WARNING

    about: str
    text: str


class InternalError(Event, frozen=True, tag=True, kw_only=True):
    """A defect of Pillarbox itself. `where` holds file:line frames, innermost last; never values."""

    level = Level.ERROR

    session: str = ""
    error: str
    where: list[str]


# ---- connections ----------------------------------------------------------------------------------------------


class ConnectionRefused(Event, frozen=True, tag=True, kw_only=True):
    """A connection was turned away before a session began. `limit` is the setting's key."""

    level = Level.WARNING

    peer: str
    listener: str
    limit: str


class ProxyHeaderRefused(Event, frozen=True, tag=True, kw_only=True):
    """A PROXY protocol header was missing or malformed."""

    level = Level.WARNING

    peer: str
    listener: str
    reason: str


class WrongProtocol(Event, frozen=True, tag=True, kw_only=True):
    """The peer speaks something else: TLS on the cleartext port, HTTP, cleartext on the TLS port (P55)."""

    level = Level.WARNING

    session: str
    peer: str
    listener: str
    seen: str


class TlsFailed(Event, frozen=True, tag=True, kw_only=True):
    """A handshake did not succeed (P53)."""

    session: str
    peer: str
    listener: str
    reason: str


class StlsInjection(Event, frozen=True, tag=True, kw_only=True):
    """Octets came between the STLS line and the handshake: an attack, or a badly broken client (P51)."""

    level = Level.WARNING

    session: str
    peer: str
    octets: int


# ---- authentication -------------------------------------------------------------------------------------------


class LoginSucceeded(Event, frozen=True, tag=True, kw_only=True):
    """A session entered TRANSACTION.

    Attributes:
        tls: the TLS version, or "cleartext until DATE" where a dated exception let it happen without.
    """

    session: str
    user: str
    peer: str
    mechanism: str
    tls: str
    messages: int
    octets: int


class LoginFailed(Event, frozen=True, tag=True, kw_only=True):
    """Credentials were refused. `reason` is for the administrator; the peer never learns it (P42)."""

    level = Level.WARNING

    session: str
    user: str
    peer: str
    mechanism: str
    tls: str
    reason: str


class LoginUnavailable(Event, frozen=True, tag=True, kw_only=True):
    """Nobody could say whether the credentials are right: a backend is down, or the queue is full."""

    level = Level.ERROR

    session: str
    user: str
    peer: str
    reason: str


class CleartextLoginRefused(Event, frozen=True, tag=True, kw_only=True):
    """A login was tried without TLS. `secret_seen` says whether a secret crossed the wire and is burnt (P54)."""

    level = Level.WARNING

    session: str
    peer: str
    command: str
    user: str
    secret_seen: bool


# ---- the maildrop ---------------------------------------------------------------------------------------------


class MaildropInUse(Event, frozen=True, tag=True, kw_only=True):
    """A second session asked for a maildrop that is held (P48)."""

    session: str
    user: str
    peer: str
    holder: str
    since: float | None


class MaildropFailed(Event, frozen=True, tag=True, kw_only=True):
    """A maildrop could not be opened, read or changed."""

    level = Level.ERROR

    session: str
    user: str
    reason: str
    permanent: bool


class MessageUnreadable(Event, frozen=True, tag=True, kw_only=True):
    """A message of the snapshot could not be sent."""

    level = Level.WARNING

    session: str
    user: str
    unique_id: str
    reason: str


class MessagesHidden(Event, frozen=True, tag=True, kw_only=True):
    """Files in a maildrop are not offered: not regular files, unreadable, or without a safe unique-id (P30)."""

    level = Level.WARNING

    maildrop: str
    count: int
    examples: list[str]
    reason: str


class UpdateResumed(Event, frozen=True, tag=True, kw_only=True):
    """An UPDATE that a crash had cut short was carried through at the next opening."""

    level = Level.WARNING

    maildrop: str
    removed: int


class UpdateFailed(Event, frozen=True, tag=True, kw_only=True):
    """Some messages marked as deleted could not be removed (P22)."""

    level = Level.ERROR

    session: str
    user: str
    removed: int
    failed: int
    reason: str


# ---- sessions -------------------------------------------------------------------------------------------------


class SessionEnded(Event, frozen=True, tag=True, kw_only=True):
    """One for every session: enough to explain "why did it download everything again" (P59).

    Attributes:
        how: "quit", "closed" (by the peer), "idle", "stalled", "shutdown", "refused", "error" …
        seconds: how long it lasted.
        messages, octets: the maildrop at opening; 0 without a login.
        retrieved, retrieved_octets: RETR, counted in octets as LISTed.
        topped: TOP.
        marked: messages marked as deleted when it ended.
        deleted: messages removed by UPDATE.
        received, sent: octets on the wire inside TLS.
        commands: how many command lines; `errors`: how many of them got -ERR.
    """

    session: str
    peer: str
    listener: str
    user: str
    tls: str
    how: str
    seconds: float
    messages: int
    octets: int
    retrieved: int
    retrieved_octets: int
    topped: int
    marked: int
    deleted: int
    commands: int
    errors: int
    received: int
    sent: int


__all__ = [
    "VERSION",
    "CleartextLoginRefused",
    "ConnectionRefused",
    "Event",
    "InternalError",
    "Level",
    "LoginFailed",
    "LoginSucceeded",
    "LoginUnavailable",
    "MaildropFailed",
    "MaildropInUse",
    "MessageUnreadable",
    "MessagesHidden",
    "ProxyHeaderRefused",
    "ReloadRefused",
    "Reloaded",
    "ServerStarted",
    "ServerStopped",
    "ServerStopping",
    "SessionEnded",
    "StlsInjection",
    "TlsFailed",
    "UpdateFailed",
    "UpdateResumed",
    "Warned",
    "WorkerEnded",
    "WrongProtocol",
]
