import datetime
import tomllib
from pathlib import Path

import pytest

from pillarbox.config.toml import inline, quoted


@pytest.mark.parametrize(
    "value",
    [True, 3, 0.25, "", 'a"b\\c\n\x00\x1b\x7f\x85\u202e€😀', datetime.date(2027, 6, 30), ["a", 1], {"a b": [1]}],
)
def test_what_is_written_is_read_back_the_same(value: object) -> None:
    assert tomllib.loads(f"x = {inline(value)}") == {"x": value}


def test_what_toml_does_not_know_becomes_text_and_nothing_becomes_empty() -> None:
    assert inline(Path("/a")) == '"/a"'
    assert inline(None) == '""'
    assert inline(60.0) == "60"
    assert inline(("a",)) == '["a"]'
    assert quoted("\x7f") == '"\\u007F"'
