"""The language of searches: `from:ada invoice after:2026-01 -draft "exact phrase" (paid OR unpaid)`. Pure.

    query    one of these after another: all must hold; `OR` (in capitals) between them: one must; ( ) groups
    -x       not x; also `NOT x`
    word     anywhere in a message: header, text, names of attachments;  begin*  any word that begins so
    "a b"    these words one after the other
    FIELD:   from to subject body name (or filename) other — a word, "phrase" or begin* in that field
    account: where it came from, exactly; `*` at its end for a beginning
    has:attachment   after:DATE before:DATE on:DATE   larger:SIZE smaller:SIZE   id:DIGITS (first ones of its SHA-256)
    msgid:ID

DATE is 2026, 2026-01, 2026-01-31, today, yesterday, or an age as 30d, 2w, 6m, 1y; days are those of UTC. `after:`
includes the day it names, `before:` does not. SIZE is octets, or has k, M or G (of 1024).

Rules: what cannot be understood is refused with a sentence that says where and what could be written; it is never
guessed at, and never reaches the database. At most `LONGEST` characters, `TERMS` terms, `DEEPEST` brackets.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from pillarbox.archive.errors import QueryError
from pillarbox.archive.fold import fold_asked, is_single

LONGEST = 4000
TERMS = 100
DEEPEST = 20


class Field(Enum):
    """Where a word is looked for; the values are the index's columns."""

    SUBJECT = "subject"
    SENDER = "sender"
    RECIPIENTS = "recipients"
    NAMES = "names"
    OTHER = "other"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Words:
    """These folded words one after the other, in a field or (None) in any; with `begins`, the last may go on."""

    text: str
    field: Field | None = None
    begins: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """From this account; with `begins`, from one that begins so."""

    name: str
    begins: bool


@dataclass(frozen=True, slots=True)
class HasAttachment:
    """With an attachment."""


@dataclass(frozen=True, slots=True)
class Dated:
    """Written from the one UTC second on and before the other; None is no limit."""

    first: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Sized:
    """Of at least so many octets, and at most so many; None is no limit."""

    least: int | None
    most: int | None


@dataclass(frozen=True, slots=True)
class Digest:
    """With a SHA-256 that begins with these hexadecimal digits."""

    digits: str


