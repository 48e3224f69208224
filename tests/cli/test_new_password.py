"""How a new password reaches the command line."""

import io
import sys

import pytest

from pillarbox.auth.passwords import MAX_PASSWORD_OCTETS
from pillarbox.cli.new_password import PasswordRefused, new_password


def given(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> bytes:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
    return new_password(from_stdin=True)


@pytest.mark.parametrize(
    ("octets", "password"),
    [
        (b"correct horse\n", b"correct horse"),
        (b"correct horse", b"correct horse"),
        (b"correct horse\r\nsecond line\n", b"correct horse"),
        (b"  spaces kept  \n", b"  spaces kept  "),
        ("äöüßÄÖÜẞ\n".encode(), "äöüßÄÖÜẞ".encode()),
        (b"latin-\xe4\xf6\xfc\n", b"latin-\xe4\xf6\xfc"),
        (b"x" * MAX_PASSWORD_OCTETS + b"\r\n", b"x" * MAX_PASSWORD_OCTETS),
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
        (b"sevench\n", "fewer than 8 characters"),
        ("äöüßÄÖÜ\n".encode(), "fewer than 8 characters"),  # 14 octets
        (b"nul\0in the middle\n", "POP3 cannot carry"),
        (b"cr\rin the middle\n", "POP3 cannot carry"),
        (b"x" * (MAX_PASSWORD_OCTETS + 1) + b"\n", "longer than"),
        (b"x" * 10**6, "longer than"),
    ],
)
def test_refusals_say_what_to_do(monkeypatch: pytest.MonkeyPatch, octets: bytes, message: str) -> None:
    with pytest.raises(PasswordRefused, match=message):
        given(monkeypatch, octets)
