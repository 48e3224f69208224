"""What of a message can be searched."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.archive.mail import WHEN, message, multipart

from pillarbox.archive.extract import TEXT, document, empty, part_text
from pillarbox.archive.mime import walk


def test_header_text_and_names() -> None:
    data = multipart(
        "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe",
        "Content-Type: text/html\r\n\r\n<p>Rich <b>text</b><script>no()</script>",
        'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="Rechnung.pdf"\r\n\r\nxxx',
        "Content-Type: message/rfc822\r\n\r\nSubject: Inner\r\nFrom: Carol\r\n\r\nDeep text",
    )
    found = document(data, WHEN + 100)
    assert found.subject == "Message 1"
    assert found.sender == "Ada 1 <ada1@example.org>"
    assert found.recipients == "Bob <bob@example.com>"
    assert found.names == "Rechnung.pdf"
    assert found.attachments == 1
    assert found.message_id == "1@example.org"
    assert found.date == WHEN + 60
    for word in ("Grüße", "Rich text", "Inner", "Carol", "Deep text"):
        assert word in found.body
    assert "no()" not in found.body


@pytest.mark.parametrize("date", ["", "rubbish", "Thu, 01 Jan 2037 00:00:00 +0000"])
def test_a_date_that_cannot_be_is_not_believed(date: str) -> None:
    assert document(message(1, Date=date), WHEN).date == WHEN


def test_text_is_bounded_and_the_rest_is_not_read() -> None:
    huge = base64.encodebytes(b"word " * TEXT).decode()
    data = multipart(f"Content-Transfer-Encoding: base64\r\n\r\n{huge}", "\r\nlast")
    assert len(document(data, WHEN).body) <= TEXT
    (first, _) = walk(data)
    assert len(part_text(data, first, most=10)) == 10


def test_what_cannot_be_read_has_a_date_at_least() -> None:
    assert empty(WHEN).date == WHEN
    assert document(b"", WHEN).date == WHEN


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_any_octets_are_a_document(data: bytes) -> None:
    assert len(document(data, WHEN).body) <= TEXT
    document(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + data, WHEN)
