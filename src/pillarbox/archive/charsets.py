"""Octets to text, and back from what mail encodes them in. Pure; never raises, whatever the octets say of themselves.

Rules: only character sets are decoded: Python's codecs also hold compressors and slow or strange transformations
(zip, punycode, idna, unicode_escape), and a sender may name any of them. What cannot be decoded becomes U+FFFD. A name
that nobody knows, and octets above 127 where ASCII was promised, are read as UTF-8, else as Windows-1252.

Serves RFC 2045 §6.7 and §6.8, RFC 2047 and RFC 6532.
"""

from __future__ import annotations

import binascii
import codecs
import re
from functools import lru_cache

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,39}")
_KNOWN = re.compile(
    r"utf-(?:7|8|8-sig|16|16-le|16-be|32|32-le|32-be)|cp[0-9]{3,5}|windows-[0-9]{3,4}|iso8859-[0-9]{1,2}"
    r"|koi8[-_][rtu]|kz1048|gbk?|gb2312|gb18030|big5(?:hkscs)?|euc_[a-z_0-9]+|shift_[a-z0-9]+|iso2022_[a-z0-9_]+|hz"
    r"|johab|tis-620|ptcp154|hp-roman8|mac-[a-z0-9-]+"
)
# What senders mean by these names is more than the standards say (as browsers read them: WHATWG Encoding).
_MEANT = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
}
_ALIASES = {
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc_jp",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "unicode-1-1-utf-7": "utf-7",
    "x-unknown": "",
    "unknown-8bit": "",
    "us-ascii": "",
    "ascii": "",
}
_ENCODED_WORD = re.compile(r"=\?([^?*\s]{1,40})(?:\*[A-Za-z0-9-]{0,40})?\?([bBqQ])\?([^?]{0,2000})\?=")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _BASE64)


def decode(octets: bytes, charset: str) -> str:
    """Octets of a character set as text."""
    codec = _codec(charset)
    if codec:
        try:
            return octets.decode(codec, "replace")
        except (UnicodeError, ValueError):  # utf-16 and the stateful codecs have ways of their own to fail
            pass
    return guess(octets)


def guess(octets: bytes) -> str:
    """Octets of an unknown character set as text: UTF-8 if they are that, else Windows-1252."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


@lru_cache(maxsize=512)
def _codec(charset: str) -> str:
    """The Python codec that a name in mail means; "" for none."""
    name = charset.strip().strip("\"'").lower()
    if not _NAME.fullmatch(name):
        return ""
    if name in _ALIASES:
        return _ALIASES[name]
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    return _MEANT.get(found, found) if _KNOWN.fullmatch(found) else ""


def from_base64(octets: bytes) -> bytes:
    """The octets behind base64, of which everything else is left out; a broken end is cut off (RFC 2045 §6.8)."""
    digits = octets.translate(None, _NOT_BASE64).rstrip(b"=")
    # Padding in the middle: some senders encode piece by piece, and so each piece is decoded for itself.
    return b"".join([_from_digits(piece) for piece in digits.split(b"=")])


def _from_digits(digits: bytes) -> bytes:
    whole = len(digits) - (len(digits) % 4 == 1)
    return binascii.a2b_base64(digits[:whole] + b"=" * (-whole % 4))


def from_quoted(octets: bytes, *, header: bool = False) -> bytes:
    """The octets behind quoted-printable (RFC 2045 §6.7); with `header`, behind RFC 2047's form of it."""
    return binascii.a2b_qp(octets, header=header)


def header_text(raw: bytes) -> str:
    """The text of an unfolded header field: encoded words decoded (RFC 2047), the rest as UTF-8 or guessed."""
    text = guess(raw)
    if "=?" not in text:
        return text
    shown: list[str] = []
    waiting, charset = b"", ""  # the octets of neighbouring words: some senders cut a character in two
    end = 0
    for word in _ENCODED_WORD.finditer(text):
        between = text[end : word.start()]
        octets = _word_octets(word)
        # RFC 2047 §6.2: white space between two encoded words is not shown.
        if end == 0 or between.strip() or word[1].lower() != charset:
            shown.append(decode(waiting, charset))
            waiting = b""
            shown.append(between if end == 0 or between.strip() else "")
        waiting, charset, end = waiting + octets, word[1].lower(), word.end()
    shown.append(decode(waiting, charset))
    shown.append(text[end:])
    return "".join(shown)


def _word_octets(word: re.Match[str]) -> bytes:
    octets = word[3].encode("utf-8", "replace")
    return from_base64(octets) if word[2] in "bB" else from_quoted(octets, header=True)
