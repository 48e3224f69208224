from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pillarbox.fetch.schema_deliver import Deliver

WELL: dict[str, dict[str, Any]] = {
    "maildir": {"path": "/m", "line_ends": "crlf"},
    "mbox": {"path": "/m", "lock_file": False},
    "archive": {"path": "/m"},
    "pipe": {"command": ["x"], "time_limit": 5.0, "sender": "<>"},
    "lmtp": {"socket": "/s", "recipient": "ada@example.org"},
    "smtp": {"host": "h", "recipient": "ada@example.org", "user": "ada", "password_file": "/p"},
    "imap": {"host": "h", "user": "ada", "password_command": ["x"], "flags": ["\\Seen"]},
}


def told(**table: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Deliver.model_validate(table)
    return str(caught.value)


@pytest.mark.parametrize("kind", WELL)
def test_each_kind_takes_what_it_has_a_use_for(kind: str) -> None:
    assert Deliver.model_validate({"to": kind, **WELL[kind]}).to == kind


@pytest.mark.parametrize("kind", WELL)
def test_each_kind_needs_something(kind: str) -> None:
    assert "needs" in told(to=kind)


@pytest.mark.parametrize(
    ("kind", "extra"), [("maildir", "host"), ("mbox", "command"), ("pipe", "path"), ("lmtp", "folder")]
)
def test_what_a_kind_has_no_use_for_is_told(kind: str, extra: str) -> None:
    value = ["x"] if extra == "command" else "/x"
    assert f"no use for `{extra}`" in told(to=kind, **{**WELL[kind], extra: value})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"to": "lmtp", "socket": "/s", "host": "h", "recipient": "a@b.c"}, "not both"),
        ({"to": "smtp", "host": "h", "recipient": "a@b.c", "user": "ada"}, "go together"),
        ({"to": "imap", "host": "h"}, "needs `user`"),
        ({"to": "smtp", "host": "h", "recipient": "a\r\n@b"}, "not a plain mail address"),
        ({"to": "maildir", "path": "a\0b"}, "NUL"),
        ({"to": "maildir", "path": "relative"}, "absolute"),
        ({"to": "pipe", "command": []}, "empty"),
    ],
)
def test_other_slips(table: dict[str, Any], words: str) -> None:
    assert words in told(**table)


def test_a_path_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert Deliver.model_validate({"to": "maildir", "path": "~/Mail"}).path == Path("/home/ada/Mail")
    assert "no home directory" in told(to="maildir", path="~nobody-has-this-name/Mail")
