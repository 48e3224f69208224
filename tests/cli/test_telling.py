"""Failures, progress, numbers and times, as all commands tell them."""

import sys

import pytest
import typer

from pillarbox.cli.telling import Progress, fail, plural, when


def test_a_failure_is_one_clean_line_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        fail("no\x1b[31m\nmore", 2)
    assert ended.value.exit_code == 2
    assert capsys.readouterr() == ("", "error: no\\x1b[31m\\nmore\n")


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, told in ((False, ""), (True, "\rhalf\n")):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        progress = Progress(0.0)
        progress.show("half")
        progress.end()
        assert capsys.readouterr() == ("", told)


def test_texts() -> None:
    assert [plural(1, "message"), plural(1234, "message")] == ["1 message", "1,234 messages"]
    assert when(1_800_000_000.9) == "2027-01-15T08:00:00Z"
