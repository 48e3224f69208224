"""Oddities are odd; their effect on the wire is proved with the replies."""

from __future__ import annotations

import pytest

from pillarbox.testing.oddities import LISTINGS, UNIQUE_IDS

LINES = [b"1 100", b"2 200", b"3 300"]


@pytest.mark.parametrize("name", LISTINGS)
def test_every_listing_is_changed_and_its_input_is_not(name: str) -> None:
    lines = list(LINES)
    assert LISTINGS[name](lines) != LINES
    assert lines == LINES
    assert isinstance(LISTINGS[name]([]), list)


def test_unique_ids() -> None:
    shown = {name: odd(1, b"m1", 1) for name, odd in UNIQUE_IDS.items()}
    assert len(set(shown.values())) == len(shown)
    assert len(shown["long"]) == 200
    assert shown["duplicate"] == UNIQUE_IDS["duplicate"](2, b"m2", 1)
    assert shown["changing"] != UNIQUE_IDS["changing"](1, b"m1", 2)
    assert b"\r" not in b"".join(shown.values())
