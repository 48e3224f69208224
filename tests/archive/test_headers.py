"""Headers: fields, parameters, dates; of any shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.archive.headers import FIELDS, LONGEST, VALUE, date_of, parameters, parse


def test_fields_are_unfolded_and_the_first_of_a_name_counts() -> None:
    header = parse(b"Subject: one\r\n two\r\nX: y\nSUBJECT: three\nno field\n continued\nTo : a@b\nCc: \nTo: c@d")
    assert header.text("subject") == "one two"
    assert header.text("x") == "y"
    assert header.text("to") == "a@b"
    assert header.texts("to", "cc", "bcc") == "a@b, c@d"
    assert header.raw("missing") == b""


def test_hostile_sizes_are_cut() -> None:
    assert len(parse(b"A: b\n" * 100_000).fields) == FIELDS
    assert len(parse(b"A: " + b"x" * (2 * LONGEST)).fields[0][1]) == VALUE
    assert len(parse(b"A: b\n" + b" folded\n" * 50_000).fields[0][1]) == VALUE


@pytest.mark.parametrize(
    ("raw", "value", "found"),
    [
        (b"text/Plain; charset=utf-8", "text/plain", {"charset": "utf-8"}),
        (b'multipart/mixed; boundary="a b;c=d"', "multipart/mixed", {"boundary": "a b;c=d"}),
        (b'attachment; filename="a\\"b.pdf"', "attachment", {"filename": 'a"b.pdf'}),
        (b"attachment; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf", "attachment", {"filename": "résumé.pdf"}),
        (b"a; filename*0*=utf-8''r%C3%A9; filename*1=sum; filename*2*=%C3%A9", "a", {"filename": "résumé"}),
        (b"attachment; filename*1=b; filename*0=a", "attachment", {"filename": "ab"}),
        (b'attachment; filename="=?utf-8?q?r=C3=A9sum=C3=A9?="', "attachment", {"filename": "résumé"}),
        (b"attachment; filename=plain; filename*=utf-8''better", "attachment", {"filename": "better"}),
        (b'attachment; filename="never closed', "attachment", {"filename": "never closed"}),
        (b"", "", {}),
        (b";;;", "", {}),
    ],
)
def test_parameters(raw: bytes, value: str, found: dict[str, str]) -> None:
    assert parameters(raw) == (value, found)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Thu, 01 Jan 2026 00:00:00 +0000", 1_767_225_600),
        ("1 Jan 2026 02:00:00 +0200 (EET)", 1_767_225_600),
        ("", None),
        ("yesterday", None),
        ("Thu, 99 Jan 2026 99:99:99 +9999", None),
        ("1 Jan 0101 00:00:00 +0000", None),
        ("1 Jan 99999999999 00:00:00 +0000", None),
        ("\0" * 10_000, None),
    ],
)
def test_dates(text: str, seconds: float | None) -> None:
    assert date_of(text) == seconds


@given(st.binary())
def test_anything_is_a_header(octets: bytes) -> None:
    header = parse(octets)
    for name, value in header.fields:
        assert isinstance(header.text(name), str)
        parameters(value)
    header.date()
    parameters(octets)
