"""The same words whatever their case, accents, width and script."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.archive.fold import fold, fold_asked, is_single


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café", "CAFE"),
        ("cafe\u0301", "café"),
        ("Straße", "STRASSE"),
        ("STRAẞE", "strasse"),
        ("İstanbul", "istanbul"),
        ("ISPARTA", "ısparta"),
        ("Διεύθυνσις", "ΔΙΕΥΘΥΝΣΙΣ"),
        ("ΟΔΟΣ", "οδός"),
        ("Ёлка", "елка"),
        ("МОСКВА", "москва"),
        ("Łódź", "lodz"),
        ("Ærøskøbing", "aeroskobing"),
        ("ｆｕｌｌ　ｗｉｄｔｈ", "full　width"),
        ("ﬁnance", "finance"),
        ("שָׁלוֹם", "שלום"),
        ("مُحَمَّد", "محمد"),
        ("한국어", unicodedata.normalize("NFD", "한국어")),
        ("ﾊﾞｽ", "バス"),
    ],
)
def test_what_is_the_same_to_people(one: str, other: str) -> None:
    assert fold(one).split() == fold(other).split()


@pytest.mark.parametrize(("one", "other"), [("か", "が"), ("हिन्दी", "हन्द"), ("ä", "b"), ("ば", "ぱ")])
def test_what_is_not(one: str, other: str) -> None:
    assert fold(one).split() != fold(other).split()


def test_scripts_without_spaces_become_pairs() -> None:
    assert fold("東京都へ行く").split() == ["東京", "京都", "都へ", "へ行", "行く", "く"]
    assert fold("hello世界x").split() == ["hello", "世界", "界", "x"]
    assert fold_asked("東京都").split() == ["東京", "京都"]
    assert fold_asked("東").split() == ["東"]
    assert is_single("東")
    assert not is_single("東京")
    assert not is_single("a")


@given(st.text())
def test_what_is_asked_is_within_what_is_indexed(text: str) -> None:
    assert set(fold_asked(text).split()) <= set(fold(text).split())


def test_hostile_text_takes_time_in_proportion_to_its_length() -> None:
    marks = "\u0301\u0323" * 200_000  # sorting these in one go takes minutes
    begun = time.process_time()
    fold(f"a{marks}")
    fold("\ufdfa" * 100_000)
    assert time.process_time() - begun < 20
