"""Refusals by their response codes; texts of servers, made safe."""

import pytest

from pillarbox.client import errors
from pillarbox.client.errors import refusal, shown
from pillarbox.wire.replies import Status


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AUTH", errors.AuthenticationFailed),
        ("IN-USE", errors.InUse),
        ("LOGIN-DELAY", errors.LoginDelay),
        ("SYS/TEMP", errors.TemporaryError),
        ("SYS/TEMP/DISK", errors.TemporaryError),
        ("SYS/PERM", errors.PermanentError),
        ("SYS", errors.Refused),
        ("", errors.Refused),
        ("VENDOR", errors.Refused),
    ],
)
def test_a_response_code_is_a_type(code: str, kind: type[errors.Refused]) -> None:
    error = refusal(Status(False, "no", code), "PASS")
    assert type(error) is kind
    assert error.code == code
    assert str(error).startswith("PASS refused: ")


def test_what_a_server_says_is_cleaned_and_cut() -> None:
    assert shown("a\x1b[31mb\r\u202e") == "a\\x1b[31mb\\r\\u202e"
    assert len(shown("x" * 5000)) == errors.SHOWN + 1
    assert str(refusal(Status(False, ""), "RETR")) == "RETR refused: no reason given"
