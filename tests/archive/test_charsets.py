"""Octets to text: the sets mail is written in, and those it only claims."""

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.archive.charsets import decode, from_base64, from_quoted, guess, header_text


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", "Grüße"),
        ("ISO-8859-1", "Grüße"),
        ("iso-8859-9", "İstanbul"),
        ("iso-8859-7", "οδός"),
        ("koi8-r", "Москва"),
        ("windows-1251", "Москва"),
        ("iso-2022-jp", "東京"),
        ("Shift_JIS", "東京"),
        ("x-sjis", "東京"),
        ("gb2312", "北京"),
        ("big5", "台北"),
        ("ks_c_5601-1987", "한국"),
        ("euc-kr", "한국"),
        ("utf-7", "Grüße"),
        ("utf-16le", "Grüße"),
    ],
)
def test_sets_of_characters(charset: str, text: str) -> None:
    codec = {"x-sjis": "shift_jis", "ks_c_5601-1987": "cp949"}.get(charset, charset)
    assert decode(text.encode(codec), charset) == text


@pytest.mark.parametrize(
    "charset",
    ["zip", "bz2", "hex", "base64", "idna", "punycode", "unicode_escape", "undefined", "rot13", "x" * 500, "\0"],
)
def test_what_is_no_set_of_characters_is_not_used(charset: str) -> None:
    assert decode(b"x\x9c\x4b", charset) == guess(b"x\x9c\x4b")


def test_what_the_standards_say_is_less_than_senders_mean() -> None:
    assert decode(b"\x93quoted\x94", "iso-8859-1") == "“quoted”"
    assert decode("Grüße".encode(), "us-ascii") == "Grüße"
    assert guess(b"\x80\xff") == "€ÿ"


@given(st.binary(), st.text())
def test_anything_can_be_decoded(octets: bytes, charset: str) -> None:
    assert isinstance(decode(octets, charset), str)


@given(st.binary())
def test_base64_of_mail(octets: bytes) -> None:
    encoded = base64.encodebytes(octets)
    assert from_base64(encoded) == octets
    assert from_base64(encoded.replace(b"\n", b"\r\n ")) == octets
    assert isinstance(from_base64(octets), bytes)


def test_broken_base64() -> None:
    assert from_base64(b"aGVsbG8") == b"hello"
    assert from_base64(b"aGVsbG8=d29ybGQ=") == b"helloworld"
    assert from_base64(b"aGVsb!!G8*") == b"hello"
    assert from_base64(b"a") == b""


@given(st.binary())
def test_quoted_printable(octets: bytes) -> None:
    assert from_quoted(binascii.b2a_qp(octets, istext=False)) == octets
    assert isinstance(from_quoted(octets), bytes)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe_an_alle?=", "Grüße an alle"),
        (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?utf-8?b?R3LD?= =?utf-8?b?vMOfZQ==?=", "Grüße"),  # a character cut in two
        (b"a =?iso-8859-1?q?b?= =?utf-8?q?c?= d", "a bc d"),
        (b"a =?iso-8859-1?q?b?= x =?iso-8859-1?q?c?=", "a b x c"),
        (b"=?utf-8*en?q?language?=", "language"),
        (b"=?utf-8?q?with a space?=", "with a space"),
        (b"=?nonsense?q?x=41?=", "xA"),
        (b"=?utf-8?x?no?=", "=?utf-8?x?no?="),
        (b"=?utf-8?q?no end", "=?utf-8?q?no end"),
        ("Grüße".encode(), "Grüße"),
        (b"Gr\xfc\xdfe", "Grüße"),
    ],
)
def test_header_fields(raw: bytes, text: str) -> None:
    assert header_text(raw) == text


@given(st.binary(max_size=300))
def test_any_header_field_can_be_read(raw: bytes) -> None:
    assert isinstance(header_text(raw), str)
    assert isinstance(header_text(b"=?" + raw + b"?="), str)
