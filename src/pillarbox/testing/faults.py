r"""What goes wrong, and when: faults as values, and as sentences such as "drop at octet 100 of RETR 3".

Rules: a fault without a place happens everywhere; "at RETR 3" is before that command is carried out, "at octet 0 of
RETR 3" after it, before the first octet of its reply; octets are those of the protocol, inside TLS. The sentence and
the value say the same: `Fault.parse(str(fault)) == fault`.

    drop at command 5                       the connection ends (no close_notify) instead of the fifth reply
    reset at octet 1000                     TCP RST after 1000 octets of the server's in this connection
    fin at octet 0 of QUIT                  mail is deleted, and the client never hears of it
    stall at octet 10 of greeting
    slow 1 at 2nd RETR in session 1         one octet a second from there on
    answer "-ERR [IN-USE] busy" at LOGIN once
    suffix "+OK injected\r\n" at STLS       octets behind the reply, before the handshake

Elsewhere: what a server is like all the time (`behaviour`); doing it (`reply_script`, `wire`).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pillarbox.wire.commands import Verb


class FaultError(ValueError):
    """A sentence that names no fault; the text says what is understood."""


class Action(enum.Enum):
    """What happens."""

    # The connection.
    DROP = "drop"  # FIN; under TLS without close_notify, which is a truncation
    FIN = "fin"  # an orderly end, with close_notify under TLS
    RESET = "reset"  # RST
    STALL = "stall"  # nothing is said any more, and what the client says is not heard
    SLOW = "slow"  # argument: octets a second, from here on
    # One reply.
    ANSWER = "answer"  # argument: said instead of carrying the command out; the state stays as after -ERR
    REPLACE = "replace"  # argument: said instead of the reply, body and all; the command was carried out
    PREFIX = "prefix"  # argument: octets before the reply
    SUFFIX = "suffix"  # argument: octets behind the reply, in the same write
    NO_BODY = "no body"  # the status line of a multi-line reply, and no more
    NO_END = "no end"  # a body without its final line
    SHORTEN = "shorten"  # argument: octets of the body that are left, ended properly
    PAD = "pad"  # argument: octets added to the body, in lines of 72
    UNSTUFF = "unstuff"  # no dot is stuffed
    BARE_LF = "bare LF"  # every line ends in LF, the final one too
    ENDLESS = "endless"  # the body (the greeting, a status line) goes on, line after line
    ENDLESS_LINE = "endless line"  # it goes on without a line ending
    CALL = "call"  # a function of the test; in Python only


_CUTS = frozenset({Action.DROP, Action.FIN, Action.RESET, Action.STALL})
_NUMBERED = frozenset({Action.SLOW, Action.SHORTEN, Action.PAD})
_TEXTED = frozenset({Action.ANSWER, Action.REPLACE, Action.PREFIX, Action.SUFFIX})

GREETING = "GREETING"
TLS = "TLS"
LOGIN = "LOGIN"
_LOGINS = frozenset({"PASS", "APOP", "AUTH"})
_PLACES = frozenset({GREETING, TLS, LOGIN, *(verb.name for verb in Verb)})


class Moment(NamedTuple):
    """A point in a conversation.

    Attributes:
        session: which connection of the server this is, from 1.
        verb: of the command, or GREETING, TLS, "" for a line that is no command.
        command: which command of the session, from 1; 0 for what is none.
        nth: which command of this verb in this session, from 1.
        number: the message number it names, or 0.
    """

    session: int
    verb: str
    command: int = 0
    nth: int = 1
    number: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a conversation a fault happens. What is 0, "" or None is left open.

    Attributes:
        verb: a command's name, "LOGIN" (PASS, APOP or AUTH), "GREETING" or "TLS" (before the handshake).
        command: the nth command of the session.
        nth: the nth command of this verb.
        number: the message number it names.
        octet: after so many octets of the reply; where neither verb nor command is given, of all that the server
            has sent in this connection.
        session: the nth connection of the server.
    """

    verb: str = ""
    command: int = 0
    nth: int = 0
    number: int = 0
    octet: int | None = None
    session: int = 0

    @property
    def in_stream(self) -> bool:
        """Whether `octet` counts in the whole connection."""
        return self.octet is not None and not self.verb and not self.command

    def fits(self, moment: Moment) -> bool:
        """Whether this is the command, wherever in its reply."""
        return (
            self.session in (0, moment.session)
            and (self.verb in ("", moment.verb) or (self.verb == LOGIN and moment.verb in _LOGINS))
            and self.command in (0, moment.command)
            and self.nth in (0, moment.nth)
            and self.number in (0, moment.number)
        )

    def __str__(self) -> str:
        name = self.verb.lower() if self.verb == GREETING else self.verb
        words = [_ordinal(self.nth) if self.nth else "", name, str(self.number) if self.number else ""]
        what = f"command {self.command}" if self.command else " ".join(filter(None, words))
        if self.octet is not None:
            what = f"octet {self.octet} of {what}" if what else f"octet {self.octet}"
        place = f" at {what}" if what else ""
        return f"{place} in session {self.session}" if self.session else place


