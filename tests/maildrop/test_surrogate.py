"""P13: what a client without UTF8 is shown of an internationalised header (RFC 6858)."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.maildrop.surrogate import surrogate_header

PIECES = st.sampled_from(
    [
        *("From", "To", "Subject", "Content-Type", "X-Ä", "Message-ID", ":", ": ", "\n", "\r\n", "\r", "\n ", ","),
        *(";", "<", ">", "(", ")", '"', "\\", "=", "ä", "日本", "🙂", "a@b", "@", " ", "\t", "\0", "[", "]", "x" * 80),
        *("=?utf-8?B?w6Q=?=", "name*=", "''", "%", "ä" * 60),
    ]
)


def shown(header: str) -> EmailMessage:
    """What a client makes of the surrogate."""
    octets = surrogate_header(header.encode())
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@given(st.lists(PIECES, max_size=25))
def test_never_raises_and_is_ascii(pieces: list[str]) -> None:
    """Any UTF-8: the result is ASCII in CRLF form, without an empty line that was not there."""
    header = "".join(pieces).encode()
    result = surrogate_header(header)
    assert result.isascii()
    assert b"\r" not in result.replace(b"\r\n", b"")
    assert b"\n" not in result.replace(b"\r\n", b"")
    assert all(len(line) <= 998 or line in header.replace(b"\r", b"\n") for line in result.split(b"\r\n"))


@given(st.binary(max_size=60))
def test_any_octets(header: bytes) -> None:
    assert surrogate_header(header).isascii()


def test_ascii_fields_keep_their_octets() -> None:
    header = b"Received: by x;\n\tMon, 1 Jan\r\nX:y\nSubject: \xc3\xa4\n\n"
    assert surrogate_header(header).startswith(b"Received: by x;\r\n\tMon, 1 Jan\r\nX:y\r\nSubject: =?")
    assert surrogate_header(header).endswith(b"?=\r\n\r\n")


@pytest.mark.parametrize(
    "text",
    ["Grüße", "ein Gruß in der Mitte", "日本語の件名です" * 12, "🙂" * 40, "plain ä plain é plain", "ä" * 500],
)
def test_subject(text: str) -> None:
    """RFC 2047: decoded it is the text again; no line is longer than 76, no character is cut."""
    assert shown(f"Subject: {text}\n\n")["Subject"] == text
    result = surrogate_header(f"Subject: {text}\n\n".encode())
    assert all(len(line) <= 76 for line in result.split(b"\r\n"))


def test_display_names_and_groups() -> None:
    message = shown('From: Jörg "J." Müller <joerg@example.org>\nTo: Gruppe ä: a@b.c, "Ü, x" <d@e.f>;, g@h.i (Ä)\n\n')
    assert message["From"].addresses[0].addr_spec == "joerg@example.org"
    assert "Jörg" in message["From"].addresses[0].display_name
    assert [address.addr_spec for address in message["To"].addresses] == ["a@b.c", "d@e.f", "g@h.i"]
    assert message["To"].addresses[1].display_name == "Ü, x"


@pytest.mark.parametrize("address", ["jürgen@example.org", "a@exämple.org", "Name <jürgen@example.org>"])
def test_internationalised_addresses_belong_to_nobody(address: str) -> None:
    """RFC 6858 §2.1: no reply can go to somebody else; the name tells what the address was."""
    (found,) = shown(f"From: {address}\n\n")["From"].addresses
    assert found.domain.endswith(".invalid")
    assert address.strip("<>").split("<")[-1] in found.display_name


def test_parameters() -> None:
    """RFC 2231, continued where it is long."""
    for name in ("Größe.txt", "ä" * 90 + ".txt"):
        message = shown(f'Content-Type: text/plain; charset=utf-8; name="{name}"\n\n')
        assert message.get_content_type() == "text/plain"
        assert message.get_param("charset") == "utf-8"
        assert message.get_filename() == name


def test_fields_without_room_are_left_out() -> None:
    """RFC 6858 §2.4."""
    result = surrogate_header("Message-ID: <ä@x>\nX-Ä: y\nä\nDate: heute ä\nTo: a@b\n\n".encode())
    assert result == b"To: a@b\r\n\r\n"


def test_folded_field() -> None:
    assert shown("Subject: eins\n zwei\r\n\tdrei ä\n\n")["Subject"] == "eins zwei drei ä"


@pytest.mark.parametrize("part", ['"\\', "(\\(", "((", '"', "<", "[", ",", "ä ", ";x=ä", ":"])
@pytest.mark.parametrize("field", ["To", "Content-Type", "Subject"])
def test_long_hostile_fields_take_no_time(part: str, field: str) -> None:
    """Every octet is looked at a bounded number of times: 60 KB finish at once."""
    assert surrogate_header(f"{field}: ä{part * (60_000 // len(part.encode()))}\n\n".encode()).isascii()
