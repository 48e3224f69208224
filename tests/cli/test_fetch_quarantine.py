from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.fetching import FetchFiles
from tests.fetch.accounts import mail

from pillarbox.testing.scripted import ScriptedServer

LARGE = b"Subject: \x1b[2J large\r\n" + mail(1, 5000)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer([LARGE, mail(2)], tls="none") as running:
        yield running


@pytest.fixture
def files(server: ScriptedServer, tmp_path: Path) -> FetchFiles:
    files = FetchFiles(tmp_path)
    files.add(server, largest=1000, oversize="quarantine")
    assert files.run("quarantine", "list").output == ""
    assert "1 put aside" in files.run("run", "--once").stdout
    return files


def test_list_and_show(files: FetchFiles) -> None:
    (line,) = files.run("quarantine", "list").stdout.splitlines()
    assert "put aside, copy kept: larger than 1000 octets" in line
    shown = files.run("quarantine", "show", "ada", line.split()[1]).stdout
    assert "Subject: \\x1b[2J large" in shown
    assert "line of" not in shown
    assert shown.replace("\n", "").isprintable()
    assert "see the list" in files.run("quarantine", "show", "ada", "zz", code=1).stderr


def test_retry_fetches_it_when_it_may_come(server: ScriptedServer, files: FetchFiles) -> None:
    files.run("run", "--once")
    assert len(server.retrieved) == 2
    files.config.write_text(files.config.read_text().replace("largest = 1000", "largest = 100000"))
    assert "1 message will be tried again" in files.run("quarantine", "retry", "ada").stdout
    files.run("run", "--once")
    assert files.mail() == Counter([LARGE, mail(2)])
    assert files.run("quarantine", "list").output == ""


def test_a_message_without_a_copy(server: ScriptedServer, tmp_path: Path) -> None:
    files = FetchFiles(tmp_path)
    files.add(server, largest=1000)
    files.run("run", "--once")
    (line,) = files.run("quarantine", "list").stdout.splitlines()
    assert "left on the server" in line
    assert "on the server only" in files.run("quarantine", "show", "ada", line.split()[1]).stdout
