"""Header fields: readable, bounded, and unbroken by anything a stranger writes."""

from __future__ import annotations

import random

import pytest

from pillarbox.fetch import header_fields as module
from pillarbox.fetch.header_fields import header_fields, readable


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b" plain ", "plain"),
        (b"=?UTF-8?B?w6TDtsO8?=", "äöü"),
        (b"=?utf-8?q?caf=C3=A9_au_lait?= !", "café au lait !"),
        (b"=?iso-8859-1?Q?a?= =?utf-8?Q?b?=\r\n =?utf-8?q?c?= d", "abc d"),
        (b"=?iso-8859-1*en?Q?a?=", "a"),
        (b"one\r\n two\n\tthree", "one two three"),
        (b"=?no-such-charset?Q?a?=", "=?no-such-charset?Q?a?="),
        (b"=?zlib?B?eJw=?=", "=?zlib?B?eJw=?="),
        (b"=?rot13?Q?a?=", "=?rot13?Q?a?="),
        (b"=?utf-8?B?!?=", ""),
        (b"=?utf-8?B?w6Q?=", "ä"),
        (b"=?utf-8?Q?=FF?=", "\ufffd"),
        (b"=?utf-8?Q?unfinished", "=?utf-8?Q?unfinished"),
        (b"=??Q?a?=", "=??Q?a?="),
        ("räw".encode(), "räw"),
        (b"r\xe4w", "räw"),
    ],
)
def test_values_are_made_readable(raw: bytes, text: str) -> None:
    assert readable(raw) == text


def test_fields_are_found_in_their_order() -> None:
    header = header_fields(
        b"Received: one\r\nSubject: a\r\n b\r\nreceived : two\r\nno field\r\n folded\r\nX-Empty:\r\n\r\nTo: body\r\n"
    )
    assert header.fields == (("received", "one"), ("subject", "a b"), ("received", "two"), ("x-empty", ""))
    assert header.values("received") == ["one", "two"]
    assert header.values("to") == []


@pytest.mark.parametrize(
    ("header", "moment"),
    [
        (b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n", 1_700_000_000.0),
        (b"Received: by x; Tue, 14 Nov 2023 23:13:20 +0100\r\nDate: Mon, 1 Jan 1990 00:00:00 GMT\r\n", 1_700_000_000.0),
        (b"Received: no\r\nReceived: x; Mon, 1 Jan 1990 00:00:00 GMT\r\nDate: 14 Nov 2023 22:13:20 GMT\r\n", 1.7e9),
        (b"Date: soon\r\n", None),
        (b"Date: Tue, 99 Nov 2023 22:13:20 +0000\r\n", None),
        (b"Date: Tue, 14 Nov 0000 22:13:20 +9999\r\n", None),
        (b"Date: " + b"9" * 5000 + b"\r\n", None),
        (b"", None),
    ],
)  # fmt: skip
def test_the_arrival_is_what_our_own_server_wrote(header: bytes, moment: float | None) -> None:
    assert header_fields(header).arrived() == moment


def test_everything_is_bounded() -> None:
    many = header_fields(b"".join(b"A%d: b\r\n" % number for number in range(20_000)))
    assert len(many.fields) == module.MAX_FIELDS
    [(_, value)] = header_fields(b"A: " + b"x" * 1_000_000).fields
    assert len(value) == module.MAX_VALUE
    [(_, value)] = header_fields(b"A: x\r\n" + b" yyyyyyy\r\n" * 20_000).fields
    assert len(value) == module.MAX_VALUE
    [(_, value)] = header_fields(b"A: " + b"=?utf-8?q?a?= " * 1000).fields
    assert value.count("=?") > 500 or len(value) <= module.MAX_VALUE


@pytest.mark.parametrize(
    "shape", [b"=?utf-8?q?", b"=?", b"?=", b"=?a?b?", b":\r\n", b" \r\n", b"A:\r\n", b"\0", b"=?a*", b"\xff:"]
)
def test_hostile_repetitions_end(shape: bytes) -> None:
    for header in (shape * 50_000, b"Subject: " + shape * 50_000, b"From:" + shape * 100 + b"\r\n " + shape * 1000):
        header_fields(header).arrived()


def test_random_octets_never_raise() -> None:
    source = random.Random(5)
    alphabet = [
        b"=?",
        b"?=",
        b"utf-8",
        b"?q?",
        b"?B?",
        b"=C3",
        b":",
        b"\r\n",
        b" ",
        b"\n",
        b"Date",
        b"Received",
        b";",
        b"\xe4",
        b"a",
    ]
    for _ in range(3000):
        octets = b"".join(source.choices(alphabet, k=source.randrange(30)))
        fields = header_fields(octets)
        fields.arrived()
        assert all(isinstance(value, str) and "\n" not in value for _, value in fields.fields)
