"""Our own fetcher's run: everything once, and nothing again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.testing import ScriptedServer
from pillarbox.testing.torture import post
from pillarbox.testing.torture.own_fetch import main


def test_everything_is_stored_once_and_errors_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent = post.messages(3)
    with ScriptedServer(sent, faults=["answer '-ERR no' at RETR 2 in session 1"]) as server:
        (tmp_path / "password").write_text(server.password)
        arguments = (server.url, str(server.ca), tmp_path, tmp_path / "Maildir", 10.0)
        assert [main(*arguments) for _ in range(2)][1] == 0
        assert not server.messages
        expected = {post.token(each): [post.body(each)] for each in sent}
        assert post.arrived(tmp_path / "Maildir", expected).whole == {1: 1, 2: 1, 3: 1}
        server.script("answer '-ERR [AUTH] no' at LOGIN")
        assert main(*arguments) == 1
    assert "AuthenticationFailed" in capsys.readouterr().err
