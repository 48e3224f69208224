"""What to do about an error, where its own text cannot say it: one short sentence for each kind.

Rules: known by the class's name, because that is what an event has of it, and where one class has several causes, by
the text; errors whose text says what to do have none.
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

_NO_TLS = "look at the port; `tls.cleartext = true` logs in where all on the way can read the password"
_TOKENS = (
    "this server seems to take no passwords, but tokens: `fetch add --oauth`, or `oauth` in the file (docs/oauth.md)"
)
_SPECIAL: dict[str, tuple[tuple[str, str], ...]] = {
    TlsError.__name__: (
        ("offers no TLS", _NO_TLS),
        ("no TLS with ", "no TLS came about: look at the port (995 is for pops://, 110 for pop3://), or ask its owner"),
        ("now offers none", "ask its owner, or try it from another network"),
        ("refuses it", "ask its owner, or try it from another network"),
        ("certificate file cannot be used", "`pillarbox fetch check` names the file; correct the account's `tls`"),
        ("known-hosts", "mend that file, or move it away"),
    ),
    AuthenticationFailed.__name__: tuple(
        (text, _TOKENS) for text in ("protocol error", "basicauth", "basic authentication")
    ),
}
"""By the class: what stands in the text, and what to do then."""


def advice(kind: str, text: str = "") -> str:
    """What to do about an error of the class of this name; "" where its text says it."""
    for found, what in _SPECIAL.get(kind, ()):
        if found.lower() in text.lower():
            return what
    return _ADVICE.get(kind, "")


def advised(error: Exception) -> str:
    """An error's text with what to do about it."""
    hint = advice(type(error).__name__, str(error))
    return f"{error}: {hint}" if hint else str(error)
