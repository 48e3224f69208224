"""What the client hands to its caller: what the maildrop holds, and what the server can do.

Rules: frozen; sizes are octets on the wire (CRLF line ends); texts are as the server sent them, untrusted.
Serves RFC 1939 §5 and §7 (STAT, LIST, UIDL), RFC 2449 §6, RFC 3206, RFC 6856.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from pillarbox.wire.capabilities import Capabilities


class Stat(NamedTuple):
    """What STAT says: how many messages, and how many octets they have together."""

    messages: int
    octets: int


class Entry(NamedTuple):
    """One message as LIST and UIDL have it.

    Attributes:
        number: 1 or more; valid in this session only.
        size: octets, as the server claims.
        unique_id: 1 to 255 octets that no other message of the listing has; b"" where the server gives none, or one
            that cannot tell this message from others. Opaque: compare it, hash it, never use it as a file name.
        listed_id: what the server gave, even if it is not usable; at most 255 octets.
    """

    number: int
    size: int
    unique_id: bytes = b""
    listed_id: bytes = b""


class Progress(NamedTuple):
    """How far the message that arrives just now has come: `octets` of about `size`."""

    entry: Entry
    octets: int


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class ServerCapabilities:
    """What CAPA says, typed. Times as noted; an argument that makes no sense counts as not given.

    Attributes:
        listed: the capabilities as the server listed them.
        known: the server answered CAPA; if not, everything here is a default, and nothing is certain.
        login_delay: seconds between logins; None where not announced (RFC 2449 §6.5).
        login_delay_differs: before the login: it may be another for this user.
        expire: days that read mail is kept, `math.inf` for NEVER; None where not announced (RFC 2449 §6.7).
    """

    listed: Capabilities
    known: bool = True
    top: bool = False
    uidl: bool = False
    user: bool = False
    stls: bool = False
    pipelining: bool = False
    resp_codes: bool = False
    auth_resp_code: bool = False
    utf8: bool = False
    utf8_user: bool = False
    lang: bool = False
    sasl: tuple[str, ...] = ()
    implementation: str = ""
    login_delay: int | None = None
    login_delay_differs: bool = False
    expire: float | None = None
    expire_differs: bool = False
    _names: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def of(cls, listed: Capabilities) -> ServerCapabilities:
        """The typed view of a CAPA reply."""
        given = dict(listed)
        delay = given.get("LOGIN-DELAY", ())
        expire = given.get("EXPIRE", ())
        utf8 = given.get("UTF8", ())
        never = bool(expire) and expire[0].upper() == "NEVER"
        return cls(
            listed,
            top="TOP" in listed,
            uidl="UIDL" in listed,
            user="USER" in listed,
            stls="STLS" in listed,
            pipelining="PIPELINING" in listed,
            resp_codes="RESP-CODES" in listed,
            auth_resp_code="AUTH-RESP-CODE" in listed,
            utf8="UTF8" in listed,
            utf8_user="USER" in (word.upper() for word in utf8),
            lang="LANG" in listed,
            sasl=tuple(word.upper() for word in given.get("SASL", ())),
            implementation=" ".join(given.get("IMPLEMENTATION", ())),
            login_delay=_number(delay[:1]),
            login_delay_differs="USER" in (word.upper() for word in delay[1:]),
            expire=math.inf if never else _number(expire[:1]),
            expire_differs="USER" in (word.upper() for word in expire[1:]),
            _names=frozenset(given),
        )

    def __contains__(self, name: str) -> bool:
        """Whether a capability of this name is listed."""
        return name.upper() in self._names


UNKNOWN = ServerCapabilities(Capabilities(), known=False)
"""Of a server that does not know CAPA."""


def _number(words: tuple[str, ...]) -> int | None:
    if not words or not words[0].isdecimal() or not words[0].isascii() or len(words[0]) > 9:
        return None
    return int(words[0])
