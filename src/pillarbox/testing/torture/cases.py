r"""What is done to a client: hostile servers, hostile mail, cut connections, kills.

Rules: a case is a session in which something is wrong, followed by honest ones; whatever happened, in the end every
message has to be there once, whole; nothing may be deleted that is not. Everything that could go on for ever has a
bound: 256 MB, 60 seconds.
Elsewhere: the words of faults (`pillarbox.testing.faults`); what counts as failure (`judge`).
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from pillarbox.testing.behaviour import Behaviour
from pillarbox.testing.certificates import Quality
from pillarbox.testing.oddities import LISTINGS, UNIQUE_IDS
from pillarbox.testing.torture import post

_PAUSE = 0.15  # seconds; a client on the same machine needs milliseconds for a message

SUSPECT = 3
"""The number of the message that hostile replies concern, of ten."""


_HONEST = Behaviour()


class Family(enum.Enum):
    """What a case is about."""

    FRAMING = "framing"
    SIZE = "size"
    TIME = "time"
    IDS = "unique-ids and listings"
    TLS = "TLS"
    REPLIES = "replies"
    SENDER = "hostile mail from an honest server"
    CUT = "cut connections"
    KILL = "killed clients"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is done.

    Attributes:
        name: short, unique.
        promise: what a client has to do, in a sentence.
        faults: in force during the hostile sessions.
        behaviour: of the server during these.
        mail: makes the messages.
        stls: the connection begins in clear, and TLS is required of the client.
        no_login: the password must not be sent during the hostile sessions.
        calm: nothing of what the server says may reach a terminal as it is.
        kill: the client is killed at this place; "" for never.
        pause: seconds of silence before it is killed, in which it can work on what it has.
        also: further bodies that count as whole, by token.
    """

    name: str
    family: Family
    promise: str
    faults: tuple[str, ...] = ()
    behaviour: Behaviour = _HONEST
    mail: Callable[[], list[bytes]] = post.messages
    stls: bool = False
    certificate: Quality = Quality.VALID
    no_login: bool = False
    calm: bool = False
    kill: str = ""
    pause: float = 0.0
    also: dict[int, bytes] = field(default_factory=dict)


_EXACT = "everything is there once, whole, after the next honest session"
_ENDS = "the run ends in time and in bounded memory and disk; " + _EXACT
_DOUBT = "framing is in doubt: nothing is deleted, nothing half is delivered; " + _EXACT

_FORGED = post.message(SUSPECT, b"before\n.\n+OK 600 octets\nSubject: forged\n\nforged\n.\nafter\r\n")
_DOT = post.message(SUSPECT, b".\r\n+OK message follows\r\n")


def _framing() -> list[Case]:
    retr = f"RETR {SUSPECT}"
    wire = b"+OK\r\n" + _FORGED.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    forged = (
        'replace "' + wire.decode("latin-1").encode("unicode_escape").decode().replace('"', "\\x22") + f'" at {retr}'
    )

    def dotted() -> list[bytes]:
        return [_DOT if post.token(each) == SUSPECT else each for each in post.messages()]

    return [
        Case("bare LF everywhere", Family.FRAMING, _DOUBT, ("bare LF at RETR",)),
        Case("an end forged with bare LF", Family.FRAMING, "only CRLF.CRLF ends a message; " + _EXACT, (forged,),
             also={SUSPECT: _FORGED}),
        Case("a dot not stuffed", Family.FRAMING, _DOUBT, (f"unstuff at {retr}",), mail=dotted),
        Case("no final line", Family.FRAMING, _DOUBT, (f"no end at {retr}",)),
        Case("+OK without a message", Family.FRAMING, _DOUBT, (f"no body at {retr}",)),
        Case("a status line that is none", Family.FRAMING, _DOUBT, (f"replace 'Hello' at {retr}",)),
        Case("a reply too many", Family.FRAMING, _DOUBT, ("suffix '+OK 10 6000' at LOGIN",)),
        Case("a line before a reply", Family.FRAMING, _DOUBT, ("prefix '* note' at DELE",)),
        Case("a reply too many to QUIT", Family.FRAMING, _EXACT, ("suffix '+OK' at QUIT",)),
    ]  # fmt: skip


