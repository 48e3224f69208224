from pathlib import Path

import pytest
import typer

from pillarbox.cli.fetch_add_ask import Asker, Kind, absolute, destination


def test_with_yes_answers_are_given_or_defaults() -> None:
    ask = Asker(yes=True)
    assert ask.text("?", "--x", "given", "default") == "given"
    assert ask.text("?", "--x", "", "default") == "default"
    assert ask.agreed("?", default=False) is False
    with pytest.raises(typer.Exit):
        ask.text("?", "--x")
    with pytest.raises(typer.Exit):
        ask.secret("?", from_stdin=False)


def test_a_word_that_is_none_of_them_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["mbx", "mbox"])
    monkeypatch.setattr(typer, "prompt", lambda *arguments, **named: next(typed))
    assert Asker(yes=False).choice("?", "--to", ["maildir", "mbox"], "maildir") == "mbox"


def test_what_a_kind_of_destination_needs(tmp_path: Path) -> None:
    ask = Asker(yes=True)
    pipe = destination(ask, "ada", Kind.PIPE, {"command": "procmail -d 'a b'"})
    assert pipe == {"to": "pipe", "command": ["procmail", "-d", "a b"]}
    lmtp = destination(ask, "ada", Kind.LMTP, {"recipient": "ada@example.org"})
    assert lmtp == {"to": "lmtp", "socket": "/run/dovecot/lmtp", "recipient": "ada@example.org"}
    place = tmp_path / "made" / "in"
    assert destination(ask, "ada", None, {"path": str(place)}) == {"to": "maildir", "path": str(place)}
    assert place.parent.is_dir()
    assert not place.exists()


def test_paths_are_meant_from_where_the_person_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("in") == str(tmp_path / "in")
    assert absolute("~/in") == "~/in"
