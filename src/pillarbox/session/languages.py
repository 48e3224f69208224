"""The languages of RFC 6856's LANG, and the reply texts in each of them."""

from __future__ import annotations

LANGUAGES: dict[str, str] = {"en": "English"}
"""Language tags (RFC 5646) and their own names, as LANG lists them."""

_TEXTS: dict[str, dict[str, str]] = {}


def matching(asked: str) -> str | None:
    """The language tag that serves what a client asked for: itself, a part of it, or "" for the default."""
    tag = asked.strip().lower()
    if tag in ("*", "i-default"):
        return ""
    while tag and tag not in LANGUAGES:
        tag = tag.rpartition("-")[0]
    return tag or None


def translate(text: str, language: str) -> str:
    """A reply text in a language; unchanged where there is no translation."""
    return _TEXTS.get(language, {}).get(text, text)
