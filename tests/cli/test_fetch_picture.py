import io

from rich.console import Console

from pillarbox.cli.fetch_picture import Picture
from pillarbox.fetch import FetchProgress, RunResult


def drawn(picture: Picture, console: Console) -> str:
    with console.capture() as captured:
        console.print(picture._draw())
    return captured.get()


def test_each_account_and_all_together() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    picture = Picture(console, 3)
    picture.progress(FetchProgress("ada", 3, 10, 3000, 10_000))
    picture.progress(FetchProgress("bob", 1, 5, 500, 1000))
    lines = drawn(picture, console).splitlines()
    assert any("ada" in line and "3/10" in line and "3.0/10.0 kB" in line for line in lines)
    assert any("all accounts (0 of 3 done)" in line and "4/15" in line for line in lines)
    picture.ended(RunResult("ada"))
    text = drawn(picture, console)
    assert "ada " not in text
    assert "all accounts (1 of 3 done)" in text


def test_more_than_was_promised_is_no_more_than_all() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    picture = Picture(console, 1)
    picture.progress(FetchProgress("ada", 1, 1, 5000, 10))
    assert "5.0/5.0 kB" in drawn(picture, console)
    assert "all accounts" not in drawn(picture, console)


def test_lines_stand_above_it_and_it_is_gone_in_the_end() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True, color_system=None)
    with Picture(console, 1) as picture:
        picture.progress(FetchProgress("ada", 1, 2, 10, 20))
        picture.line("ada: [bold]2[/bold] messages")
    assert "ada: [bold]2[/bold] messages\n" in out.getvalue()
    assert out.getvalue().rstrip("\n").endswith("\x1b[2K")
