"""From what a query asks for to SQL. Pure.

Rules: everything a person wrote is a bound parameter, or a quoted string within one; the words of a query go to FTS5 as
one expression wherever that is possible, since it intersects lists of rows far faster than SQL joins them. What FTS5
does not know (accounts, sizes, dates) stands beside it. Rows come by their number, which is their date's order, so the
newest are found without looking at the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.archive.query import (
    Account,
    All,
    Any,
    Dated,
    Digest,
    HasAttachment,
    MessageId,
    Node,
    Not,
    Sized,
    Words,
)

_SECOND = 1 << 8  # row numbers a second (`index`)


@dataclass(frozen=True, slots=True)
class Match:
    """An expression of FTS5. `negative`: what does not match it is meant."""

    text: str
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of SQL over `rowid` (of words or messages: it is the same), and its parameters.

    `{row}` in it stands for the row where SQLite has a choice of how to look for it.
    """

    text: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The words to look for (None: every message), and the conditions beside them."""

    match: str | None
    conditions: tuple[Condition, ...]


def plan(node: Node | None) -> Plan:
    """How to look for what a query asks for."""
    if node is None:
        return Plan(None, ())
    found = [_compiled(part) for part in (node.parts if isinstance(node, All) else (node,))]
    words = _all_words([part for part in found if isinstance(part, Match)])
    conditions = [part for part in found if isinstance(part, Condition)]
    if words is not None and words.negative:
        conditions.append(_condition(words))
        words = None
    # FTS5 would look up each row of a list by itself; the + keeps SQLite from asking it to.
    row = "rowid" if words is None else "+rowid"
    return Plan(
        words.text if words else None, tuple(Condition(part.text.format(row=row), part.values) for part in conditions)
    )


def _compiled(node: Node) -> Match | Condition:
    match node:
        case Words():
            return Match(_expression(node))
        case Not(inner):
            return _negated(_compiled(inner))
        case All(parts):
            return _together([_compiled(part) for part in parts], all_of=True)
        case Any(parts):
            return _together([_compiled(part) for part in parts], all_of=False)
        case _:
            return _leaf(node)


def _negated(found: Match | Condition) -> Match | Condition:
    if isinstance(found, Match):
        return Match(found.text, not found.negative)
    return Condition(f"NOT ({found.text})", found.values)


def _together(found: list[Match | Condition], *, all_of: bool) -> Match | Condition:
    words = [part for part in found if isinstance(part, Match)]
    joined = _all_words(words) if all_of else _any_words(words)
    parts = [part for part in found if isinstance(part, Condition)]
    if joined is None:
        # Words that FTS5 cannot join (a negative one among alternatives) are joined by SQL.
        parts += [_condition(part) for part in words]
    elif not parts:
        return joined
    else:
        parts.append(_condition(joined))
    operator = " AND " if all_of else " OR "
    return Condition(
        operator.join(f"({part.text})" for part in parts), tuple(value for part in parts for value in part.values)
    )


def _all_words(words: list[Match]) -> Match | None:
    """One expression for all of these; None if there are none."""
    wanted = [f"({word.text})" for word in words if not word.negative]
    unwanted = [f"({word.text})" for word in words if word.negative]
    if not wanted:
        return Match(" OR ".join(unwanted), negative=True) if unwanted else None
    text = " AND ".join(wanted)
    # FTS5 has no NOT of one operand, only "these but not those".
    return Match(f"({text}) NOT ({' OR '.join(unwanted)})" if unwanted else text)


def _any_words(words: list[Match]) -> Match | None:
    if not words or any(word.negative for word in words):
        return None
    return Match(" OR ".join(f"({word.text})" for word in words))


def _condition(words: Match) -> Condition:
    inside = "NOT IN" if words.negative else "IN"
    return Condition(f"{{row}} {inside} (SELECT rowid FROM words WHERE words MATCH ?)", (words.text,))  # noqa: S608 - ours


def _expression(words: Words) -> str:
    quoted = words.text.replace('"', '""')
    column = f"{words.field.value} : " if words.field else ""
    return f'{column}"{quoted}"{"*" if words.begins else ""}'


def _leaf(leaf: Account | HasAttachment | Dated | Sized | Digest | MessageId) -> Condition:
    match leaf:
        case Account(name, begins):
            if begins:
                inner = "SELECT message FROM origins WHERE account >= ? AND substr(account, 1, length(?)) = ?"
                return Condition(f"{{row}} IN ({inner})", (name, name, name))
            return Condition("{row} IN (SELECT message FROM origins WHERE account = ?)", (name,))
        case HasAttachment():
            return Condition("{row} IN (SELECT id FROM messages WHERE attachments > 0)", ())
        case Dated(first, end):
            return _between(_row(first), None if end is None else end * _SECOND - 1, "rowid")
        case Sized(least, most):
            sizes = _between(least, most, "size")
            return Condition(f"{{row}} IN (SELECT id FROM messages WHERE {sizes.text})", sizes.values)  # noqa: S608 - ours
        case Digest(digits):
            low, high = bytes.fromhex(digits.ljust(64, "0")), bytes.fromhex(digits.ljust(64, "f"))
            return Condition("{row} IN (SELECT id FROM messages WHERE sha256 BETWEEN ? AND ?)", (low, high))
        case MessageId(text):
            return Condition("{row} IN (SELECT id FROM messages WHERE message_id = ? AND message_id <> '')", (text,))


def _row(second: int | None) -> int | None:
    return None if second is None else second * _SECOND


def _between(least: int | None, most: int | None, column: str) -> Condition:
    if least is not None and most is not None:
        return Condition(f"{column} BETWEEN ? AND ?", (least, most))
    if least is not None:
        return Condition(f"{column} >= ?", (least,))
    return Condition(f"{column} <= ?", (most,))
