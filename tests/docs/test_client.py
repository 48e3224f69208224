"""docs/client.md: every example runs, as it stands, against a live server; only the host's name is this machine's."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox import client
from pillarbox.client import Seen, errors
from pillarbox.fetch import Journal
from pillarbox.testing.live import LiveServer

TEXT = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
PASSWORD = "violet kettle on a drum"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer({"ada": PASSWORD}) as running:
        for number in range(1, 7):
            running.deliver("ada", b"Subject: letter %d\n\nhello\n" % number)
        yield running


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example(server: LiveServer, tmp_path: Path, number: int) -> None:
    code = EXAMPLES[number].replace('"mail.example.org", 995', f'"localhost", {server.pop3s_port}')
    code = code.replace("mail.example.org", f"localhost:{server.pop3s_port}")
    environment = {"MAIL_PASSWORD": PASSWORD, "SSL_CERT_FILE": str(server.certificate), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout or number == 1
    if number == 1:
        assert len(list((tmp_path / "inbox").iterdir())) == 6
    assert len(server.messages("ada")) == 6


def test_there_are_examples_and_every_error_is_explained() -> None:
    assert len(EXAMPLES) == 8
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.ClientError):
            assert f"`{name}`" in TEXT or name == "ClientError"
            assert name in client.__all__


def test_the_fetchers_journal_is_a_seen(tmp_path: Path) -> None:
    with Journal(tmp_path, "ada") as journal:
        seen: Seen = journal
        assert seen.is_new(b"id", 10)
        assert seen.due() == set()
