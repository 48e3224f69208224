"""The examples of docs/destinations.md are settings that the fetcher takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pillarbox.config.fields import BASE
from pillarbox.fetch.filters import HeaderFilter
from pillarbox.fetch.schema import FetchFile
from pillarbox.fetch.verdict import Verdict

TEXT = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
ACCOUNT = {"url": "pops://ada@mail.example.org", "password_command": ["true"]}
DELIVER = {"to": "maildir", "path": "/home/ada/Mail"}


def settings(example: str) -> FetchFile:
    data: dict[str, Any] = tomllib.loads(example)
    account = data["account"]["ada"] = ACCOUNT | data["account"]["ada"]
    account.setdefault("deliver", DELIVER)
    return FetchFile.model_validate(data, context={BASE: Path("/")})


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_taken(example: str) -> None:
    assert settings(example).account["ada"].deliver.to in ("mbox", "pipe", "lmtp", "imap", "maildir")


def test_the_rules_do_what_is_said() -> None:
    [example] = [one for one in EXAMPLES if "filter" in one]
    asked = HeaderFilter(settings(example).account["ada"].filter, lambda: 1_700_604_801.0)
    old = b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nList-Id: <announce.example.org>\r\n"
    assert asked(old, 1).verdict is Verdict.DELETE
    assert asked(b"From: Boss@Example.org\r\n" + old, 1).verdict is Verdict.FETCH
    assert asked(b"X-Spam-Level: ********\r\n", 1).verdict is Verdict.SKIP
    assert asked(b"X-Spam-Level: *******\r\n", 1).verdict is Verdict.FETCH
    assert asked(b"", 26_214_401).reason == "larger than 25 MiB"
