"""Names inside gs2 headers and SCRAM messages: "," and "=" are written "=2C" and "=3D" (RFC 5801 §4, RFC 5802 §5.1)."""

from __future__ import annotations

import re

_ENCODED = re.compile(r"(?:[^=,\0]|=2C|=3D)+\Z")


def encode(name: str) -> str:
    """A name as saslname."""
    return name.replace("=", "=3D").replace(",", "=2C")


def decode(text: str) -> str | None:
    """The name, or None for what is no saslname; it has one character at least."""
    if _ENCODED.match(text) is None:
        return None
    return text.replace("=2C", ",").replace("=3D", "=")


def authzid(field: str) -> str | None:
    """The identity asked for in a gs2 header: "" or "a=" and a saslname. None for anything else (RFC 5801 §4)."""
    if field in ("", "a="):  # GNU SASL writes "a=" where nobody is asked for
        return ""
    return decode(field[2:]) if field.startswith("a=") else None
