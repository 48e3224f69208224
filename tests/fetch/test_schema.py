"""What `fetch.toml` can say of accounts, and what is told when it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.config import ConfigError, load_as
from pillarbox.fetch import schema
from pillarbox.fetch.schema import FetchFile

DELIVER = '[account.ada.deliver]\nto = "maildir"\npath = "Mail"\n'
ADA = '[account.ada]\nurl = "pops://ada@mail.example.org"\npassword_file = "secret"\n'


def read(tmp_path: Path, text: str) -> FetchFile:
    path = tmp_path / "fetch.toml"
    path.write_text(text)
    return load_as(FetchFile, path)


def problems(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return str(caught.value)


def test_the_smallest_file(tmp_path: Path) -> None:
    file = read(tmp_path, ADA + DELIVER)
    ada = file.account["ada"]
    assert (ada.delete, ada.keep_days, ada.enabled, ada.largest, ada.filter) == ("never", 0, True, 0, ())
    assert ada.password_file == tmp_path / "secret"
    assert read(tmp_path, "").account == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('url = "imap://ada@x"\npassword_file = "s"', "pops://ada@mail.example.org"),
        ('url = "pops://ada:pw@x"\npassword_file = "s"', "a password does not belong in a URL"),
        ('url = "pops://x"\npassword_file = "s"', "nobody to log in as"),
        ('url = "pops://ada@x"', "nothing says where the password is"),
        ('url = "pops://ada@x"\npassword = "hunter2"', "unknown key"),
        ('url = "pops://ada@x"\npassword_file = "s"\npassword_keyring = "k"', "keep one of them"),
        ('url = "pops://ada@x"\npassword_file = "s"\nkeep_days = -1', "keep_days"),
        ('url = "pops://ada@x"\npassword_file = "s"\noversize = "eat"', "oversize"),
        (
            'url = "pops://ada@x"\npassword_file = "s"\noauth = { provider = "google", client_id = "1" }',
            "both say how to log in",
        ),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, text: str, words: str) -> None:
    assert words in problems(tmp_path, f"[account.ada]\n{text}\n{DELIVER}")


def test_an_account_has_a_name_that_files_can_have(tmp_path: Path) -> None:
    assert "not a usable name" in problems(
        tmp_path, (ADA + DELIVER).replace("ada]", '"a/b"]').replace("ada.d", '"a/b".d')
    )


def test_a_rule_of_a_filter_is_checked_with_its_place(tmp_path: Path) -> None:
    text = (
        ADA
        + DELIVER
        + '[[account.ada.filter]]\nsubject = "x"\naction = "skip"\n[[account.ada.filter]]\naction = "skip"\n'
    )
    assert "account.ada.filter[2]" in problems(tmp_path, text)


def test_where_state_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two")
    assert schema.default_state() == Path("/var/lib/one")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert schema.default_state() == Path("/x/pillarbox/fetch")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert schema.default_state() == Path("/home/ada/.local/state/pillarbox/fetch")
