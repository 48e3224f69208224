"""The examples of docs/journal.md run as they stand there, but for host, paths and trust."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from tests.fetch.accounts import fetched, mail

from pillarbox.testing.scripted import ScriptedServer

PAGE = Path(__file__).parents[2] / "docs" / "journal.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_fetcher(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("open sesame\n")
    with ScriptedServer([mail(1), mail(2)]) as server:
        text = (
            EXAMPLES[0]
            .replace("pops://ada@mail.example.org", server.url)
            .replace("/run/secrets/ada", str(tmp_path / "secret"))
            .replace("/home/ada/Maildir", str(tmp_path / "in"))
            .replace("/var/lib/pillarbox/fetch", str(tmp_path / "j"))
            .replace("    delete_after", f"    tls=TlsRules(ca_file={str(server.ca)!r}),\n    delete_after")
        )
        names: dict[str, object] = {}
        exec("from pillarbox.client import TlsRules\n" + text, names)
        assert names["result"].ok  # type: ignore[attr-defined]  # it is a RunResult
        assert not server.messages
    assert fetched(tmp_path) == Counter([mail(1), mail(2)])


def test_the_journal_with_a_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ScriptedServer([mail(1), mail(2)]) as server:
        text = EXAMPLES[1].replace(
            '"pops://ada@mail.example.org", password="open sesame"',
            f'"{server.url}", password="open sesame", tls=TlsRules(ca_file={str(server.ca)!r})',
        )
        for _ in range(2):
            exec("from pillarbox.client import TlsRules\n" + text, {})
        assert len(server.retrieved) == 2
    assert Counter(path.read_bytes() for path in (tmp_path / "inbox").iterdir()) == Counter([mail(1), mail(2)])
