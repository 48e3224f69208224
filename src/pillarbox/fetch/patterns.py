r"""Regular expressions that take linear time: what a stranger writes into a header cannot make a filter hang.

Rules: no backtracking. A pattern becomes a small program, and all of its threads go through the text together, one
character at a time, so that the time is at most the length of the text times the length of the program; both are
limited. Letters match in either case. What cannot be done that way (references to groups, looking ahead and behind) is
refused in words.

What there is: characters, `.`, `[a-z]`, `[^a-z]`, `\d \w \s` and `\D \W \S`, `\b`, `^`, `$`, `(…)`, `|`, `* + ?`,
`{2}`, `{2,}`, `{2,5}`, and a backslash before any other sign. A pattern is searched for, so it matches anywhere in
the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

MAX_PATTERN = 500
"""Characters."""

MAX_PROGRAM = 1000
"""Steps: each repetition of `{2,5}` is written out."""

MAX_REPEAT = 100
MAX_DEPTH = 20

Accepts = Callable[[str], bool]
_Place = Literal["^", "$", "b"]


@dataclass(frozen=True, slots=True)
class _Character:
    accepts: Accepts


@dataclass(frozen=True, slots=True)
class _At:
    place: _Place


@dataclass(frozen=True, slots=True)
class _Fork:
    """Go on at both places, counted from here."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class _Jump:
    by: int


_Step = _Character | _At | _Fork | _Jump
_Program = list[_Step]


class PatternError(ValueError):
    """A pattern that cannot be used; the text says why."""


