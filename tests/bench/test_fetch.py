"""The fetchers' bench: its figures, and a small run of ours from our own server."""

import pytest
from bench.fetch import MEAN, MESSAGES, Ran, main, table
from bench.fetch_programs import Fetcher, Task

from bench import fetch


def test_the_mail_is_36_mb_in_3000_messages() -> None:
    sizes = fetch._sizes(MESSAGES)
    assert len(sizes) == MESSAGES
    assert abs(sum(sizes) - MEAN * MESSAGES) < 0.02 * MEAN * MESSAGES


def test_the_ratio_is_taken_within_the_rounds() -> None:
    text = table({"ours": [Ran(1.0, 0.5), Ran(3.0, 0.5)], "theirs": [Ran(2.0, 0.1), Ran(9.0, 0.1)]})
    assert text.splitlines()[2:] == [
        "| ours | 2.00 | 1.50–2.50 | 1.00 | 0.50 |",
        "| theirs | 5.50 | 3.75–7.25 | 2.50 | 0.10 |",
    ]


@pytest.mark.slow
def test_a_small_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(fetch, "MESSAGES", 12)
    monkeypatch.setattr(fetch, "FEW", 4)
    options = ["--only", "loopback,delay", "--servers", "pillarbox", "--rounds", "1", "--fetchers", "pillarbox"]
    assert main(options) == 0
    shown = capsys.readouterr().out
    assert shown.count("| pillarbox |") == 2
    assert "### 12 messages" in shown


def test_a_fetcher_that_brings_too_little_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lazy(task: Task) -> list[str]:
        return ["true"]

    monkeypatch.setattr(fetch, "MESSAGES", 3)
    monkeypatch.setattr(fetch, "FETCHERS", [Fetcher("lazy", "true", lazy, ours=True)])
    assert main(["--only", "loopback", "--servers", "pillarbox", "--rounds", "1"]) == 2
    assert "lazy ended with 0, 0 of 3 messages" in capsys.readouterr().err
