"""How the command line gets a new password: asked twice on the terminal, or the first line of standard input.

Rules: never from an argument, because arguments are visible to every user of the machine and stay in the shell's
history; never shown, never in a message. What a password must be like is in `auth.password_policy`.
"""

from __future__ import annotations

import getpass
import sys
from typing import BinaryIO

import typer

from pillarbox.auth.password_policy import Context, PasswordPolicy, PolicyUnavailable
from pillarbox.auth.passwords import MAX_PASSWORD_OCTETS


class PasswordRefused(Exception):
    """There is no password, or not one that can be used. The message says what to do."""


def new_password(*, from_stdin: bool, policy: PasswordPolicy | None = None, context: Context = Context()) -> bytes:
    """The octets of a new password, from standard input if told so or if that is no terminal; prints advice on it.

    Args:
        from_stdin: take it from standard input.
        policy: what it must be like; None for the default one.
        context: whose it is.

    Raises:
        PasswordRefused: none was given, the two differ, or the policy is against it.
    """
    if from_stdin or not sys.stdin.isatty():
        password = _first_line(sys.stdin.buffer)
    else:
        password = _asked_twice()
    policy = policy or PasswordPolicy()
    try:
        objections = policy.check(password, context)
    except PolicyUnavailable as error:
        raise PasswordRefused(f"{error}; nothing was changed") from None
    if objections:
        reasons = "; and ".join(objection.text for objection in objections)
        raise PasswordRefused(f"the password cannot be used: {reasons}")
    for sentence in policy.advise(password, context).sentences:
        typer.echo(f"advice: {sentence}", err=True)
    return password


def asked_once(*, from_stdin: bool) -> bytes:
    """The octets of a password that exists already, to ask something about it. Taken as `new_password` does.

    Raises:
        PasswordRefused: none was given.
    """
    if from_stdin or not sys.stdin.isatty():
        password = _first_line(sys.stdin.buffer)
    else:
        password = _typed("Password: ")
    if not password or len(password) > MAX_PASSWORD_OCTETS:
        raise PasswordRefused(f"the password is empty, or longer than {MAX_PASSWORD_OCTETS} octets")
    return password


def _first_line(stream: BinaryIO) -> bytes:
    line = stream.readline(MAX_PASSWORD_OCTETS + 3)
    if not line:
        raise PasswordRefused("no password was given: standard input is empty; its first line is the password")
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _asked_twice() -> bytes:
    first = _typed("New password: ")
    if first != _typed("The same again: "):
        raise PasswordRefused("the two passwords differ; nothing was changed")
    return first


def _typed(prompt: str) -> bytes:
    try:
        return getpass.getpass(prompt).encode("utf-8", "surrogateescape")
    except EOFError:
        raise PasswordRefused("no password was given") from None
