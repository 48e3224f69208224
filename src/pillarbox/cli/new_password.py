"""How the command line gets a new password: asked twice on the terminal, or the first line of standard input.

Rules: never from an argument, because arguments are visible to every user of the machine and stay in the shell's
history; never shown, never in a message. What a password must be like is here too, until there is a policy of its own.
"""

from __future__ import annotations

import getpass
import sys
import unicodedata
from typing import BinaryIO

from pillarbox.auth.passwords import MAX_PASSWORD_OCTETS

MIN_CHARACTERS = 8


class PasswordRefused(Exception):
    """There is no password, or not one that can be used. The message says what to do."""


def new_password(*, from_stdin: bool) -> bytes:
    """The octets of a new password, from standard input if told so or if that is no terminal.

    Raises:
        PasswordRefused: none was given, the two differ, or it cannot be used.
    """
    if from_stdin or not sys.stdin.isatty():
        password = _first_line(sys.stdin.buffer)
    else:
        password = _asked_twice()
    _check(password)
    return password


def _first_line(stream: BinaryIO) -> bytes:
    line = stream.readline(MAX_PASSWORD_OCTETS + 3)
    if not line:
        raise PasswordRefused("no password was given: standard input is empty; its first line is the password")
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _asked_twice() -> bytes:
    try:
        first = getpass.getpass("New password: ")
        second = getpass.getpass("The same again: ")
    except EOFError:
        raise PasswordRefused("no password was given") from None
    if first != second:
        raise PasswordRefused("the two passwords differ; nothing was changed")
    return first.encode("utf-8", "surrogateescape")


def _check(password: bytes) -> None:
    if not password:
        raise PasswordRefused("the password is empty; nothing was changed")
    if len(password) > MAX_PASSWORD_OCTETS:
        raise PasswordRefused(f"the password is longer than {MAX_PASSWORD_OCTETS} octets; choose a shorter one")
    if any(octet in password for octet in (b"\x00", b"\r", b"\n")):
        raise PasswordRefused("the password holds a NUL or a line end, which POP3 cannot carry; choose another")
    if _characters(password) < MIN_CHARACTERS:
        raise PasswordRefused(
            f"the password has fewer than {MIN_CHARACTERS} characters; choose a longer one, "
            "a few random words for example"
        )


def _characters(password: bytes) -> int:
    try:
        return len(unicodedata.normalize("NFC", password.decode()))
    except UnicodeDecodeError:
        return len(password)
