"""Makes text findable: the same words whatever their case, accents, width or form of writing. Pure.

Rules: what is indexed and what is asked for pass through the same function, so only its result is ever compared.

- Case is folded by Unicode's rules (ß is ss, ς is σ); İ and ı are i, so that Turkish words are found by either.
- Accents go (Latin, Greek, Cyrillic, Hebrew, Arabic); letters with a stroke lose it (ø o, ł l, đ d); æ is ae, œ is oe.
  The marks of Indic scripts and of Japanese are letters of their own and stay.
- Wide, narrow and ligature forms become ordinary ones (NFKC).
- Scripts written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese), and Korean, are cut into overlapping
  pairs of characters, so that any run of two or more is found where it stands, and one character by what begins so.

Text of hostile length costs no more than its length: normalisation sorts marks, so it is done in short pieces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

_UNSPACED_RANGES = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1100-\u11ff"  # Hangul letters
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31f0-\u31ff"  # kana, bopomofo, Hangul letters
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\uac00-\ud7a3"  # Hangul syllables
    "\U00020000-\U0003ffff"  # Han, the rarer ones
)
_UNSPACED = re.compile(f"[{_UNSPACED_RANGES}]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]{1,64}")
_MARKS = re.compile("[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]")
_LETTERS = str.maketrans(
    {"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ŋ": "ng"}
)


def fold(text: str) -> str:
    """`text` as it is compared. Its length may be up to 18 times the original's (NFKC)."""
    return _cut(text, _pairs)


def is_single(text: str) -> bool:
    """Whether folded text is a single character of a script without spaces, which is asked for as a beginning."""
    return len(text) == 1 and _UNSPACED.fullmatch(text) is not None


def fold_asked(text: str) -> str:
    """`text` as `fold` makes it, but for asking: a run of unspaced script may go on behind what was asked for."""
    return _cut(text, _pairs_without_last)


def _cut(text: str, pairs: Callable[[re.Match[str]], str]) -> str:
    lowered = text.lower()
    if lowered.isascii():
        return lowered
    return _UNSPACED.sub(pairs, _NOT_ASCII.sub(_folded_run, lowered))


def _folded_run(found: re.Match[str]) -> str:
    return _folded(found[0])


@lru_cache(maxsize=1 << 16)
def _folded(run: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", run).casefold())
    return unicodedata.normalize("NFC", _MARKS.sub("", plain)).translate(_LETTERS)


def _pairs(found: re.Match[str]) -> str:
    run = found[0]
    return f" {' '.join([run[index : index + 2] for index in range(len(run))])} "


def _pairs_without_last(found: re.Match[str]) -> str:
    run = found[0]
    return f" {' '.join([run[index : index + 2] for index in range(max(1, len(run) - 1))])} "