@dataclass(frozen=True, slots=True)
class MessageId:
    """With this Message-ID."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """What does not match."""

    inner: Node


@dataclass(frozen=True, slots=True)
class All:
    """What matches every one."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """What matches at least one."""

    parts: tuple[Node, ...]


Leaf = Words | Account | HasAttachment | Dated | Sized | Digest | MessageId
Node = Leaf | Not | All | Any

_TOKEN = re.compile(
    r"""(?P<white>\s+)|(?P<bracket>[()])|(?P<minus>-(?=[^\s)]))
    |(?P<lonely>[A-Za-z][A-Za-z-]{0,30}):(?=[\s()]|$)
    |(?:(?P<field>[A-Za-z][A-Za-z-]{0,30}):(?!//))?(?:"(?P<phrase>[^"]*)(?P<close>"?)|(?P<word>[^\s()"]+))""",
    re.VERBOSE,
)
_COLUMNS = {
    "subject": Field.SUBJECT,
    "from": Field.SENDER,
    "to": Field.RECIPIENTS,
    "cc": Field.RECIPIENTS,
    "body": Field.BODY,
    "name": Field.NAMES,
    "filename": Field.NAMES,
    "other": Field.OTHER,
    "list": Field.OTHER,
}
_SIZE = re.compile(r"([0-9]{1,15})([kmg]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?")
_AGE = re.compile(r"([0-9]{1,5})([dwmy])")
_AGES = {"d": 1, "w": 7, "m": 30, "y": 365}
_DIGITS = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    field: str
    place: int


def parse(text: str, now: float) -> Node | None:
    """What a query asks for; None for an empty one, which every message matches.

    Args:
        text: the query.
        now: UTC seconds, for `today` and ages.

    Raises:
        QueryError: it cannot be understood.
    """
    if len(text) > LONGEST:
        raise QueryError(f"the query is longer than {LONGEST:,} characters; ask for less at a time")
    tokens = _tokens(text)
    if sum(token.kind in ("word", "phrase") for token in tokens) > TERMS:
        raise QueryError(f"the query has more than {TERMS} terms; ask for less at a time")
    if not tokens:
        return None
    parser = _Parser(tokens, now)
    found = parser.any_of(0)
    if (rest := parser.next()) is not None:
        raise QueryError(f"a closing bracket without an opening one{_at(rest.place)}", rest.place)
    return found


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise QueryError(f"“{text[place]}” cannot stand{_at(place)}", place)
        if found["lonely"] is not None:
            raise QueryError(
                f"“{found['lonely']}:” is followed by nothing{_at(place)}; write the word behind it", place
            )
        if found["close"] == "":
            raise QueryError(f"a quotation mark that opens{_at(place)} is never closed", place)
        kind = "phrase" if found["phrase"] is not None else found.lastgroup or ""
        if kind != "white":
            value = found["phrase"] if kind == "phrase" else found[kind]
            tokens.append(_Token(kind, value, found["field"] or "", place))
        place = found.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token], now: float) -> None:
        self._tokens = tokens
        self._place = 0
        self._now = now

    def next(self) -> _Token | None:
        """The next token, None at the end."""
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def any_of(self, depth: int) -> Node:
        """Alternatives."""
        parts = [self._all_of(depth)]
        while (token := self.next()) is not None and _is_operator(token, "OR"):
            self._place += 1
            parts.append(self._all_of(depth, behind=token))
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def _all_of(self, depth: int, behind: _Token | None = None) -> Node:
        parts: list[Node] = []
        while (token := self.next()) is not None and not (_closes(token) or _is_operator(token, "OR")):
            if _is_operator(token, "AND"):
                self._place += 1
                if not parts or (after := self.next()) is None or _closes(after) or _is_operator(after, "OR", "AND"):
                    raise QueryError(f"AND{_at(token.place)} needs something on both sides", token.place)
                continue
            parts.append(self._one(depth))
        if not parts:
            token = behind or self.next()
            place = token.place if token else -1
            if token is not None and _is_operator(token, "OR"):
                raise QueryError(f'OR{_at(place)} needs something on both sides; for the word itself write "OR"', place)
            raise QueryError(f"there is nothing between the brackets{_at(place)}", place)
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Node:
        negated = False
        while True:
            token = self.next()
            if token is None or _closes(token):
                raise QueryError("there is nothing behind the last NOT or -")
            self._place += 1
            if token.kind == "minus" or _is_operator(token, "NOT"):
                negated = not negated
                continue
            break
        found = self._group(token, depth) if token.kind == "bracket" else _leaf(token, self._now)
        return Not(found) if negated else found

    def _group(self, token: _Token, depth: int) -> Node:
        if depth >= DEEPEST:
            raise QueryError(f"more than {DEEPEST} brackets within each other{_at(token.place)}", token.place)
        found = self.any_of(depth + 1)
        closing = self.next()
        if closing is None:
            raise QueryError(f"the bracket that opens{_at(token.place)} is never closed", token.place)
        self._place += 1
        return found


def _closes(token: _Token) -> bool:
    return token.kind == "bracket" and token.text == ")"


def _is_operator(token: _Token, *names: str) -> bool:
    return token.kind == "word" and not token.field and token.text in names


def _leaf(token: _Token, now: float) -> Leaf:
    name = token.field.lower()
    if not name:
        return _words(token, None)
    if name in _COLUMNS:
        return _words(token, _COLUMNS[name])
    maker = _MAKERS.get(name)
    if maker is None:
        raise QueryError(
            f"there is no field “{token.field}:”{_at(token.place)}; "
            f"there are {', '.join(sorted({*_COLUMNS, *_MAKERS}))}. "
            f'To look for these words themselves write "{token.field} {token.text}"',
            token.place,
        )
    if not token.text.strip():
        raise QueryError(f"“{token.field}:” is followed by nothing{_at(token.place)}", token.place)
    return maker(token, now)


