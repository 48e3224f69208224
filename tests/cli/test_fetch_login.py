"""`pillarbox fetch login`, with an authorization server on loopback."""

from __future__ import annotations

import webbrowser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.cli.fetching import FetchFiles
from tests.client.authorization_server import AuthorizationServer, running
from tests.client.test_oauth_browser import browse, end_of
from tests.fetch.accounts import mail

from pillarbox.cli.fetch_login import Way, get_tokens
from pillarbox.client.oauth import Application, TokenFile
from pillarbox.fetch import accounts_file
from pillarbox.testing.scripted import ScriptedServer

OAUTH = {"provider": "microsoft", "client_id": "client-1"}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[AuthorizationServer]:
    """Takes the place of every provider; the user's browser is on this machine."""
    with running() as server:

        def application(oauth: object) -> Application:
            return server.application

        def browser(address: str) -> bool:
            browse(address)
            return True

        monkeypatch.setattr(accounts_file, "application", application)
        monkeypatch.setattr(webbrowser, "open", browser)
        yield server


def test_after_the_login_mail_is_fetched_with_tokens(provider: AuthorizationServer, tmp_path: Path) -> None:
    files = FetchFiles(tmp_path)
    with ScriptedServer([mail(1)], tokens={"another": "ada"}) as server:
        files.add(server, oauth=OAUTH)
        text = files.config.read_text()
        files.config.write_text("\n".join(line for line in text.split("\n") if "password_file" not in line))
        said = files.run("run", "--once", code=1).stderr
        assert "run: pillarbox fetch login ada" in said
        assert "logged in" in files.run("login", "ada").stdout
        server.accept_token("access-2")
        files.run("run", "--once")
    assert files.mail() == Counter([mail(1)])
    assert (files.state / "ada.tokens").stat().st_mode & 0o777 == 0o600


def test_a_user_who_says_no_is_told(provider: AuthorizationServer, tmp_path: Path) -> None:
    provider.denies = True
    files = FetchFiles(tmp_path)
    files.write("ada", {"url": "pops://ada@h", "oauth": OAUTH, "deliver": {"to": "mbox", "path": "x"}})
    assert files.run("login", "ada", code=1).stderr.splitlines()[-1].startswith("error: ")
    assert not (files.state / "ada.tokens").exists()


def test_accounts_that_need_no_login(tmp_path: Path) -> None:
    files = FetchFiles(tmp_path)
    files.write("ada", {"url": "pops://ada@h", "password_file": "x", "deliver": {"to": "mbox", "path": "x"}})
    assert "nothing to do" in files.run("login", "ada", code=2).stderr
    assert "there are: ada" in files.run("login", "bob", code=2).stderr


def test_a_browser_elsewhere(
    provider: AuthorizationServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def paste(*arguments: object, **named: object) -> str:
        shown = capsys.readouterr().err.split()
        return end_of(next(word for word in shown if word.startswith("http")))

    monkeypatch.setattr(typer, "prompt", paste)
    get_tokens(provider.application, tmp_path / "made" / "tokens.json", Way.PASTE)
    assert TokenFile(tmp_path / "made" / "tokens.json").load() is not None


def test_a_code_on_any_device(
    provider: AuthorizationServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.device_answer["interval"] = 0.01
    get_tokens(provider.application, tmp_path / "tokens.json", Way.DEVICE)
    assert "enter the code ABCD-EFGH" in capsys.readouterr().err
    assert TokenFile(tmp_path / "tokens.json").load() is not None


def test_without_a_browser_the_address_is_shown(
    provider: AuthorizationServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(address: str) -> bool:
        browse(address)  # the user opens it by hand
        return False

    monkeypatch.setattr(webbrowser, "open", none)
    get_tokens(provider.application, tmp_path / "tokens.json", Way.BROWSER)
    said = capsys.readouterr().err
    assert "--way paste" in said
    assert provider.base in said


def test_tokens_that_cannot_be_kept(
    provider: AuthorizationServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(typer.Exit):
        get_tokens(provider.application, tmp_path / "file" / "tokens.json", Way.BROWSER)
    assert "error: " in capsys.readouterr().err
