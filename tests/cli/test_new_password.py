"""How a new password reaches the command line, and what it must be like there."""

import io
import sys
from pathlib import Path

import pytest

from pillarbox.auth.breach import BreachFilter
from pillarbox.auth.breach_build import Listing, build
from pillarbox.auth.password_policy import Context, PasswordPolicy
from pillarbox.auth.passwords import MAX_PASSWORD_OCTETS
from pillarbox.cli.new_password import PasswordRefused, asked_once, new_password

NOBODY = Context()


def on_stdin(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))


def given(monkeypatch: pytest.MonkeyPatch, octets: bytes, context: Context = NOBODY) -> bytes:
    on_stdin(monkeypatch, octets)
    return new_password(from_stdin=True, context=context)


@pytest.mark.parametrize(
    ("octets", "password"),
    [
        (b"correct horse battery\n", b"correct horse battery"),
        (b"correct horse battery", b"correct horse battery"),
        (b"correct horse battery\r\nsecond line\n", b"correct horse battery"),
        (b"  spaces are kept  \n", b"  spaces are kept  "),
        ("äöüßÄÖÜẞzwölfter\n".encode(), "äöüßÄÖÜẞzwölfter".encode()),
        (b"latin-\xe4\xf6\xfc of old\n", b"latin-\xe4\xf6\xfc of old"),
        (b"x" * 7 + b"y" * (MAX_PASSWORD_OCTETS - 7) + b"\r\n", b"x" * 7 + b"y" * (MAX_PASSWORD_OCTETS - 7)),
    ],
)
def test_the_first_line_is_the_password(monkeypatch: pytest.MonkeyPatch, octets: bytes, password: bytes) -> None:
    assert given(monkeypatch, octets) == password


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"", "no password was given"),
        (b"\n", "empty"),
        (b"\r\n", "empty"),
        (b"fourteen chars\n", "fewer than 15 characters"),
        ("äöüßÄÖÜäöüßÄÖ\n".encode(), "fewer than 15 characters"),  # 26 octets
        (b"nul\0in the middle\n", "POP3 cannot carry"),
        (b"cr\rin the middle\n", "POP3 cannot carry"),
        (b"x" * (MAX_PASSWORD_OCTETS + 1) + b"\n", "longer than"),
        (b"x" * 10**6, "longer than"),
        (b"aaaaaaaaaaaaaaaaaaaa\n", "again and again"),
    ],
)
def test_refusals_say_what_to_do(monkeypatch: pytest.MonkeyPatch, octets: bytes, message: str) -> None:
    with pytest.raises(PasswordRefused, match=message):
        given(monkeypatch, octets)


def test_all_reasons_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PasswordRefused, match=r"fewer than 15.*most common.*names that everybody knows"):
        given(monkeypatch, b"michael\n", Context("michael@example.org"))


def test_a_second_factor_makes_shorter_ones_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, b"kTq7vbn2\n", Context(second_factor=True)) == b"kTq7vbn2"


def test_advice_is_printed_and_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert given(monkeypatch, b"qwertyuiopasdfgh\n") == b"qwertyuiopasdfgh"
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("advice: ")
    assert "qwertyuiopasdfgh" not in shown.err


def test_a_filter_that_cannot_be_used_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    build(tmp_path / "f", [Listing("list", io.BytesIO(b"x"), plain=True)])
    data = bytearray((tmp_path / "f").read_bytes())
    data[96:112] = b"\xff" * 16
    (tmp_path / "f").write_bytes(data)
    on_stdin(monkeypatch, b"correct horse battery\n")
    with pytest.raises(PasswordRefused, match="build it again; nothing was changed"):
        new_password(from_stdin=True, policy=PasswordPolicy(breached=BreachFilter(tmp_path / "f")))


def test_a_password_to_ask_about_may_be_like_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    on_stdin(monkeypatch, b"123\n")
    assert asked_once(from_stdin=True) == b"123"
    for octets in (b"", b"\n", b"x" * 2000):
        on_stdin(monkeypatch, octets)
        with pytest.raises(PasswordRefused):
            asked_once(from_stdin=True)
