"""What a new password must be like: NIST SP 800-63B-4, §3.1.1.2.

Rules: length, and not being known, are all that counts: there are no rules of composition, and nothing expires. A
password is compared as a whole, in NFC, and its characters are code points. zxcvbn's estimate is advice and never
refuses. No text names the password or any part of it, also not which word was found in it, so that every text may go
into a log. What a password costs to check is in `passwords`, the file of breached ones in `breach`.

The common list is zxcvbn's: 30,000 passwords from breaches, and the most frequent English words and names, in a library
without dependencies that is in use everywhere and maintained. What is common in other languages is the breach filter's.
"""

from __future__ import annotations

import enum
import functools
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pillarbox.auth.breach import BreachFilter, BreachFilterError
from pillarbox.auth.names import split
from pillarbox.auth.passwords import MAX_PASSWORD_OCTETS, prepared
from pillarbox.config.schema_policy import MIN_WORD
from pillarbox.config.schema_policy import PasswordPolicy as Settings

SERVICE_WORDS = ("pillarbox", "mail", "pop3")
"""What the service is called, and what it is for."""

_ESTIMATED = 72
"""Characters zxcvbn looks at, by its own default: its work grows with the square."""

_GOOD_SCORE = 3
"""zxcvbn's scores are 0 to 4; from 3 on ("safely unguessable") it has no advice to give."""


class Fault(enum.Enum):
    """Why a password is refused. The values are fixed words for events."""

    EMPTY = "empty"
    TOO_LONG = "too long"
    UNUSABLE = "holds what POP3 cannot carry"
    TOO_SHORT = "too short"
    COMMON = "common"
    REPEATED = "one thing repeated"
    CONTEXT = "made of known names"
    BREACHED = "known from breaches"


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason against a password; `text` is a sentence that says what to do."""

    fault: Fault
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """Whose password it is.

    Attributes:
        account: the canonical name, or "" where there is none yet.
        second_factor: it is always asked for together with a second factor.
        words: further names that everybody knows, such as the server's host name.
    """

    account: str = ""
    second_factor: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """zxcvbn's opinion: `score` from 0 (guessed at once) to 4, and sentences; none for a good password."""

    score: int
    sentences: tuple[str, ...]


class PolicyUnavailable(Exception):
    """A check that the policy demands cannot be made. The message says why and what to do."""


