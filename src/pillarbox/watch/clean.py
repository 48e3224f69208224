"""Makes text from peers and files safe to print: what a terminal would obey becomes visible instead.

Rules: a cleaned text is one line of printable characters and plain spaces. Not printable are controls (ESC, CR, NUL,
C1), format characters (the U+202E that turns a line around, zero-width ones), odd spaces and line separators, lone
surrogates, and what Unicode has not assigned. Backslashes stay as they are: this is for reading, not for parsing back.
"""

from __future__ import annotations

import json


def clean(text: str) -> str:
    r"""`text` with every character that is not printable shown by its code: `\x1b`, `\r`, `\u202e`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def clean_json(line: bytes) -> bytes:
    """One JSON value in UTF-8 with every character that is not printable as a JSON escape; its meaning stays the same.

    `line` has no white space between its tokens, so that whatever is not printable stands inside a string.
    """
    if line.isascii() and b"\x7f" not in line:
        return line  # the encoder has escaped the other controls
    text = line.decode("utf-8")
    if text.isprintable():
        return line
    return "".join(c if c.isprintable() else _json_escape(c) for c in text).encode("utf-8")


def _json_escape(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]