def _words(token: _Token, field: Field | None) -> Words:
    begins = token.kind == "word" and token.text.endswith("*")
    text = fold_asked(token.text.rstrip("*") if begins else token.text).strip()
    letters = [c for c in text if c.isalnum() or unicodedata.category(c)[0] == "M"]
    if not letters:
        raise QueryError(f"“{token.text}”{_at(token.place)} holds no letter and no digit to look for", token.place)
    single = is_single(text)
    if begins and len(letters) < 2 and not single:
        raise QueryError(f"“{token.text}”{_at(token.place)}: at least two letters are needed before the *", token.place)
    return Words(text, field, begins or single)


def _account(token: _Token, now: float) -> Account:
    begins = token.kind == "word" and token.text.endswith("*")
    return Account(token.text.rstrip("*") if begins else token.text, begins)


def _has(token: _Token, now: float) -> HasAttachment:
    if token.text.lower() not in ("attachment", "attachments", "file"):
        raise QueryError(f"has:{token.text}{_at(token.place)} is not known; there is has:attachment", token.place)
    return HasAttachment()


def _larger(token: _Token, now: float) -> Sized:
    return Sized(_octets(token) + 1, None)


def _smaller(token: _Token, now: float) -> Sized:
    return Sized(None, _octets(token) - 1)


def _octets(token: _Token) -> int:
    found = _SIZE.fullmatch(token.text)
    if found is None:
        raise QueryError(f"“{token.text}”{_at(token.place)} is no size; write one such as 500k or 10M", token.place)
    return min(int(found[1]) * _UNITS[found[2].lower()], 1 << 62)


def _after(token: _Token, now: float) -> Dated:
    return Dated(_days(token, now)[0], None)


def _before(token: _Token, now: float) -> Dated:
    return Dated(None, _days(token, now)[0])


def _on(token: _Token, now: float) -> Dated:
    return Dated(*_days(token, now))


def _digest(token: _Token, now: float) -> Digest:
    digits = token.text.lower()
    if not _DIGITS.fullmatch(digits):
        raise QueryError(
            f"id:{token.text}{_at(token.place)} is no id; write 4 to 64 hexadecimal digits, as search shows them",
            token.place,
        )
    return Digest(digits)


def _message_id(token: _Token, now: float) -> MessageId:
    return MessageId(token.text.strip("<> "))


_MAKERS: dict[str, Callable[[_Token, float], Leaf]] = {
    "account": _account,
    "has": _has,
    "larger": _larger,
    "smaller": _smaller,
    "after": _after,
    "since": _after,
    "before": _before,
    "on": _on,
    "id": _digest,
    "msgid": _message_id,
}


def _days(token: _Token, now: float) -> tuple[int, int]:
    """The first second of what a date names, and the first behind it."""
    text = token.text.lower()
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if text in ("today", "yesterday"):
            first = today - timedelta(days=text == "yesterday")
            return _seconds(first, first + timedelta(days=1))
        if (age := _AGE.fullmatch(text)) is not None:
            first = today - timedelta(days=int(age[1]) * _AGES[age[2]])
            return _seconds(first, first + timedelta(days=1))
        if (date := _DATE.fullmatch(text)) is not None:
            year, month, day = int(date[1]), int(date[2] or 1), int(date[3] or 1)
            first = datetime(year, month, day, tzinfo=UTC)
            length = 1 if date[3] else monthrange(year, month)[1] if date[2] else 365 + (monthrange(year, 2)[1] == 29)
            return _seconds(first, first + timedelta(days=length))
    except (ValueError, OverflowError):
        pass  # the thirtieth of February, or an age before the first year
    raise QueryError(
        f"“{token.text}”{_at(token.place)} is no date; write one such as 2026, 2026-01, 2026-01-31, today or 30d",
        token.place,
    )


def _seconds(first: datetime, end: datetime) -> tuple[int, int]:
    return int(first.timestamp()), int(end.timestamp())


def _at(place: int) -> str:
    return f" at character {place + 1}" if place >= 0 else ""
