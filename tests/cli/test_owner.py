"""How the command line makes sure of an account's owner."""

import io
from pathlib import Path

import pytest
import typer
from tests.cli.installation import PASSWORD, Installation

from pillarbox.cli.new_password import PasswordRefused
from pillarbox.cli.opened_accounts import OpenedAccounts
from pillarbox.cli.owner import ask_code, show_owner


def given(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.mark.parametrize(("typed", "code"), [("123456\n", "123456"), (" 123 456\n", "123456"), ("ab-cd", "ab-cd")])
def test_codes_come_with_spaces(monkeypatch: pytest.MonkeyPatch, typed: str, code: str) -> None:
    given(monkeypatch, typed)
    assert ask_code("") == code


@pytest.mark.parametrize("typed", ["", "\n", "   \n", "１２３４５６\n"])
def test_no_code(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    given(monkeypatch, typed)
    with pytest.raises(PasswordRefused):
        ask_code("")


def test_a_code_is_used_up_only_behind_the_right_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Installation(tmp_path)
    here.enrol("alice")
    accounts = OpenedAccounts(here.config)
    code = here.code()
    given(monkeypatch, f"wrong\n{code}\n")
    with pytest.raises(typer.Exit):
        show_owner(accounts, here.store.show("alice"))
    given(monkeypatch, f"{PASSWORD}\n{code}\n")
    show_owner(accounts, here.store.show("alice"))
    given(monkeypatch, f"{PASSWORD}\n{code}\n")
    with pytest.raises(typer.Exit):
        show_owner(accounts, here.store.show("alice"))


def test_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Installation(tmp_path)
    given(monkeypatch, "")
    with pytest.raises(PasswordRefused):
        show_owner(OpenedAccounts(here.config), here.store.show("alice"))
