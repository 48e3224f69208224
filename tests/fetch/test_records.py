"""Keys and header hashes."""

from __future__ import annotations

from pillarbox.fetch.records import content_key, header_hash, is_content_key

HEADER = b"From: a@example.org\r\nSubject: x\r\n"


def test_keys_by_content_differ_by_content_and_number() -> None:
    keys = {content_key(bytes([n]) * 32, m) for n in range(3) for m in range(3)}
    assert len(keys) == 9
    assert all(is_content_key(key) for key in keys)
    assert not is_content_key(b"UID1-2")


def test_the_same_header_has_the_same_hash_wherever_it_comes_from() -> None:
    same = [
        HEADER,
        HEADER + b"\r\n",
        HEADER + b"\r\nbody\r\n\r\nmore",
        HEADER.replace(b"\r\n", b"\n"),
        b"Status: RO\r\nX-UIDL: abc\r\n" + HEADER + b"\r\n",
    ]
    assert len({header_hash(header) for header in same}) == 1


def test_other_headers_have_other_hashes() -> None:
    others = [HEADER, HEADER + b"To: b@example.org\r\n", b"", b"Subject: x\r\n", HEADER.replace(b"x", b"y")]
    assert len({header_hash(header) for header in others}) == 5


def test_a_message_without_header_has_the_hash_of_none() -> None:
    assert header_hash(b"\r\nbody\r\n") == header_hash(b"")
