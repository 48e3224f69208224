"""What a scripted server is like all the time: what it offers, what it claims, how it counts and names mail.

Rules: the default is the honest server; each attribute departs from it in one way. What goes wrong at one moment is a
fault (`faults`); servers people know are `presets`; ready-made oddities are `oddities`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Lines = Callable[[list[bytes]], list[bytes]]
"""Changes the lines of a listing, "number octets" or "number unique-id", without their endings."""

UniqueIds = Callable[[int, bytes, int], bytes]
"""The unique-id shown for (message number, true unique-id, which connection this is)."""

_ALL = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "XOAUTH2", "EXTERNAL")


def as_listed(lines: list[bytes]) -> list[bytes]:
    """The truth."""
    return lines


def as_named(number: int, unique_id: bytes, session: int) -> bytes:
    """The truth."""
    return unique_id


def as_counted(messages: int, octets: int) -> tuple[int, int]:
    """The truth."""
    return messages, octets


def as_sized(number: int, octets: int) -> int:
    """The truth."""
    return octets


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a server behaves.

    Attributes:
        greeting: the text behind +OK.
        mechanisms: SASL mechanisms offered, where they can work; "APOP" among them is APOP. XOAUTH2 and OAUTHBEARER
            need TLS.
        implementation: of CAPA's IMPLEMENTATION after login; "" for none.
        login_delay: what CAPA announces, in seconds; nothing enforces it.
        capa: whether CAPA is known at all.
        capa_without: capabilities that CAPA keeps silent about.
        capa_with: lines that CAPA adds, true or not; one for a capability that is there replaces it.
        refused: verbs that are answered with -ERR, as unknown commands.
        initial_response: whether AUTH takes an initial response on its line; if not, it is answered with -ERR.
        user_pass: whether USER and PASS are accepted.
        pipelining: whether commands that come before the last reply are heard; if not, they are thrown away.
        stat: what STAT says, from the true (messages, octets).
        sizes: what LIST says of a message, from its number and its octets.
        listing: changes the lines of LIST.
        naming: changes the lines of UIDL.
        unique_ids: what UIDL says of a message.
        hides_retrieved: a message that was retrieved is not shown in later sessions, whether or not it was deleted.
        recent_prefix: a login name that begins so sees all mail, and deletes nothing; "" for none.
        endless_octets, endless_seconds: when an "endless" reply is given up, and the connection cut.
        source: where the behaviour is known from; for people.
    """

    greeting: str = "Pillarbox scripted server ready"
    mechanisms: tuple[str, ...] = _ALL
    implementation: str = ""
    login_delay: int = 0
    capa: bool = True
    capa_without: frozenset[str] = frozenset()
    capa_with: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()
    initial_response: bool = True
    user_pass: bool = True
    pipelining: bool = True
    stat: Callable[[int, int], tuple[int, int]] = field(default=as_counted, repr=False)
    sizes: Callable[[int, int], int] = field(default=as_sized, repr=False)
    listing: Lines = field(default=as_listed, repr=False)
    naming: Lines = field(default=as_listed, repr=False)
    unique_ids: UniqueIds = field(default=as_named, repr=False)
    hides_retrieved: bool = False
    recent_prefix: str = ""
    endless_octets: int = 256 << 20
    endless_seconds: float = 60.0
    source: str = ""

    def capabilities(self, honest: list[bytes]) -> list[bytes]:
        """CAPA's lines, from the honest ones."""
        shown = {line.split(b" ")[0].upper(): line for line in honest}
        for name in self.capa_without | self.refused:
            shown.pop(name.encode("ascii").upper(), None)
        if not self.user_pass:
            shown.pop(b"USER", None)
        if not self.pipelining:
            shown.pop(b"PIPELINING", None)
        for line in self.capa_with:
            octets = line.encode("utf-8")
            shown[octets.split(b" ")[0].upper()] = octets
        return list(shown.values())
