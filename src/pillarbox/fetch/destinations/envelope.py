"""Who a message is from and for, once it has left POP3: the envelope that SMTP, LMTP and mail programs want.

Rules: an address is taken only when it is plain enough to be safe everywhere: in a protocol line, as an argument of a
program, in an environment; what is not counts as none. What the sender wrote into Return-Path is a stranger's text.

Serves RFC 5321 §4.1.2 (Mailbox, without quoted local parts and literals) and §4.4 (Return-Path).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

NULL = ""
"""The null sender "<>" (RFC 5321 §4.5.5): nobody is told when a message cannot be delivered later."""

HEADER_OCTETS = 64 * 1024
"""Of a message that are looked at for its Return-Path; it is the first field, as RFC 5321 §4.4 has it."""

# Not "-" first: a program would take it for an option. No quotes, spaces, controls, "|", "`", "$", "!" or "%": they
# mean something to shells, and to old mail systems.
_ADDRESS = re.compile(
    r"[A-Za-z0-9_=+#&*/?{}~^][A-Za-z0-9_.=+#&*/?{}~^-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
)
_RETURN_PATH = re.compile(rb"^Return-Path:[ \t]*<?([^<>\r\n]{0,400})>?[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_HEADER_END = re.compile(rb"(?:\A|\n)\r?\n")


def is_address(text: str) -> bool:
    """Whether a text is a plain `local@domain` address."""
    return _ADDRESS.fullmatch(text) is not None and ".." not in text


def return_path(message: Path) -> str | None:
    """The address in the message's Return-Path field; `NULL` for "<>", None where there is none or an odd one.

    Raises:
        OSError: the file cannot be read.
    """
    with open(message, "rb", buffering=0) as file:
        head = file.read(HEADER_OCTETS)
    end = _HEADER_END.search(head)
    found = _RETURN_PATH.search(head[: end.start()] if end else head)
    if found is None:
        return None
    text = found[1].strip().decode("ascii", "replace")
    if not text:
        return NULL
    return text if is_address(text) else None


def sender_of(sender: str | None) -> Callable[[Path], str]:
    """What finds the envelope sender of a staged message: always `sender`, or its Return-Path where that is None.

    Raises:
        ValueError: `sender` is neither an address nor `NULL`.
    """
    if sender is None:
        return lambda message: return_path(message) or NULL
    if sender != NULL and not is_address(sender):
        raise ValueError(f'"{sender}" is no plain address: write "name@example.org", or "" for the null sender')
    return lambda message: sender


def checked_recipient(recipient: str) -> str:
    """The recipient itself.

    Raises:
        ValueError: it is no address.
    """
    if not is_address(recipient):
        raise ValueError(f'"{recipient}" is no plain address: write "name@example.org"')
    return recipient