_PLACE = re.compile(
    r"(?:octet (?P<octet>\d+)(?: of |$))?"
    r"(?:command (?P<command>\d+)|(?:(?P<nth>\d+)(?:st|nd|rd|th) )?(?P<verb>[A-Z0-9]+)(?: (?P<number>\d+))?)?",
    re.IGNORECASE,
)
_ACTIONS = "|".join(sorted((re.escape(action.value) for action in Action), key=len, reverse=True))
_SENTENCE = re.compile(
    rf"(?P<action>{_ACTIONS})(?: (?P<number>\d+)| (?P<quote>[\"'])(?P<text>.*)(?P=quote))?"
    r"(?: at (?P<place>.+?))?(?: in session (?P<session>\d+))?(?P<once> once)?",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        text: the octets of ANSWER, REPLACE, PREFIX and SUFFIX; without a line ending, CRLF is added.
        number: of SLOW (octets a second), SHORTEN and PAD (octets).
        once: only the first time its place is reached, in whichever session.
        function: of CALL; it runs in the server's thread.
    """

    action: Action
    place: Place = Place()
    text: bytes = b""
    number: int = 0
    once: bool = False
    function: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        if self.place.octet is not None and self.action not in _CUTS | {Action.SLOW, Action.CALL}:
            raise FaultError(f"{self.action.value!r} concerns a whole reply, it cannot happen at an octet")
        if self.action is Action.SLOW and self.number < 1:
            raise FaultError("'slow' needs a number of octets a second: slow 1")
        if self.action in _CUTS and self.place == Place():
            raise FaultError(f"{self.action.value!r} needs a place: {self.action.value} at command 5")

    @classmethod
    def parse(cls, sentence: str) -> Fault:
        """The fault that a sentence names.

        Raises:
            FaultError: it names none.
        """
        found = _SENTENCE.fullmatch(sentence.strip())
        if found is None:
            names = ", ".join(action.value for action in Action if action is not Action.CALL)
            raise FaultError(f"{sentence!r}: not understood; a fault is one of {names}, then 'at' a place")
        action = next(action for action in Action if action.value.lower() == found["action"].lower())
        if action is Action.CALL:
            raise FaultError("'call' needs a function: it can only be used from Python")
        text, number = found["text"], found["number"]
        if (text is not None) != (action in _TEXTED) or (number is not None) != (action in _NUMBERED):
            needs = "a text in quotes" if action in _TEXTED else "a number" if action in _NUMBERED else "no argument"
            raise FaultError(f"{sentence!r}: {action.value!r} takes {needs}")
        place = _place(sentence, found["place"] or "", int(found["session"] or 0))
        return cls(action, place, _octets(sentence, text or ""), int(number or 0), once=found["once"] is not None)

    @classmethod
    def call(cls, function: Callable[[], None], place: str, *, once: bool = False) -> Fault:
        """A fault that only calls `function`: at "command 5", "octet 100 of RETR 3 in session 2"."""
        what, _, session = place.partition(" in session ")
        return cls(Action.CALL, _place(place, what, int(session or 0)), once=once, function=function)

    @property
    def cuts(self) -> bool:
        """Whether nothing of this connection is left afterwards."""
        return self.action in _CUTS

    def __str__(self) -> str:
        argument = ""
        if self.action in _TEXTED:
            inner = self.text.decode("latin-1").encode("unicode_escape").decode("ascii").replace('"', "\\x22")
            argument = f' "{inner}"'
        elif self.action in _NUMBERED:
            argument = f" {self.number}"
        return f"{self.action.value}{argument}{self.place}{' once' if self.once else ''}"


def _place(sentence: str, text: str, session: int) -> Place:
    found = _PLACE.fullmatch(text)
    verb = (found["verb"] or "").upper() if found else ""
    if found is None or (verb and verb not in _PLACES):
        raise FaultError(
            f"{sentence!r}: {text!r} is no place; there are: greeting, TLS, LOGIN, command 5, octet 100, RETR, RETR 3, "
            "2nd PASS, octet 100 of RETR 3"
        )
    octet = None if found["octet"] is None else int(found["octet"])
    return Place(verb, int(found["command"] or 0), int(found["nth"] or 0), int(found["number"] or 0), octet, session)


def _octets(sentence: str, text: str) -> bytes:
    try:
        return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")
    except UnicodeError:
        raise FaultError(f"{sentence!r}: only \\r, \\n and \\x00 to \\xff are understood in a text") from None


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
