"""Envelopes: only addresses that are safe in a protocol line, an argument and an environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.fetch.destinations.envelope import NULL, checked_recipient, is_address, return_path, sender_of


@pytest.mark.parametrize(
    "text", ["ada@example.org", "a.b+c@x", "SRS0=x=y=z@a-b.example", "_x@[1]".replace("[1]", "y1")]
)
def test_plain_addresses_are_taken(text: str) -> None:
    assert is_address(text)
    assert checked_recipient(text) == text


ODD = """@x ada@ -oProxy@x $(id)@x `id`@x a;b@x a|b@x a@-x a@x- a..b@x a@x..y ä@x a@ä a@b@c a!b@x a%b@x <a@x>"""


@pytest.mark.parametrize(
    "text",
    [*ODD.split(), "", "ada", "a b@x", "a@x\r\nDATA", "a@x\n", "a@x\0", '"a"@x', "a@x y", "a" * 65 + "@x"],
)
def test_what_could_be_read_as_something_else_is_no_address(text: str) -> None:
    assert not is_address(text)
    with pytest.raises(ValueError, match="no plain address"):
        checked_recipient(text)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"Return-Path: <ada@example.org>\r\nX: y\r\n", "ada@example.org"),
        (b"X: y\nreturn-path:ada@example.org\n", "ada@example.org"),
        (b"Return-Path: <>\r\n", NULL),
        (b"Return-Path: <-f@x>\r\n", None),
        (b"Return-Path: <a@x> junk\r\n", None),
        (b"X: y\r\n\r\nReturn-Path: <body@example.org>\r\n", None),
        (b"\r\nReturn-Path: <body@example.org>\r\n", None),
        (b"", None),
        (b"x" * 70_000 + b"\r\nReturn-Path: <late@example.org>\r\n", None),
    ],
)
def test_the_return_path_is_read_from_the_header(header: bytes, found: str | None, tmp_path: Path) -> None:
    message = tmp_path / "m"
    message.write_bytes(header + b"\r\nbody\r\n" if header else b"")
    assert return_path(message) == found
    assert sender_of(None)(message) == (found or NULL)
    assert sender_of("")(message) == NULL
    assert sender_of("me@example.org")(message) == "me@example.org"


def test_a_sender_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r'write "name@example\.org", or ""'):
        sender_of("a b@x")
