"""What to do about an error, where its own text cannot say it: one short sentence for each kind.

Rules: known by the class's name, because that is what an event has of it; errors whose text says what to do have none.
"""

from __future__ import annotations

from pillarbox.client.errors import (
    AuthenticationFailed,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    InUse,
    LimitExceeded,
    LoginDelay,
    ProtocolError,
    TlsError,
)

_ADVICE: dict[str, str] = {
    kind.__name__: text
    for kind, text in (
        (AuthenticationFailed, "correct the user or the password"),
        (TlsError, "its owner has to mend the certificate; `tls` of the account says whom to trust"),
        (ConnectError, "look at the name and the port in the account's url, and at the network"),
        (InUse, "another program has the mailbox open: end it, or wait"),
        (LoginDelay, "the server wants fewer logins: raise the account's `every`"),
        (DeadlineExceeded, "the server is too slow or stalls: wait, or ask its owner"),
        (ConnectionLost, "the server or the network broke off: wait; nothing is lost"),
        (ProtocolError, "the server does not speak POP3 as it must: ask its owner; nothing was deleted"),
        (LimitExceeded, "the server sends more than it announced: ask its owner; nothing was deleted"),
    )
}


def advice(kind: str) -> str:
    """What to do about an error of the class of this name; "" where its text says it."""
    return _ADVICE.get(kind, "")


def advised(error: Exception) -> str:
    """An error's text with what to do about it."""
    hint = advice(type(error).__name__)
    return f"{error}: {hint}" if hint else str(error)
