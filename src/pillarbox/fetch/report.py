"""The message that is delivered in place of one that is too large: who it is from, and that it waits on the server.

Rules: the original's header is not imitated: what a stranger wrote stands in the body, as cleaned text; the few fields
that are taken over (From, To, Date, Subject) are cut to one line of printable ASCII each, so that nothing in them can
become a field of its own.
"""

from __future__ import annotations

import email.policy
from email.parser import BytesHeaderParser

from pillarbox.watch.clean import clean

_FIELDS = ("From", "To", "Date")
_LINES = 200
"""Of the original header that are shown."""
_LINE = 500
"""Characters of a line: with its name far below the 998 octets of RFC 5322 §2.1.1, also in UTF-8."""


def report(header: bytes, size: int, limit: int, account: str) -> bytes:
    """The report's octets, CRLF line ends.

    Args:
        header: of the message, as TOP gave it; may be empty.
        size: octets of the message.
        limit: octets of the largest that is fetched.
        account: whose mail it is.
    """
    original = BytesHeaderParser(policy=email.policy.compat32).parsebytes(header)
    lines = [f"{field}: {_line(str(original[field]))}" for field in _FIELDS if original[field] is not None]
    lines += [
        f"Subject: [too large: {_size(size)}] {_line(str(original.get('Subject', '')))}".rstrip(),
        "X-Pillarbox-Report: oversize",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        f"A message of {_size(size)} for {clean(account)[:_LINE]} was not fetched: it is larger than {_size(limit)}.",
        "It stays on the server. To get it, raise the account's limit: it comes with the next fetch.",
        "",
        "Its header:",
        "",
    ]
    shown = header.splitlines()[:_LINES]
    lines += [f"    {clean(line.decode('utf-8', 'replace'))[: _LINE // 2]}" for line in shown]
    return "\r\n".join([*lines, ""]).encode()


def _line(text: str) -> str:
    """One line of printable ASCII: encoded words stay as they are, what is not text is shown by its code."""
    return clean(" ".join(text.split())).encode("ascii", "replace").decode()[:_LINE]


def _size(octets: int) -> str:
    mebi = octets / (1024 * 1024)
    return f"{mebi:.1f} MiB" if mebi >= 1 else f"{octets} octets"
