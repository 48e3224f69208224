"""From a command line to a `Command`, and back: the grammar of every verb, as a table.

Rules: pure functions of one line without its line ending; the only exception is `BadCommand`; nothing is clamped or
repaired. Choices where the RFCs leave one: keywords in any case, exactly one space between arguments, trailing spaces
are ignored except in PASS, leading zeros in numbers are refused.
Serves RFC 1939 §3 and §9, RFC 2449 §4, RFC 6856 §2-3.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pillarbox.wire import limits
from pillarbox.wire.commands import Command, Verb
from pillarbox.wire.errors import BadCommand, LocalError

_COUNT = re.compile(rb"(?:0|[1-9][0-9]{0,%d})\Z" % (limits.MESSAGE_DIGITS - 1))
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_LINE_BREAK = re.compile(rb"[\r\n\0]")

VERBS: dict[bytes, Verb] = {verb.name.encode(): verb for verb in Verb}


def message_number(text: bytes) -> int:
    """A message number: 1 or more, no sign, no leading zero (P16).

    Raises:
        BadCommand: for anything else.
    """
    if text.isdigit() and not text.startswith(b"0") and len(text) <= limits.MESSAGE_DIGITS:
        return int(text)
    raise BadCommand("that is not a message number")


def _no_argument(verb: Verb, rest: bytes) -> Command:
    if rest.strip(b" "):
        raise BadCommand(f"{verb.name} takes no argument")
    return Command(verb)


def _one_number(verb: Verb, rest: bytes) -> Command:
    if not rest:
        raise BadCommand(f"{verb.name} needs a message number")
    return Command(verb, message_number(rest if rest.isdigit() else rest.rstrip(b" ")))


def _optional_number(verb: Verb, rest: bytes) -> Command:
    rest = rest.rstrip(b" ")
    return Command(verb, message_number(rest)) if rest else Command(verb)


def _top(verb: Verb, rest: bytes) -> Command:
    number, space, lines = rest.rstrip(b" ").partition(b" ")
    if not space:
        raise BadCommand("TOP needs a message number and a number of lines")  # P9
    if _COUNT.match(lines) is None:
        raise BadCommand("that is not a number of lines")
    return Command(verb, message_number(number), int(lines))


def _name(verb: Verb, rest: bytes) -> Command:
    rest = rest.strip(b" ")
    if not rest:
        raise BadCommand(f"{verb.name} needs a name")
    return Command(verb, argument=rest)


def _password(verb: Verb, rest: bytes) -> Command:
    # RFC 1939 §7, PASS: spaces belong to the password. An empty one is a wrong one, not a syntax error, so that
    # both take the same path (P42).
    return Command(verb, argument=rest)


def _optional_text(verb: Verb, rest: bytes) -> Command:
    return Command(verb, argument=rest.strip(b" "))


_ARGUMENTS: dict[Verb, Callable[[Verb, bytes], Command]] = {
    Verb.USER: _name,
    Verb.PASS: _password,
    Verb.APOP: _name,
    Verb.AUTH: _optional_text,
    Verb.STLS: _no_argument,
    Verb.CAPA: _no_argument,
    Verb.UTF8: _no_argument,
    Verb.LANG: _optional_text,
    Verb.STAT: _no_argument,
    Verb.LIST: _optional_number,
    Verb.RETR: _one_number,
    Verb.DELE: _one_number,
    Verb.NOOP: _no_argument,
    Verb.RSET: _no_argument,
    Verb.TOP: _top,
    Verb.UIDL: _optional_number,
    Verb.QUIT: _no_argument,
}

# Lines without an argument are most of all traffic: they are parsed once.
_BARE: dict[bytes, Command] = {
    verb.name.encode(): Command(verb)
    for verb in (
        Verb.STLS, Verb.CAPA, Verb.UTF8, Verb.STAT, Verb.LIST, Verb.NOOP, Verb.RSET, Verb.UIDL, Verb.QUIT, Verb.AUTH,
        Verb.LANG,
    )
}  # fmt: skip


def verb_of(line: bytes) -> Verb | None:
    """The verb a line begins with, if it is one; the rest of the line is not looked at."""
    return VERBS.get(line.partition(b" ")[0].upper())


def parse(line: bytes) -> Command:
    """Parse one command line, without its line ending.

    Raises:
        BadCommand: with a text for the -ERR.
    """
    known = _BARE.get(line)
    if known is not None:
        return known
    keyword, _, rest = line.partition(b" ")
    verb = VERBS.get(keyword) or VERBS.get(keyword.upper())
    if verb is Verb.PASS:
        if b"\0" in rest:
            raise BadCommand("NUL in a command")  # P10
        return _password(verb, rest)
    # Nearly all numbers are right, and then the line holds nothing else that could be wrong.
    if not rest.isdigit() and _CONTROL.search(line) is not None:
        raise BadCommand("control character in a command")
    if verb is None:
        raise BadCommand("unknown command")
    return _ARGUMENTS[verb](verb, rest)


def encode(command: Command) -> bytes:
    """The line of a command, CRLF included, that `parse` reads as the same command.

    Raises:
        LocalError: when no line says that: CR, LF or NUL in an argument, a number out of range, a wrong or missing
            argument, spaces that would be lost, a line over its limit. The text never holds the argument.
    """
    words = [command.verb.name.encode()]
    if command.number:
        words.append(b"%d" % command.number)
    if command.lines >= 0:
        words.append(b"%d" % command.lines)
    if command.argument or command.verb is Verb.PASS:
        words.append(command.argument)
    line = b" ".join(words)
    if _LINE_BREAK.search(line) is not None:
        raise LocalError("CR, LF or NUL in an argument")
    if len(line) + 2 > limits.COMMAND_LINE:
        raise LocalError("the command line is longer than 255 octets")
    try:
        understood = parse(line)
    except BadCommand as error:
        raise LocalError(str(error)) from None
    if understood != command:
        raise LocalError(f"{command.verb.name} cannot carry that argument")
    return line + b"\r\n"