class Pattern:
    """One pattern.

    Raises:
        PatternError: it cannot be used.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MAX_PATTERN:
            raise PatternError(f"a pattern has at most {MAX_PATTERN} characters")
        self.text = text
        self._program = tuple(_Parser(text).parse())

    def found_in(self, text: str) -> bool:
        """Whether the pattern matches somewhere in the text."""
        folded = text.casefold()
        entering: set[int] = set()
        for position in range(len(folded) + 1):
            entering.add(0)
            waiting = self._reached(entering, folded, position)
            if waiting is None:
                return True
            if position < len(folded):
                character = folded[position]
                entering = {place + 1 for place, accepts in waiting if accepts(character)}
        return False

    def _reached(self, places: Iterable[int], text: str, position: int) -> list[tuple[int, Accepts]] | None:
        """The characters that are waited for, coming from these places; None when the end is reached."""
        program, waiting, seen, left = self._program, [], set[int](), list(places)
        while left:
            place = left.pop()
            if place in seen:
                continue
            seen.add(place)
            if place == len(program):
                return None
            match program[place]:
                case _Character(accepts):
                    waiting.append((place, accepts))
                case _Fork(first, second):
                    left += (place + first, place + second)
                case _Jump(by):
                    left.append(place + by)
                case _At(kind) if _is_at(kind, text, position):
                    left.append(place + 1)
        return waiting


def _is_at(kind: _Place, text: str, position: int) -> bool:
    if kind == "^":
        return position == 0
    if kind == "$":
        return position == len(text)
    before = position > 0 and _is_word(text[position - 1])
    return before != (position < len(text) and _is_word(text[position]))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


_CLASSES: dict[str, Accepts] = {"d": str.isdigit, "w": _is_word, "s": str.isspace}


class _Parser:
    """Turns a pattern into a program, by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0

    def parse(self) -> _Program:
        program = self._choice()
        if self._at < len(self._text):
            raise PatternError('a ")" closes nothing')
        return program

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        if self._at == len(self._text):
            raise PatternError("the pattern ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _choice(self) -> _Program:
        program = self._row()
        while self._next() == "|":
            self._at += 1
            other = self._row()
            program = [_Fork(1, len(program) + 2), *program, _Jump(len(other) + 1), *other]
        return program

    def _row(self) -> _Program:
        program: _Program = []
        while self._next() not in ("", "|", ")"):
            program += self._repeated()
            if len(program) > MAX_PROGRAM:
                raise PatternError("the pattern is too large when its repetitions are written out")
        return program

    def _repeated(self) -> _Program:
        one = self._one()
        while (sign := self._next()) and (
            sign in "*+?" or (sign == "{" and self._text[self._at + 1 : self._at + 2].isdigit())
        ):
            least, most = self._bounds()
            if isinstance(one[-1] if one else None, _At) and len(one) == 1:
                raise PatternError("a place (^, $, \\b) cannot be repeated")
            if len(one) * max(least, most or 0, 1) > MAX_PROGRAM:
                raise PatternError("the pattern is too large when its repetitions are written out")
            program = one * least
            if most is None:
                program += [_Fork(1, len(one) + 2), *one, _Jump(-len(one) - 1)]
            else:
                for _ in range(most - least):
                    program += [_Fork(1, len(one) + 1), *one]
            one = program
            if self._next() == "?":  # takes as little as possible: whether it matches is the same
                self._at += 1
        return one

    def _bounds(self) -> tuple[int, int | None]:
        sign = self._take()
        if sign != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        inside, closed, _ = self._text[self._at :].partition("}")
        least, comma, most = inside.partition(",")
        if not closed or not least.isdecimal() or (most and not most.isdecimal()) or len(inside) > 7:
            raise PatternError('repetitions are written "{2}", "{2,}" or "{2,5}"')
        self._at += len(inside) + 1
        bounds = int(least), (int(most) if most else None if comma else int(least))
        if max(bounds[0], bounds[1] or 0) > MAX_REPEAT or (bounds[1] is not None and bounds[1] < bounds[0]):
            raise PatternError(f"repetitions go up to {MAX_REPEAT}, the smaller number first")
        return bounds

    def _one(self) -> _Program:
        sign = self._take()
        if sign == "(":
            return self._group()
        if sign == "[":
            return [_Character(self._set())]
        if sign == ".":
            return [_Character(lambda _: True)]
        if sign in "^$":
            return [_At("^" if sign == "^" else "$")]
        if sign == "\\":
            sign = self._take()
            if sign == "b":
                return [_At("b")]
            if sign.lower() in _CLASSES:
                return [_Character(_class(sign))]
            return _literal(_escaped(sign))
        if sign in "*+?":
            raise PatternError(f'"{sign}" repeats nothing')
        return _literal(sign)

    def _group(self) -> _Program:
        if self._next() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise PatternError('"(?" is only there as "(?:…)": nothing can look ahead or behind, or be named')
            self._at += 2
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PatternError(f"groups go {MAX_DEPTH} deep")
        program = self._choice()
        if self._take() != ")":
            raise PatternError('a "(" is not closed')
        self._depth -= 1
        return program

    def _set(self) -> Accepts:
        negated = self._next() == "^"
        self._at += negated
        ranges: list[tuple[str, str]] = []
        classes: list[Accepts] = []
        first = True
        while (sign := self._take()) != "]" or first:
            first = False
            if sign == "\\":
                sign = self._take()
                if sign.lower() in _CLASSES:
                    classes.append(_class(sign))
                    continue
                sign = _escaped(sign)
            last = sign
            if self._next() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                last = self._take()
                last = _escaped(self._take()) if last == "\\" else last
                if last < sign:
                    raise PatternError(f'"{sign}-{last}" is no range')
            ranges.append((sign, last))

        def within(character: str) -> bool:
            return any(low <= character <= high for low, high in ranges)

        def accepts(character: str) -> bool:
            # The text is folded, so its letters are small; the set's may be capitals.
            inside = within(character) or within(character.upper()) or any(one(character) for one in classes)
            return inside != negated

        return accepts


def _class(sign: str) -> Accepts:
    accepts = _CLASSES[sign.lower()]
    return accepts if sign.islower() else lambda character: not accepts(character)


def _escaped(sign: str) -> str:
    if sign.isalnum():
        raise PatternError(f'"\\{sign}" is not there; "\\d", "\\w", "\\s", "\\b" are')
    return sign


def _literal(sign: str) -> _Program:
    return [_Character(one.__eq__) for one in sign.casefold()]
