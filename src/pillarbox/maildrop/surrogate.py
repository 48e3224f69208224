"""A header that needs UTF-8, as an ASCII one for clients that do not ask for it. Pure, and it never raises.

Rules: what can be shown is shown (RFC 2047 encoded words in text, comments and display names; RFC 2231 in MIME
parameters); an internationalised address becomes one that cannot belong to anybody, with the true one in its display
name (RFC 6858 §2.1); a field whose syntax has no room for either is left out (§2.4). Fields that are ASCII already
keep their octets. The result has CRLF line endings, and no line longer than RFC 5322 §2.1.1 allows is made.

Serves RFC 6858 and RFC 6856 §3.1 (P13). Finding out whether a header needs this is in `wire_form`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

INVALID_ADDRESS = "<invalid@internationalized-address.invalid>"
"""Stands where an internationalised address was (RFC 6858 §2.1): nobody can own a name below .invalid (RFC 2606)."""

_ADDRESS_FIELDS = frozenset(
    {
        *("from", "sender", "reply-to", "to", "cc", "bcc", "return-path"),
        *("resent-from", "resent-sender", "resent-reply-to", "resent-to", "resent-cc", "resent-bcc"),
        *("disposition-notification-to", "mail-followup-to", "mail-reply-to", "delivered-to", "x-original-to"),
    }
)
_PARAMETER_FIELDS = frozenset({"content-type", "content-disposition"})
# Fields that programs compare or verify: an encoded word in them would say something else than was written.
_LEFT_OUT = frozenset(
    {
        *("message-id", "in-reply-to", "references", "resent-message-id", "content-id", "date", "resent-date"),
        *("received", "received-spf", "dkim-signature", "authentication-results", "mime-version"),
        *("arc-seal", "arc-message-signature", "arc-authentication-results", "content-transfer-encoding"),
        *("list-id", "list-post", "list-unsubscribe", "list-subscribe", "list-help", "list-archive", "list-owner"),
    }
)
_LINE_ENDING = re.compile(rb"\r\n|\n|\r")
_FIELD = re.compile(rb"([\x21-\x39\x3B-\x7E]+)([ \t]*:[ \t]*)(.*)\Z", re.DOTALL)
_WORD_LIMIT = 39  # octets of UTF-8 in one encoded word: 64 with its frame (RFC 2047 §2), room for "Subject: "
_LINE_LIMIT = 998  # RFC 5322 §2.1.1
_FIELD_LIMIT = 1 << 16  # octets of a field that is worth the work; no program makes longer ones
_COMFORT = 76  # where lines are folded when they can be: RFC 2047 §2
_PHRASE_SPECIALS = re.compile(r'[()<>\[\]:;@\\,."\x00-\x1f\x7f]')
# Tokens of an address list. Unterminated ones run to the end, so that no input is read twice.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|\[[^\]]*+\]?|[<>,:;]|[^"(\[<>,:;]++', re.DOTALL)
_PARENTHESIS = re.compile(r"\\.|[()]", re.DOTALL)
_PARAMETER = re.compile(r'(?:"(?:[^"\\]|\\.)*+"?|[^";])++', re.DOTALL)


def surrogate_header(header: bytes) -> bytes:
    """The header in ASCII, in CRLF form, with the empty line that ends it where there was one."""
    lines = _LINE_ENDING.split(header)
    fields: list[list[bytes]] = []
    for line in lines[:-1] if lines[-1] == b"" else lines:
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1].append(line)
        else:
            fields.append([line])
    return b"".join(_field(field) for field in fields)


def _field(lines: list[bytes]) -> bytes:
    """One field with its folded lines; empty when it is left out."""
    whole = b"\r\n".join(lines) + b"\r\n"
    if whole.isascii():
        return whole
    match = _FIELD.match(b"".join(lines))
    if match is None or len(whole) > _FIELD_LIMIT:  # no field at all, or a name that is not ASCII
        return b""
    try:
        value = match[3].decode("utf-8")
    except UnicodeDecodeError:
        return b""
    name = match[1].decode("ascii")
    key = name.lower()
    if key in _LEFT_OUT:
        return b""
    if key in _ADDRESS_FIELDS:
        words = _addresses(value)
    elif key in _PARAMETER_FIELDS:
        words = _parameters(value)
    else:
        words = _text(value)
    return _fold(name + ":", words)


def _fold(name: str, words: list[str]) -> bytes:
    """Join words with spaces, on lines that are as short as the words let them be."""
    lines = [name]
    for word in words:
        for piece in [word[at : at + _LINE_LIMIT - 1] for at in range(0, len(word), _LINE_LIMIT - 1)]:
            if len(lines[-1]) + 1 + len(piece) > _COMFORT and (lines[-1] != name or piece.startswith("=?")):
                lines.append("")
            lines[-1] += " " + piece
    return "\r\n".join(lines).encode("ascii", "replace") + b"\r\n"


def _encoded_words(text: str) -> list[str]:
    """Text as RFC 2047 encoded words, none of them cut within a character (§5)."""
    words: list[str] = []
    piece = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(piece) + len(octets) > _WORD_LIMIT:
            words.append(piece.decode("utf-8"))
            piece = b""
        piece += octets
    if piece:
        words.append(piece.decode("utf-8"))
    return [f"=?utf-8?B?{base64.b64encode(word.encode('utf-8')).decode('ascii')}?=" for word in words]


def _text(value: str) -> list[str]:
    """Unstructured text: the words between the first and the last that need it are encoded, the others are kept.

    One run of encoded words is used for all between, because spaces between two encoded words are not shown
    (RFC 2047 §6.2).
    """
    words = value.split()
    needed = [at for at, word in enumerate(words) if not word.isascii()]
    if not needed:
        return words
    first, last = needed[0], needed[-1] + 1
    return [*words[:first], *_encoded_words(" ".join(words[first:last])), *words[last:]]


def _phrase(text: str) -> list[str]:
    """A display name: as it is, quoted, or as encoded words (RFC 2047 §5 (3))."""
    text = " ".join(text.split())
    if not text:
        return []
    if not text.isascii() or "=?" in text or len(text) > _LINE_LIMIT // 2:
        return _encoded_words(text)
    if _PHRASE_SPECIALS.search(text):
        return ['"' + re.sub(r'(["\\])', r"\\\1", text) + '"']
    return [text]


def _unquote(part: str) -> str:
    """The text of a quoted string or a comment, terminated or not."""
    inner = part[1:-1] if len(part) > 1 and part[-1] in '")' else part[1:]
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)


def _tokens(value: str) -> Iterator[str]:
    """Quoted strings, comments with their nested ones, separators, and what lies between."""
    at = 0
    while at < len(value):
        if value[at] == "(":
            depth, end = 0, len(value)
            for match in _PARENTHESIS.finditer(value, at):
                depth += {"(": 1, ")": -1}.get(match[0], 0)
                if depth == 0:
                    end = match.end()
                    break
        else:
            found = _TOKEN.match(value, at)
            end = found.end() if found else at + 1
        yield value[at:end]
        at = end


def _addresses(value: str) -> list[str]:
    """An address list: mailboxes and groups, with comments (RFC 5322 §3.4)."""
    words: list[str] = []
    parts: list[str] = []
    angle = False
    for part in _tokens(value):
        if part == "<":
            angle = True
        elif part == ">":
            angle = False
        if angle or part not in {",", ":", ";"}:
            parts.append(part)
            continue
        if part == ":":  # what came before is a group's name
            words += _phrase("".join(_unquote(each) if each[0] == '"' else each for each in parts)) or ['""']
        else:
            words += _mailbox(parts)
        if words:
            words[-1] += part
        parts = []
    return words + _mailbox(parts)


def _mailbox(parts: list[str]) -> list[str]:
    """One mailbox, from the parts between two separators."""
    name: list[str] = []
    address: list[str] = []
    comments: list[str] = []
    inside = False
    angled = "<" in parts
    for part in parts:
        if part in {"<", ">"}:
            inside = part == "<"
        elif part[0] == "(":
            comments.append(_unquote(part))
        elif inside or not angled:
            address.append(part.strip() if angled else part)
        else:
            name.append(_unquote(part) if part[0] == '"' else part)
    words = _phrase("".join(name))
    spec = "".join(address).strip()
    if spec.isascii():
        if angled:
            words.append(f"<{spec}>")
        elif spec:
            words.append(spec)
    else:
        # RFC 6858 §2.1: the display name tells what the address was; the address itself is nobody's.
        shown = " ".join([*"".join(name).split(), spec if "@" in spec or angled else " ".join(spec.split())])
        words = [*_encoded_words(shown), INVALID_ADDRESS]
    for comment in comments:
        inner = [comment.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")]
        inner = inner if comment.isascii() else _encoded_words(comment)
        words += [*("(" + " ".join(inner) + ")").split(" ")]
    return words


def _parameters(value: str) -> list[str]:
    """A MIME value with parameters; those beyond ASCII are written as RFC 2231 §4 says."""
    head, *rest = _PARAMETER.findall(value) or [""]
    parts = [head.strip()] if head.isascii() else []
    for part in rest:
        attribute, equals, content = part.strip().partition("=")
        attribute = attribute.strip()
        if part.isascii():
            parts.append(part.strip())
        elif equals and attribute.isascii() and attribute:
            content = content.strip()
            text = _unquote(content) if len(content) > 1 and content[0] == content[-1] == '"' else content
            parts += _extended(attribute.rstrip("*"), text)
    return [part + (";" if at < len(parts) - 1 else "") for at, part in enumerate(part for part in parts if part)]


def _extended(attribute: str, text: str) -> list[str]:
    """One parameter as RFC 2231 extended values; long ones continued (§3), never within a character."""
    safe = b"!#$&+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    pieces = [""]
    for character in text:
        escaped = "".join(chr(o) if o in safe else f"%{o:02X}" for o in character.encode("utf-8", "replace"))
        if len(pieces[-1]) + len(escaped) > _WORD_LIMIT:
            pieces.append("")
        pieces[-1] += escaped
    if len(pieces) == 1:
        return [f"{attribute}*=utf-8''{pieces[0]}"]
    pieces[0] = "utf-8''" + pieces[0]
    return [f"{attribute}*{at}*={piece}" for at, piece in enumerate(pieces)]
