"""The poplib loop does what it is there for, with an honest server."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.testing import ScriptedServer
from pillarbox.testing.torture import post
from pillarbox.testing.torture.poplib_client import main


@pytest.mark.parametrize(("mode", "tls"), [("implicit", "implicit"), ("stls", "stls")])
def test_everything_is_stored_and_deleted(tmp_path: Path, mode: str, tls: str) -> None:
    for part in ("tmp", "new"):
        (tmp_path / part).mkdir()
    sent = post.messages(3)
    with ScriptedServer(sent, tls=tls) as server:  # type: ignore[arg-type]
        (tmp_path / "password").write_text(server.password)
        main(mode, server.host, server.port, server.user, str(server.ca), tmp_path, tmp_path, 10.0)
        assert not server.messages
    assert post.arrived(tmp_path, {post.token(each): [post.body(each)] for each in sent}).whole == {1: 1, 2: 1, 3: 1}