class PasswordPolicy:
    """Judges passwords. Its methods block for some milliseconds at most, the first time a tenth of a second.

    Args:
        min_characters: of a password alone.
        min_characters_with_mfa: of one with a second factor.
        common: whether to compare with the common list.
        breached: the filter of breached passwords, or None.
        words: names that count for every account.
    """

    def __init__(
        self,
        *,
        min_characters: int = 15,
        min_characters_with_mfa: int = 8,
        common: bool = True,
        breached: BreachFilter | None = None,
        words: Iterable[str] = (),
    ) -> None:
        self._least = {False: min_characters, True: min_characters_with_mfa}
        self._common = common
        self._breached = breached
        self._words = (*SERVICE_WORDS, *words)

    @classmethod
    def of(cls, settings: Settings, hostname: str = "") -> PasswordPolicy:
        """The policy that `auth.policy.*` and the server's name describe.

        Raises:
            PolicyUnavailable: the breach filter cannot be opened.
        """
        breached = None
        if settings.breach_filter:
            try:
                breached = BreachFilter(settings.breach_filter)
            except BreachFilterError as error:
                raise PolicyUnavailable(f"the breach filter {settings.breach_filter} cannot be used: {error}") from None
        return cls(
            min_characters=settings.min_characters,
            min_characters_with_mfa=settings.min_characters_with_mfa,
            common=settings.common_list,
            breached=breached,
            words=(*settings.context_words, hostname),
        )

    def check(self, password: bytes, context: Context = Context()) -> list[Objection]:
        """Everything that speaks against a password; nothing means that it may be used.

        Raises:
            PolicyUnavailable: the breach filter is damaged.
        """
        if unusable := _unusable(password):
            return [unusable]
        least = self._least[context.second_factor]
        text = _text(password)
        found = []
        if len(text) < least:
            sentence = f"it has fewer than {least} characters; choose a longer one, a few random words for example"
            found.append(Objection(Fault.TOO_SHORT, sentence))
        found += self._known(password, text)
        if self._of_context(text, context, least):
            sentence = "it is made of names that everybody knows, with little else; add words that have nothing to do "
            found.append(Objection(Fault.CONTEXT, sentence + "with the account or the server"))
        return found

    def advise(self, password: bytes, context: Context = Context()) -> Advice:
        """Zxcvbn's estimate of a password, with suggestions where it could be better."""
        words = sorted(_words((context.account, *self._words, *context.words)))
        return _estimate(_text(password)[:_ESTIMATED], words)

    # ---- the checks -------------------------------------------------------------------------------------------

    def _known(self, password: bytes, text: str) -> Iterator[Objection]:
        folded = text.casefold()
        unit = _unit(folded)
        if self._common and folded in common_list():
            sentence = "it is one of the most common passwords or words; choose one that nobody else would think of"
            yield Objection(Fault.COMMON, sentence)
        elif unit != folded and (len(unit) < MIN_WORD or (self._common and unit in common_list())):
            yield Objection(
                Fault.REPEATED, "it is one thing again and again, which adds no safety; choose several different words"
            )
        if self._breached is None:
            return
        try:
            known = self._breached.knows(password)
        except BreachFilterError as error:
            raise PolicyUnavailable(f"the breach filter cannot be used: {error}") from None
        if known:
            sentence = "it is known from breaches, and attackers try such passwords first; choose one never used before"
            yield Objection(Fault.BREACHED, sentence)

    def _of_context(self, text: str, context: Context, least: int) -> bool:
        """Whether, without the known names and what joins them, less than half of the length asked for is left."""
        rest = text.casefold()
        for word in sorted(_words((context.account, *self._words, *context.words)), key=len, reverse=True):
            rest = rest.replace(word, " ")
        changed = rest != text.casefold()
        return changed and sum(map(str.isalnum, rest)) < least / 2


def _unusable(password: bytes) -> Objection | None:
    if not password:
        return Objection(Fault.EMPTY, "it is empty; choose one")
    if len(password) > MAX_PASSWORD_OCTETS:
        return Objection(Fault.TOO_LONG, f"it is longer than {MAX_PASSWORD_OCTETS} octets; choose a shorter one")
    if any(octet in password for octet in (b"\x00", b"\r", b"\n")):
        return Objection(Fault.UNUSABLE, "it holds a NUL or a line end, which POP3 cannot carry; choose another")
    return None


def _text(password: bytes) -> str:
    """Its characters, in NFC; one for each octet where it is not UTF-8."""
    try:
        return prepared(password).decode()
    except UnicodeDecodeError:
        return password.decode("latin-1")


def _unit(text: str) -> str:
    """The shortest text that gives `text` when it is repeated."""
    return text[: (text + text).index(text, 1)] if text else text


def _words(names: Iterable[str]) -> set[str]:
    """The names and their parts, in the form in which they are looked for."""
    found: set[str] = set()
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        found |= {folded, *split(folded), *re.split(r"[\W_]+", folded)}
    return {word for word in found if len(word) >= MIN_WORD}


@functools.cache
def common_list() -> frozenset[str]:
    """The common passwords and words, in lower case: some 90,000, 10 MB once they have been asked for."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word.casefold() for words in FREQUENCY_LISTS.values() for word in words)


_estimating = threading.Lock()


def _estimate(text: str, words: list[str]) -> Advice:
    from zxcvbn import zxcvbn

    # zxcvbn keeps the words in a table of its module: one at a time, and none left behind.
    with _estimating:
        result = zxcvbn(text, user_inputs=words, max_length=_ESTIMATED)
        zxcvbn("-", user_inputs=[])
    if result["score"] >= _GOOD_SCORE:
        return Advice(result["score"], ())
    feedback = result["feedback"]
    sentences = [text.strip().rstrip(".") for text in (feedback["warning"], *feedback["suggestions"]) if text]
    return Advice(result["score"], tuple(sentences))
