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
    place = tmp_path / "in"
    assert destination(ask, "ada", None, {"path": str(place)}) == {"to": "maildir", "path": str(place)}
    assert not place.exists()


def test_a_directory_that_somebody_named_has_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be a disk that is off; the place that is ours to choose is made."""
    with pytest.raises(typer.Exit):
        destination(Asker(yes=True), "ada", None, {"path": str(tmp_path / "off" / "in")})
    assert f"mkdir -p {tmp_path / 'off'}" in capsys.readouterr().err
    assert not (tmp_path / "off").exists()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert destination(Asker(yes=True), "ada", None, {})["path"] == "~/Mail/ada"
    assert (tmp_path / "Mail").is_dir()


@pytest.mark.parametrize("command", ["cat > /dev/null", "a | b", "a; b", "a && b", "cat $HOME", "a `b`", "ls *"])
def test_a_command_for_a_shell_needs_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        destination(Asker(yes=True), "ada", Kind.PIPE, {"command": command})
    assert "--set deliver.shell=true" in capsys.readouterr().err
    settled = {"shell": True}
    made = destination(Asker(yes=True), "ada", Kind.PIPE, {"command": command}, settled)
    assert made == {"to": "pipe", "command": [command], "shell": True}


def test_what_is_quoted_or_settled_needs_no_shell(capsys: pytest.CaptureFixture[str]) -> None:
    made = destination(Asker(yes=True), "ada", Kind.PIPE, {"command": "a 'b > c' \"d;e\" f\\*"})
    assert made["command"] == ["a", "b > c", "d;e", "f*"]
    assert destination(Asker(yes=True), "ada", Kind.PIPE, {}, {"command": ["a", ">"]})["command"] == ["a", ">"]
    with pytest.raises(typer.Exit):
        destination(Asker(yes=True), "ada", Kind.PIPE, {"command": "a 'b"})
    assert "quote" in capsys.readouterr().err


def test_paths_are_meant_from_where_the_person_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("in") == str(tmp_path / "in")
    assert absolute("~/in") == "~/in"