def _size() -> list[Case]:
    retr = f"RETR {SUSPECT}"
    places = {
        "endless greeting": "endless at greeting",
        "endless line in the greeting": "endless line at greeting",
        "endless reply to CAPA": "endless at CAPA",
        "endless line in a login's reply": "endless line at LOGIN",
        "endless LIST": "endless at LIST",
        "endless line in LIST": "endless line at LIST",
        "endless UIDL": "endless at UIDL",
        "endless line in UIDL": "endless line at UIDL",
        "endless message": f"endless at {retr}",
        "endless line in a message": f"endless line at {retr}",
        "a message of 64 MB instead of the listed size": f"pad 67108864 at {retr}",
    }
    cases = [Case(name, Family.SIZE, _ENDS, (fault,)) for name, fault in places.items()]
    for name, stat in {"STAT of 2^31 messages": (2**31, 2**62), "STAT of 40 digits": (10**39, 10**39)}.items():
        cases.append(Case(name, Family.SIZE, _ENDS, behaviour=Behaviour(stat=lambda m, o, stat=stat: stat)))  # type: ignore[misc]
    cases.append(
        Case("LIST of 40 digits", Family.SIZE, _ENDS, behaviour=Behaviour(sizes=lambda number, octets: 10**39))
    )
    return cases


def _time() -> list[Case]:
    places = {
        "silence before the greeting": "stall at greeting",
        "silence in the handshake": "stall at TLS",
        "silence at login": "stall at LOGIN",
        "silence at LIST": "stall at LIST",
        "silence at UIDL": "stall at UIDL",
        "silence in a message": f"stall at octet 300 of RETR {SUSPECT}",
        "silence at DELE": "stall at DELE",
        "silence at QUIT": "stall at QUIT",
        "silence behind QUIT": "stall at octet 0 of QUIT",
        "one octet a second in the greeting": "slow 1 at greeting",
        "one octet a second in a message": f"slow 1 at RETR {SUSPECT}",
    }
    return [Case(name, Family.TIME, _ENDS, (fault,)) for name, fault in places.items()]


def _ids() -> list[Case]:
    cases = [
        Case(f"unique-ids: {name}", Family.IDS, _EXACT, behaviour=Behaviour(unique_ids=odd))
        for name, odd in UNIQUE_IDS.items()
    ]
    for name, odd in LISTINGS.items():
        cases.append(Case(f"LIST: {name}", Family.IDS, _EXACT, behaviour=Behaviour(listing=odd)))
        cases.append(Case(f"UIDL: {name}", Family.IDS, _EXACT, behaviour=Behaviour(naming=odd)))
    cases.append(Case("no UIDL", Family.IDS, _EXACT, behaviour=Behaviour(refused=frozenset({"UIDL"}))))
    return cases


def _tls() -> list[Case]:
    refuses = "the connection is refused before a password is sent"
    cases = [
        Case(f"certificate: {quality.value}", Family.TLS, refuses, certificate=quality, no_login=True)
        for quality in Quality
        if quality is not Quality.VALID
    ]
    injected = "+OK\\r\\n+OK\\r\\nSASL PLAIN\\r\\n.\\r\\n+OK\\r\\n"
    clear = Behaviour(capa_without=frozenset({"STLS"}), refused=frozenset({"STLS"}))
    return [
        *cases,
        Case("octets behind STLS", Family.TLS, refuses, (f"suffix '{injected}' at STLS",), stls=True, no_login=True),
        Case("STLS refused", Family.TLS, refuses, ("answer '-ERR not now' at STLS",), stls=True, no_login=True),
        Case("STLS not offered", Family.TLS, refuses, behaviour=clear, stls=True, no_login=True),
        Case("cut in the handshake", Family.TLS, refuses, ("drop at TLS",), stls=True, no_login=True),
    ]


