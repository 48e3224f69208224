"""The examples of docs/oauth.md run as they stand, against a provider and a mail server on this machine."""

import re
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.client.authorization_server import running
from tests.client.scripted import Server, client

from pillarbox.client import oauth_errors
from pillarbox.client.oauth import Provider
from pillarbox.client.oauth_http import exchange

DOCUMENT = (Path(__file__).parents[2] / "docs" / "oauth.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


def test_the_examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mail = Server([b"Subject: x\r\n\r\n"], {b"CAPA": b"+OK\r\nSASL XOAUTH2\r\n.\r\n", b"AUTH": b"+ \r\n"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    shown: list[str] = []

    def open_client(url: str, **options: Any) -> Any:
        assert url == "pops://ada@outlook.office365.com"
        return client(mail, password=None, **options)

    def browse(address: str) -> None:
        threading.Thread(target=lambda: opener.open(address, timeout=10).close(), daemon=True).start()

    with running() as server:
        server.device_answer = {"interval": 0.01}

        def preset(tenant: str = "common") -> Provider:
            return server.provider

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("pillarbox.client.oauth.microsoft", preset)
        monkeypatch.setattr("pillarbox.client.Client", open_client)
        monkeypatch.setattr("webbrowser.open", browse)
        monkeypatch.setattr("builtins.input", lambda: exchange(shown[-1]).location)
        monkeypatch.setattr("builtins.print", lambda text: shown.append(str(text)))
        # The test's server has a secret; the documented ones are public clients.
        monkeypatch.setattr("pillarbox.client.oauth_providers.Application.credentials", lambda _: CREDENTIALS)
        names: dict[str, Any] = {}
        for example in EXAMPLES:
            exec(example.replace("your client id", "client-1"), names)
    assert len(EXAMPLES) == 4
    assert shown[0].startswith("Open http://127.0.0.1")
    assert shown[-1] == "1"
    assert server.grants("device_code") == 1
    assert server.grants("authorization_code") == 2
    assert server.grants("refresh_token") == 0


CREDENTIALS = {"client_id": "client-1", "client_secret": "hush"}


def test_every_error_is_in_the_table() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE))
    assert listed == set(oauth_errors.__all__) - {"OAuthError"}
