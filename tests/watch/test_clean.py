import json

import msgspec
import pytest

from pillarbox.watch.clean import clean, clean_json

NASTY = "\x1b[31m\r\n\x00\x7f\x85\x9b\u202e\u200b\u2028\ufeff\ue000"


def test_what_a_terminal_obeys_is_shown_by_its_code() -> None:
    assert clean("\x1b[2J\r\n\x00\u202e") == "\\x1b[2J\\r\\n\\x00\\u202e"
    assert clean(NASTY).isprintable()
    assert clean("\udc80") == "\\udc80"


@pytest.mark.parametrize("text", ["", "plain text", "grüße €", "日本語", "😀"])
def test_what_is_printable_stays(text: str) -> None:
    assert clean(text) == text


def test_cleaning_twice_changes_nothing_more() -> None:
    assert clean(clean(NASTY)) == clean(NASTY)


@pytest.mark.parametrize("text", [NASTY, "grüße", "\U000e0001 tag", "\x7f", "plain"])
def test_cleaned_json_means_the_same_and_is_printable(text: str) -> None:
    line = clean_json(msgspec.json.encode({"text": text}))
    assert json.loads(line) == {"text": text}
    assert line.decode().isprintable()
