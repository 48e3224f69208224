"""Settings that make no sense are refused at once; secrets do not show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pillarbox.fetch import FetchAccount, RunResult
from pillarbox.fetch.destinations.maildir import MaildirDestination


def made(**changes: Any) -> FetchAccount:
    fields: dict[str, Any] = {
        "name": "ada",
        "url": "pops://ada@localhost",
        "destination": MaildirDestination("/nowhere"),
        "journals": Path("/nowhere"),
        "password": "secret",
    }
    return FetchAccount(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"delete_after": -1.0},
        {"commit_messages": 0},
        {"commit_seconds": 0.0},
        {"tries": 0},
        {"batch_messages": 0},
        {"reconnections": -1},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        made(**changes)


def test_a_password_does_not_show() -> None:
    assert "secret" not in repr(made())


def test_a_result_is_ok_when_it_came_to_its_end() -> None:
    assert RunResult("ada").ok
    assert not RunResult("ada", interrupted=True).ok
    assert not RunResult("ada", error=ValueError()).ok
