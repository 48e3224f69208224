"""P41, P45: status lines and challenges, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.errors import ProtocolError
from pillarbox.wire.replies import Challenge, Reply, ResponseCode, Status, challenge_line, parse_status, status_line


def test_status_lines() -> None:
    assert status_line(Reply(True)) == b"+OK\r\n"
    assert status_line(Reply(True, "done")) == b"+OK done\r\n"
    assert status_line(Reply(False, "no")) == b"-ERR no\r\n"
    assert status_line(Reply(False, "busy", ResponseCode.IN_USE)) == b"-ERR [IN-USE] busy\r\n"
    assert status_line(Reply(False, "", ResponseCode.AUTH)) == b"-ERR [AUTH]\r\n"
    assert status_line(Reply(True, "Größe")) == "+OK Größe\r\n".encode()


@pytest.mark.parametrize("text", ["[AUTH] hello", "[", "[x]", "[SYS/TEMP]"])
def test_only_a_response_code_begins_with_a_bracket(text: str) -> None:
    """P41."""
    line = status_line(Reply(False, text))
    assert not line.startswith(b"-ERR [")
    assert parse_status(line[:-2]).code == ""


@given(st.text(max_size=700), st.sampled_from([None, *ResponseCode]), st.booleans())
def test_any_text_makes_one_line_within_its_limit(text: str, code: ResponseCode | None, ok: bool) -> None:
    """No text, whoever wrote it, breaks the line, sends escapes to a terminal, or forges a response code."""
    line = status_line(Reply(ok, text, code))
    assert line.endswith(b"\r\n")
    assert len(line) <= 512
    shown = line[:-2].decode("utf-8")
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in shown)
    status = parse_status(line[:-2])
    assert status.ok is ok
    assert status.code == (code.value if code else "")


def test_lone_surrogates_do_not_break_a_reply() -> None:
    assert status_line(Reply(False, "bad \udcff")) == b"-ERR bad ?\r\n"


def test_the_empty_challenge_keeps_its_space() -> None:
    """P45."""
    assert challenge_line(Challenge(b"")) == b"+ \r\n"
    assert challenge_line(Challenge(b"abc")) == b"+ YWJj\r\n"
    assert "abc" not in repr(Challenge(b"abc"))


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"+OK", Status(True, "")),
        (b"+OK ", Status(True, "")),
        (b"+OK 2 320", Status(True, "2 320")),
        (b"-ERR [SYS/TEMP] later", Status(False, "later", "SYS/TEMP")),
        (b"-ERR [in-use]", Status(False, "", "IN-USE")),
        (b"-ERR [AUTH]no space", Status(False, "no space", "AUTH")),
        (b"-ERR [a b] no code", Status(False, "[a b] no code")),
        (b"-ERR []", Status(False, "[]")),
        (b"-ERR [", Status(False, "[")),
        (b"-ERR  [AUTH] no code", Status(False, " [AUTH] no code")),
        (b"+", Status(None, "")),
        (b"+ YWJj", Status(None, "YWJj")),
        (b"+OK \xff", Status(True, "\ufffd")),
    ],
)
def test_status_lines_are_read(line: bytes, status: Status) -> None:
    assert parse_status(line) == status


@pytest.mark.parametrize(
    "line", [b"", b"+ok", b"-err", b"OK", b"+OKAY", b"+OK\tx", b" +OK", b"-ERRx", b"* OK", b"220 x", b"\xff"]
)
def test_anything_else_is_no_status_line(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_status(line)


@given(st.binary(max_size=600))
def test_the_reader_raises_nothing_but_its_own_error(line: bytes) -> None:
    for prefix in (b"", b"+OK ", b"-ERR [", b"+ "):
        try:
            parse_status(prefix + line)
        except ProtocolError:
            pass