def _replies() -> list[Case]:
    goes_on = "the others are delivered; " + _EXACT
    escape = "answer '-ERR \\x1b]0;owned\\x07\\x1b[31m\\x9b31m' at "
    return [
        Case("a message refused", Family.REPLIES, goes_on, (f"answer '-ERR no' at RETR {SUSPECT}",)),
        Case("maildrop in use", Family.REPLIES, _EXACT, ("answer '-ERR [IN-USE] busy' at LOGIN",)),
        Case("login delay", Family.REPLIES, _EXACT, ("answer '-ERR [LOGIN-DELAY] wait' at LOGIN",)),
        Case("system trouble", Family.REPLIES, _EXACT, ("answer '-ERR [SYS/TEMP] later' at LOGIN",)),
        Case("a greeting of -ERR", Family.REPLIES, _EXACT, ("answer '-ERR [SYS/TEMP] later' at greeting",)),
        Case("DELE refused", Family.REPLIES, _EXACT, ("answer '-ERR no' at DELE",)),
        Case("QUIT refused", Family.REPLIES, _EXACT, ("answer '-ERR [SYS/TEMP] not removed' at QUIT",)),
        Case("LIST refused", Family.REPLIES, _EXACT, ("answer '-ERR no' at LIST",)),
        Case("pipelining claimed, input thrown away", Family.REPLIES, _EXACT,
             behaviour=Behaviour(pipelining=False, capa_with=("PIPELINING",))),
        Case("no CAPA, input thrown away", Family.REPLIES, _EXACT,
             behaviour=Behaviour(pipelining=False, capa=False)),
        Case("terminal codes at login", Family.REPLIES, "they are not printed as they are", (escape + "LOGIN",),
             calm=True),
        Case("terminal codes at RETR", Family.REPLIES, "they are not printed as they are",
             (f"{escape}RETR {SUSPECT}",), calm=True),
    ]  # fmt: skip


def _sender() -> list[Case]:
    bodies = {
        "one line of 8 MB": b"x" * (8 << 20) + b"\r\n",
        "a message of 64 MB": (b"y" * 70 + b"\r\n") * ((64 << 20) // 72),
        "NUL and 8 bit": b"\0\0 \x80\xff\r\n",
        "lines that look like replies": b"+OK\r\n-ERR\r\nFrom me to you\r\n\r\n..\r\n...\r\n",
        "a header of 8 MB": b"",
    }

    def maker(name: str, inner: bytes) -> Callable[[], list[bytes]]:
        def mail() -> list[bytes]:
            odd = post.message(SUSPECT, inner)
            if not inner:
                odd = b"".join(b"X-Filler-%d: %b\r\n" % (n, b"z" * 900) for n in range(9000)) + odd
            return [odd if post.token(each) == SUSPECT else each for each in post.messages()]

        return mail

    return [Case(name, Family.SENDER, _EXACT, mail=maker(name, inner)) for name, inner in bodies.items()]


HOSTILE: tuple[Case, ...] = (
    *_framing(), *_size(), *_time(), *_ids(), *_tls(), *_replies(), *_sender(),
)  # fmt: skip
"""What does not depend on the client's own way of talking."""


def cuts(commands: int, octets: list[int]) -> list[Case]:
    """The connection is cut at every command, at some octets, and around QUIT."""
    cases = [
        Case(f"cut at command {number}", Family.CUT, _EXACT, (f"drop at command {number}",))
        for number in range(1, commands + 1)
    ]
    # A reset takes with it what the client has not read yet; a FIN lets it read that first.
    cases += [
        Case(f"{how} at octet {octet}", Family.CUT, _EXACT, (f"{how} at octet {octet}",))
        for octet, how in zip(octets, itertools.cycle(("reset", "drop")), strict=False)
    ]
    return [
        *cases,
        Case("QUIT lost", Family.CUT, _EXACT, ("drop at QUIT",)),
        Case("QUIT carried out, its reply lost", Family.CUT, _EXACT, ("drop at octet 0 of QUIT",)),
        Case("QUIT carried out, its reply cut", Family.CUT, _EXACT, ("reset at octet 3 of QUIT",)),
    ]


def kills(commands: list[int], octets: list[int]) -> list[Case]:
    """The client is killed (SIGKILL) when the server has got so far: at once, or when it has worked on what came."""
    places = [*(f"command {n}" for n in commands), *(f"octet {n}" for n in octets), "octet 0 of QUIT"]
    return [
        Case(f"killed {'behind' if pause else 'at'} {place}", Family.KILL, _EXACT, kill=place, pause=pause)
        for at, place in enumerate(places)
        for pause in ((0.0, _PAUSE) if place == places[-1] else (_PAUSE if at % 2 else 0.0,))
    ]
