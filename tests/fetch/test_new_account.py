import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.fetch.new_account import CannotAdd, read_text, replace_text, table_text, with_account

ACCOUNT = {"url": "pops://ada@h", "password_command": ["pass", "x"], "deliver": {"to": "maildir", "path": "/m"}}
OLD = '# mine\n[fetch]\nevery = 60 # seconds\n\n[account.bob] # the other one\nurl = "pops://bob@h"\n'


def test_everything_that_stood_there_stands_there_still() -> None:
    after = with_account(OLD, "ada", ACCOUNT)
    assert after.startswith(OLD)
    assert tomllib.loads(after)["account"] == {"bob": {"url": "pops://bob@h"}, "ada": ACCOUNT}


@pytest.mark.parametrize("old", ["", OLD.rstrip("\n"), "# only a comment", "[fetch]\nevery = 60"])
def test_it_fits_behind_any_file(old: str) -> None:
    after = with_account(old, "ada.b@example.org", ACCOUNT)
    assert old in after
    assert tomllib.loads(after)["account"]["ada.b@example.org"] == ACCOUNT


@pytest.mark.parametrize(
    ("old", "words"),
    [
        (OLD, "already"),
        ("account = { x = 1 }\n", "by hand"),
        ("[[account]]\nx = 1\n", "by hand"),
        ("broken", "pillarbox fetch check"),
    ],
)
def test_what_cannot_be_added_is_told(old: str, words: str) -> None:
    with pytest.raises(CannotAdd, match=words):
        with_account(old, "bob", ACCOUNT)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=9), st.text() | st.booleans() | st.integers(-9, 9) | st.lists(st.text())))
def test_any_value_comes_back(values: dict[str, object]) -> None:
    assert tomllib.loads(table_text("ada", values))["account"]["ada"] == values


def test_the_file_is_replaced_with_its_mode_and_through_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "fetch.toml"
    real.write_text("old")
    real.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(real)
    replace_text(link, "old", "new")
    assert link.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("new", 0o640)
    assert [path.name for path in real.parent.iterdir()] == ["fetch.toml"]


def test_a_new_file_is_its_makers_only(tmp_path: Path) -> None:
    path = tmp_path / "made" / "fetch.toml"
    replace_text(path, "", "new")
    assert (read_text(path), path.stat().st_mode & 0o777) == ("new", 0o600)


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "fetch.toml"
    path.write_text("somebody's")
    with pytest.raises(CannotAdd, match="try again"):
        replace_text(path, "old", "new")
    assert path.read_text() == "somebody's"
    assert os.listdir(tmp_path) == ["fetch.toml"]


def test_line_ends_and_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "fetch.toml"
    path.write_bytes(b"# a\r\n")
    replace_text(path, read_text(path), read_text(path) + "# b\n")
    assert path.read_bytes() == b"# a\r\n# b\n"
    path.write_bytes(b"# \xe9\n")
    with pytest.raises(CannotAdd, match="UTF-8"):
        read_text(path)
